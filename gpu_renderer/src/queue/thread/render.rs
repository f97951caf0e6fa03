//! The render thread: carries jobs out, asks for fences, says what has ended.

use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use super::bell::Bell;
use super::desk::{Desk, Next};
use crate::queue::executor::Executor;
use crate::queue::{Abilities, Completion};
use crate::{RenderError, Renderer};

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

/// The life of the render thread. Also when it panics everything else is
/// dropped before `done`: once the end is known, no memory is in use any more.
pub(super) fn live<R: Renderer>(
    mut done: Done,
    desk: Desk,
    start: impl FnOnce() -> Result<R, RenderError>,
    tell: &Sender<Result<Abilities, RenderError>>,
) {
    match start() {
        Ok(mut renderer) => {
            // After the start: threads of GL inherit it. Without it fences are
            // seen later, no more.
            let _ = nix::sys::prctl::set_timerslack(SLACK);
            let _ = tell.send(Ok(Abilities::of(&renderer)));
            serve(&mut renderer, &desk, &mut done);
        }
        Err(error) => {
            let _ = tell.send(Err(error));
        }
    }
}

fn serve(renderer: &mut dyn Renderer, desk: &Desk, done: &mut Done) {
    let mut executor = Executor::default();
    // When there was a job or a fence last.
    let mut news = Instant::now();
    loop {
        let mut next = if executor.is_waiting() {
            desk.wait_with_fences(news.elapsed())
        } else {
            desk.wait()
        };
        let begun = Instant::now();
        while let Next::Job(job) = next {
            executor.run(renderer, job, done);
            news = Instant::now();
            next = if news.saturating_duration_since(begun) < BATCH {
                desk.look()
            } else {
                Next::Nothing
            };
        }
        if let Next::End = next {
            return;
        }
        executor.poll(renderer, done);
        if done.is_quiet {
            news = Instant::now();
        }
        done.ring();
    }
}
