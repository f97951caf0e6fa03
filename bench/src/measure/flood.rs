//! Something that happens again and again while the control queue is never empty.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::Setting;
use crate::ring::Ring;

/// Requests of a batch.
pub(super) const BATCH: u16 = 64;

/// Whether there is more to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Again,
    Stop,
}

/// Milliseconds that each `trip` took, one after the other, while `control` has a batch of the requests that were laid
/// out there before.
pub(super) fn beside(
    setting: &Setting,
    control: &mut Ring,
    mut trip: impl FnMut() -> Next,
) -> Vec<f64> {
    let end = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Two batches at a time, so that there is always one.
            control.submit(BATCH / 2);
            while !end.load(Ordering::Acquire) {
                control.submit(BATCH / 2);
                while control.left() > BATCH / 2 {
                    let _ = control.kick.write(1);
                    std::thread::yield_now();
                }
            }
            control.wait();
        });
        let start = Instant::now();
        let mut times = Vec::new();
        while start.elapsed() < setting.slice * setting.rounds as u32 {
            let sent = Instant::now();
            let next = trip();
            times.push(sent.elapsed().as_secs_f64() * 1e3);
            if next == Next::Stop {
                break;
            }
        }
        end.store(true, Ordering::Release);
        times
    })
}
