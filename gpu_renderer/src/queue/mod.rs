//! The render queue: jobs in, completions out, in the order in which they end.
//!
//! The device's thread owns it and never waits for it. *Inline*, jobs are
//! carried out where they are pushed; in a *thread*, on one of their own, as
//! GL wants it. Both look the same from outside. A job is plain data: it names
//! guest memory by a list that keeps the mapping alive, and lends buffers.

mod executor;
mod inline;
mod job;
mod thread;

use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use crate::{Capsets, RenderError, Renderer};
use inline::Inline;
pub use job::{Completion, JobId, When, Work};
pub use thread::Starting;
use thread::Thread;

/// Jobs that may wait on a renderer.
const JOBS: usize = 64;

/// Bytes of command streams that may wait on a renderer.
const PAYLOAD_BYTES: usize = 32 << 20;

/// How long the end of a job may go unseen when the renderer's thread is kept
/// by the next one and has woken nobody.
const GLANCE: Duration = Duration::from_millis(10);

/// The way to one renderer.
#[derive(Debug)]
pub struct RenderQueue {
    placement: Placement,
    abilities: Abilities,
    /// Jobs that have not ended, and what each carries along.
    outstanding: BTreeMap<JobId, usize>,
    payload_bytes: usize,
    last: JobId,
    /// When the last completion was asked for, or a second job pushed.
    looked: Instant,
}

#[derive(Debug)]
enum Placement {
    Inline(Inline),
    Thread(Thread),
}

/// What a renderer can do, as it says when it is there.
#[derive(Debug)]
struct Abilities {
    capsets: Capsets,
    shares_textures: bool,
    exports_fences: bool,
}

impl Abilities {
    fn of(renderer: &dyn Renderer) -> Self {
        Self {
            capsets: renderer.capsets(),
            shares_textures: renderer.shares_textures(),
            exports_fences: renderer.exports_fences(),
        }
    }
}

/// A job on its way.
#[derive(Debug)]
struct Job {
    id: JobId,
    work: Work,
    when: When,
}

impl RenderQueue {
    /// A queue that carries each job out when it is pushed, on the thread that
    /// pushes it. A renderer that panics panics there.
    pub fn inline(renderer: Box<dyn Renderer + Send>) -> Self {
        let abilities = Abilities::of(&*renderer);
        Self::new(Placement::Inline(Inline::new(renderer)), abilities)
    }

    /// Starts a thread that makes its renderer with `start` and keeps it to its
    /// end. If the renderer panics, all jobs end with [`RenderError::Lost`].
    ///
    /// # Errors
    /// [`RenderError::System`].
    pub fn thread<R: Renderer>(
        start: impl FnOnce() -> Result<R, RenderError> + Send + 'static,
    ) -> Result<Starting, RenderError> {
        Thread::start(start)
    }

    fn new(placement: Placement, abilities: Abilities) -> Self {
        Self {
            placement,
            abilities,
            outstanding: BTreeMap::new(),
            payload_bytes: 0,
            last: JobId(0),
            looked: Instant::now(),
        }
    }

    /// What the renderer can do.
    pub fn capsets(&self) -> &Capsets {
        &self.abilities.capsets
    }

    /// Whether [`Work::Share`] and [`Work::Import`] may work.
    pub fn shares_textures(&self) -> bool {
        self.abilities.shares_textures
    }

    /// Whether [`Work::ExportFence`] may work.
    pub fn exports_fences(&self) -> bool {
        self.abilities.exports_fences
    }

    /// Whether the caller may push more of a guest's commands: otherwise it
    /// should leave them where they are until some jobs have ended. False from
    /// 64 jobs or 32 MiB of command streams on; one more push, which is never
    /// refused, may go beyond by its own size.
    pub fn has_room(&self) -> bool {
        self.outstanding.len() < JOBS && self.payload_bytes < PAYLOAD_BYTES
    }

    /// Jobs that have not ended.
    pub fn outstanding(&self) -> usize {
        self.outstanding.len()
    }

    /// Adds a job behind all others, without waiting. Its end is handed over by
    /// [`RenderQueue::next_completion`], always and once.
    pub fn push(&mut self, work: Work, when: When) -> JobId {
        if self.outstanding.len() == 1 {
            self.looked = Instant::now();
        }
        let id = JobId(self.last.0.wrapping_add(1));
        self.last = id;
        let bytes = work.payload_bytes();
        self.payload_bytes = self.payload_bytes.saturating_add(bytes);
        self.outstanding.insert(id, bytes);
        let job = Job { id, work, when };
        match &mut self.placement {
            Placement::Inline(inline) => inline.push(job),
            Placement::Thread(thread) => thread.push(job),
        }
        id
    }

    /// Takes the next job that has ended, `None` if there is none now. Call
    /// it until then whenever [`RenderQueue::poll_fd`] is readable, and when
    /// [`RenderQueue::deadline`] is due; only then does the descriptor stop
    /// being readable.
    pub fn next_completion(&mut self) -> Option<Completion> {
        let next = match &mut self.placement {
            Placement::Inline(inline) => Next::of(inline.next_completion()),
            Placement::Thread(thread) => thread.next_completion(),
        };
        let completion = match next {
            Next::Nothing => {
                if self.can_end_unseen() {
                    self.looked = Instant::now();
                }
                return None;
            }
            Next::Completion(completion) => completion,
            Next::Lost => {
                let (&job, _) = self.outstanding.first_key_value()?;
                Completion {
                    job,
                    result: Err(RenderError::Lost),
                    returned: None,
                    shared: None,
                    fence: None,
                }
            }
        };
        let bytes = self.outstanding.remove(&completion.job).unwrap_or(0);
        self.payload_bytes = self.payload_bytes.saturating_sub(bytes);
        Some(completion)
    }

    /// Readable when a job has ended, or the thread has; `None` inline. It is
    /// the same one for the whole life of the queue, and fits level-triggered
    /// and edge-triggered polling alike.
    pub fn poll_fd(&self) -> Option<BorrowedFd<'_>> {
        match &self.placement {
            Placement::Inline(_) => None,
            Placement::Thread(thread) => Some(thread.poll_fd()),
        }
    }

    /// When completions should be asked for even if nothing gets readable:
    /// inline that is the only word there is, with a thread it is for what
    /// ended before a job that takes long.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.placement {
            Placement::Inline(inline) => inline.deadline(),
            Placement::Thread(_) if self.can_end_unseen() => self.looked.checked_add(GLANCE),
            Placement::Thread(_) => None,
        }
    }

    /// Whether there is a job that others can end before.
    fn can_end_unseen(&self) -> bool {
        self.outstanding.len() > 1
    }
}

/// What a placement has for its queue.
#[derive(Debug)]
enum Next {
    /// Nothing now.
    Nothing,
    /// The end of a job.
    Completion(Completion),
    /// The renderer is gone, and with it all its jobs.
    Lost,
}

impl Next {
    fn of(completion: Option<Completion>) -> Self {
        completion.map_or(Self::Nothing, Self::Completion)
    }
}
