//! A renderer on a thread of its own.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::eventfd::{EfdFlags, EventFd};

use super::executor::Executor;
use super::{Completion, Job, Next, Placement, RenderQueue};
use crate::{Capsets, RenderError, Renderer};

/// The thread's name, as debuggers show it.
const NAME: &str = "render";

/// How long a fence is left alone at first, and at most, before it is looked
/// at again.
const PAUSES: (Duration, Duration) = (Duration::from_micros(50), Duration::from_millis(1));

/// What has ended is handed over at the latest after this long, even if there
/// is more to do.
const BATCH: Duration = Duration::from_micros(500);

/// How long the end of the queue waits for the end of the renderer.
const FAREWELL: Duration = Duration::from_secs(1);

/// The main thread's side.
#[derive(Debug)]
pub(super) struct Thread {
    /// `None` once the queue ends.
    jobs: Option<Sender<Job>>,
    ended: Receiver<Completion>,
    bell: Bell,
    handle: Option<JoinHandle<()>>,
}

/// Wakes the main thread: rung once for any number of completions.
#[derive(Clone, Debug)]
struct Bell {
    fd: Arc<EventFd>,
    rung: Arc<AtomicBool>,
}

impl Bell {
    fn new() -> Result<Self, RenderError> {
        let fd = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK);
        Ok(Self {
            fd: Arc::new(fd.map_err(|errno| system("eventfd", errno))?),
            rung: Arc::new(AtomicBool::new(false)),
        })
    }

    fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            // It cannot be full: it is written once between two reads.
            let _ = self.fd.write(1);
        }
    }

    /// Whether it was rung since the last time.
    fn answer(&self) -> bool {
        let rung = self.rung.swap(false, Ordering::AcqRel);
        if rung {
            // Empty if the other side has not come to writing yet.
            let _ = self.fd.read();
        }
        rung
    }
}

/// A renderer that is being made.
#[derive(Debug)]
pub struct Starting {
    thread: Thread,
    verdict: Receiver<Result<Capsets, RenderError>>,
}

impl Starting {
    /// Waits until the renderer is there, for at most `patience`.
    ///
    /// # Errors
    /// What its start said; [`RenderError::Unavailable`] when `patience` is over,
    /// [`RenderError::Lost`] if it panicked.
    pub fn wait(self, patience: Duration) -> Result<RenderQueue, RenderError> {
        let capsets = match self.verdict.recv_timeout(patience) {
            Ok(verdict) => verdict?,
            Err(RecvTimeoutError::Disconnected) => return Err(RenderError::Lost),
            Err(RecvTimeoutError::Timeout) => {
                return Err(RenderError::Unavailable {
                    reason: format!("it did not start within {} s", patience.as_secs_f32()),
                    hint: None,
                });
            }
        };
        Ok(RenderQueue::new(Placement::Thread(self.thread), capsets))
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
        let theirs = Done {
            completions: Some(done),
            bell: bell.clone(),
        };
        let work = move || {
            let mut renderer = match start() {
                Ok(renderer) => renderer,
                Err(error) => {
                    let _ = tell.send(Err(error));
                    return;
                }
            };
            let _ = tell.send(Ok(renderer.capsets()));
            serve(&mut renderer, &to_do, &theirs);
        };
        let handle = std::thread::Builder::new()
            .name(NAME.to_owned())
            .spawn(work)
            .map_err(|error| RenderError::System {
                call: "clone",
                code: error.raw_os_error().unwrap_or(0),
            })?;
        Ok(Starting {
            thread: Self {
                jobs: Some(jobs),
                ended,
                bell,
                handle: Some(handle),
            },
            verdict,
        })
    }

    pub(super) fn push(&mut self, job: Job) {
        // If the thread is gone, its end of the completions says so.
        if let Some(jobs) = &self.jobs {
            let _ = jobs.send(job);
        }
    }

    pub(super) fn next_completion(&mut self) -> Next {
        loop {
            match self.ended.try_recv() {
                Ok(completion) => return Next::Completion(completion),
                Err(TryRecvError::Disconnected) => {
                    self.bell.answer();
                    return Next::Lost;
                }
                Err(TryRecvError::Empty) if self.bell.answer() => {}
                Err(TryRecvError::Empty) => return Next::Nothing,
            }
        }
    }

    pub(super) fn poll_fd(&self) -> BorrowedFd<'_> {
        self.bell.fd.as_fd()
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.jobs = None;
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

/// The render thread's way back. Its end wakes the main thread too, so that a
/// panic is noticed.
#[derive(Debug)]
struct Done {
    /// `Some` to the end.
    completions: Option<Sender<Completion>>,
    bell: Bell,
}

impl Done {
    fn hand_over(&self, ended: &mut Vec<Completion>) {
        if ended.is_empty() {
            return;
        }
        for completion in ended.drain(..) {
            // Nobody listens any more when the device is gone.
            if let Some(completions) = &self.completions {
                let _ = completions.send(completion);
            }
        }
        self.bell.ring();
    }
}

impl Drop for Done {
    fn drop(&mut self) {
        // First, so that whoever is woken finds the end.
        self.completions = None;
        self.bell.ring();
    }
}

fn serve(renderer: &mut dyn Renderer, to_do: &Receiver<Job>, done: &Done) {
    let mut executor = Executor::default();
    let mut ended = Vec::new();
    let (shortest, longest) = PAUSES;
    let mut pause = shortest;
    loop {
        let next = if executor.is_waiting() {
            to_do.recv_timeout(pause)
        } else {
            to_do.recv().map_err(|_| RecvTimeoutError::Disconnected)
        };
        match next {
            Ok(job) => {
                pause = shortest;
                let begun = Instant::now();
                executor.run(renderer, job, &mut ended);
                while begun.elapsed() < BATCH
                    && let Ok(job) = to_do.try_recv()
                {
                    executor.run(renderer, job, &mut ended);
                }
            }
            Err(RecvTimeoutError::Timeout) => pause = pause.saturating_mul(2).min(longest),
            Err(RecvTimeoutError::Disconnected) => return,
        }
        executor.poll(renderer, &mut ended);
        done.hand_over(&mut ended);
    }
}

fn system(call: &'static str, errno: nix::errno::Errno) -> RenderError {
    RenderError::System {
        call,
        code: errno as i32,
    }
}
