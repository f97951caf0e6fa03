//! A renderer on the caller's own thread.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use super::executor::Executor;
use super::{Completion, Job};
use crate::Renderer;

/// How long a fence is left alone before it is looked at again.
const PAUSE: Duration = Duration::from_millis(1);

/// Carries jobs out when they are pushed. Completions are kept until they are
/// asked for: nobody is called back from within a push.
pub(super) struct Inline {
    renderer: Box<dyn Renderer + Send>,
    executor: Executor,
    ended: VecDeque<Completion>,
    deadline: Option<Instant>,
}

impl fmt::Debug for Inline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inline")
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

impl Inline {
    pub(super) fn new(renderer: Box<dyn Renderer + Send>) -> Self {
        Self {
            renderer,
            executor: Executor::default(),
            ended: VecDeque::new(),
            deadline: None,
        }
    }

    pub(super) fn push(&mut self, job: Job) {
        self.executor.run(&mut *self.renderer, job, &mut self.ended);
        self.deadline = Some(Instant::now());
    }

    pub(super) fn next_completion(&mut self) -> Option<Completion> {
        if self.ended.is_empty() {
            self.executor.poll(&mut *self.renderer, &mut self.ended);
            let again = self.executor.is_waiting();
            self.deadline = again.then(|| Instant::now().checked_add(PAUSE)).flatten();
        }
        self.ended.pop_front()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }
}
