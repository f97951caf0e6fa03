//! A renderer on a thread of its own.

mod bell;
mod desk;
mod render;

use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{Abilities, Completion, Job, Next, Placement, RenderQueue};
use crate::{RenderError, Renderer};
use bell::Bell;
use desk::Desk;
use render::{Done, live};

/// The thread's name, as debuggers show it.
const NAME: &str = "render";

/// How long the end of the queue waits for the end of the renderer.
const FAREWELL: Duration = Duration::from_secs(1);

/// The main thread's side.
#[derive(Debug)]
pub(super) struct Thread {
    /// `None` once the queue ends.
    jobs: Option<Sender<Job>>,
    ended: Receiver<Completion>,
    bell: Bell,
    /// Said when what is still to do does not matter any more.
    stop: Arc<AtomicBool>,
    state: State,
    handle: Option<JoinHandle<()>>,
}

#[derive(Debug)]
enum State {
    Working,
    /// The thread has ended; all of its completions have been taken.
    Gone,
}

/// A renderer that is being made. Dropping it gives the renderer up.
#[derive(Debug)]
pub struct Starting {
    thread: Thread,
    verdict: Receiver<Result<Abilities, RenderError>>,
}

impl Starting {
    /// Waits until the renderer is there, for at most `patience`, and one
    /// second more if it has to be given up.
    ///
    /// # Errors
    /// What its start said; [`RenderError::Unavailable`] when `patience` is over,
    /// [`RenderError::Lost`] if it panicked.
    pub fn wait(self, patience: Duration) -> Result<RenderQueue, RenderError> {
        let abilities = match self.verdict.recv_timeout(patience) {
            Ok(verdict) => verdict?,
            Err(RecvTimeoutError::Disconnected) => return Err(RenderError::Lost),
            Err(RecvTimeoutError::Timeout) => {
                return Err(RenderError::Unavailable {
                    reason: "it did not start in time".to_owned(),
                    hint: None,
                });
            }
        };
        Ok(RenderQueue::new(Placement::Thread(self.thread), abilities))
    }
}

impl Thread {
    pub(super) fn start<R: Renderer>(
        start: impl FnOnce() -> Result<R, RenderError> + Send + 'static,
    ) -> Result<Starting, RenderError> {
        let (jobs, to_do) = channel();
        let (done, ended) = channel();
        let (tell, verdict) = channel();
        let bell = Bell::new()?;
        let stop = Arc::new(AtomicBool::new(false));
        let done = Done {
            completions: Some(done),
            bell: bell.clone(),
            is_quiet: false,
        };
        let desk = Desk {
            to_do,
            stop: Arc::clone(&stop),
        };
        let handle = std::thread::Builder::new()
            .name(NAME.to_owned())
            .spawn(move || live(done, desk, start, &tell))
            .map_err(|error| RenderError::System {
                call: "clone",
                code: error.raw_os_error().unwrap_or(0),
            })?;
        Ok(Starting {
            thread: Self {
                jobs: Some(jobs),
                ended,
                bell,
                stop,
                state: State::Working,
                handle: Some(handle),
            },
            verdict,
        })
    }

    pub(super) fn push(&mut self, job: Job) {
        if let Some(jobs) = &self.jobs {
            // If the thread has just ended, its bell is ringing.
            let _ = jobs.send(job);
            self.wake();
        }
        if let State::Gone = self.state {
            self.bell.ring();
        }
    }

    pub(super) fn next_completion(&mut self) -> Next {
        loop {
            match self.ended.try_recv() {
                Ok(completion) => return Next::Completion(completion),
                Err(TryRecvError::Disconnected) => {
                    self.state = State::Gone;
                    self.bell.answer();
                    return Next::Lost;
                }
                Err(TryRecvError::Empty) if self.bell.answer() => {}
                Err(TryRecvError::Empty) => return Next::Nothing,
            }
        }
    }

    /// Has the thread look at its desk.
    fn wake(&self) {
        if let Some(handle) = &self.handle {
            handle.thread().unpark();
        }
    }

    pub(super) fn poll_fd(&self) -> BorrowedFd<'_> {
        self.bell.fd()
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.jobs = None;
        self.wake();
        let end = Instant::now().checked_add(FAREWELL);
        loop {
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            match self.ended.recv_timeout(left.unwrap_or_default()) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    log::warn!("the renderer does not end");
                    return;
                }
            }
        }
        if let Some(handle) = self.handle.take() {
            // A panic has been reported when it happened.
            let _ = handle.join();
        }
    }
}
