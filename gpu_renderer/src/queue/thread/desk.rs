//! Where the render thread finds its jobs, and how it waits for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::thread::{park, park_timeout, yield_now};
use std::time::Duration;

use crate::queue::Job;

/// How often others may have the processor first before the thread goes to
/// sleep: where it is theirs too, they are about to push the next job, and
/// need not wake anybody then.
const YIELDS: u32 = 3;

/// For so long fences are looked at without a pause in between, only after
/// whoever else wants the processor: most pass sooner, and being woken takes
/// longer than they do.
const ALERT: Duration = Duration::from_micros(50);

/// Then a fence is left alone for this part of the time that it has taken so
/// far, within limits.
const PAUSE: f32 = 0.125;
const PAUSES: (Duration, Duration) = (Duration::from_micros(10), Duration::from_millis(1));

/// The render thread's end of the queue. Whoever sends it a job, or drops the
/// sender, unparks the thread: a channel that wakes its receiver holds a lock
/// meanwhile, which the receiver runs into.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) to_do: Receiver<Job>,
    /// Set when what is still to do does not matter any more.
    pub(super) stop: Arc<AtomicBool>,
}

/// What there is on the desk.
#[derive(Debug)]
pub(super) enum Next {
    /// The next job.
    Job(Job),
    /// None yet.
    Nothing,
    /// None ever again.
    End,
}

impl Desk {
    /// Takes the next job.
    pub(super) fn look(&self) -> Next {
        match self.to_do.try_recv() {
            Ok(_) if self.stop.load(Ordering::Relaxed) => Next::End,
            Ok(job) => Next::Job(job),
            Err(TryRecvError::Empty) => Next::Nothing,
            Err(TryRecvError::Disconnected) => Next::End,
        }
    }

    /// Waits until there is a job, or the end.
    pub(super) fn wait(&self) -> Next {
        let mut yields = 0..YIELDS;
        loop {
            match self.look() {
                Next::Nothing if yields.next().is_some() => yield_now(),
                Next::Nothing => park(),
                next => return next,
            }
        }
    }

    /// Waits until there is a job, the end, or fences should be looked at
    /// again that have been waited for so long.
    pub(super) fn wait_with_fences(&self, waited: Duration) -> Next {
        if waited < ALERT {
            yield_now();
        } else {
            let (shortest, longest) = PAUSES;
            park_timeout(waited.mul_f32(PAUSE).clamp(shortest, longest));
        }
        self.look()
    }
}
