//! The render thread: carries jobs out, asks for fences, says what has ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use super::bell::Bell;
use crate::queue::executor::Executor;
use crate::queue::{Completion, Job};
use crate::{Capsets, RenderError, Renderer};

/// How long a fence is left alone at first, and at most, before it is looked
/// at again.
const PAUSES: (Duration, Duration) = (Duration::from_micros(10), Duration::from_millis(1));

/// How much longer each pause is than the one before.
const GROWTH: f32 = 1.5;

/// By how much a pause may be longer, in nanoseconds. By default it is 50 us.
const SLACK: u64 = 1_000;

/// Fences are looked at and the main thread is woken for what has ended at the
/// latest after this long, even if there is more to do; unless a single job
/// takes longer.
const BATCH: Duration = Duration::from_micros(200);

/// The render thread's way back. Its end wakes the main thread too, so that a
/// panic is noticed.
#[derive(Debug)]
pub(super) struct Done {
    /// `Some` to the end.
    pub(super) completions: Option<Sender<Completion>>,
    pub(super) bell: Bell,
    /// Whether completions were sent that the bell has not been rung for.
    pub(super) is_quiet: bool,
}

impl Extend<Completion> for Done {
    fn extend<T: IntoIterator<Item = Completion>>(&mut self, ended: T) {
        for completion in ended {
            self.is_quiet = true;
            // Nobody listens any more when the device is gone.
            if let Some(completions) = &self.completions {
                let _ = completions.send(completion);
            }
        }
    }
}

impl Done {
    fn ring(&mut self) {
        if std::mem::take(&mut self.is_quiet) {
            self.bell.ring();
        }
    }
}

impl Drop for Done {
    fn drop(&mut self) {
        if std::thread::panicking() {
            log::error!("the render thread has panicked: the renderer is lost");
        }
        // First, so that whoever is woken finds the end.
        self.completions = None;
        self.bell.ring();
    }
}

/// What there is to do.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) to_do: Receiver<Job>,
    pub(super) stop: Arc<AtomicBool>,
}

/// The life of the render thread. Also when it panics everything else is
/// dropped before `done`: once the end is known, no memory is in use any more.
pub(super) fn live<R: Renderer>(
    mut done: Done,
    desk: Desk,
    start: impl FnOnce() -> Result<R, RenderError>,
    tell: &Sender<Result<Capsets, RenderError>>,
) {
    match start() {
        Ok(mut renderer) => {
            // After the start: threads of GL inherit it. Without it fences are
            // seen later, no more.
            let _ = nix::sys::prctl::set_timerslack(SLACK);
            let _ = tell.send(Ok(renderer.capsets()));
            serve(&mut renderer, &desk, &mut done);
        }
        Err(error) => {
            let _ = tell.send(Err(error));
        }
    }
}

fn serve(renderer: &mut dyn Renderer, desk: &Desk, done: &mut Done) {
    let mut executor = Executor::default();
    let (shortest, longest) = PAUSES;
    let mut pause = shortest;
    loop {
        let next = if executor.is_waiting() {
            desk.to_do.recv_timeout(pause)
        } else {
            let closed = |_| RecvTimeoutError::Disconnected;
            desk.to_do.recv().map_err(closed)
        };
        match next {
            Ok(job) => {
                pause = shortest;
                let begun = Instant::now();
                let mut next = Some(job);
                while let Some(job) = next {
                    if desk.stop.load(Ordering::Relaxed) {
                        return;
                    }
                    executor.run(renderer, job, done);
                    let is_over = begun.elapsed() >= BATCH;
                    next = (!is_over).then(|| desk.to_do.try_recv().ok()).flatten();
                }
            }
            Err(RecvTimeoutError::Timeout) => {
                pause = pause.mul_f32(GROWTH).min(longest);
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
        executor.poll(renderer, done);
        done.ring();
    }
}
