//! The test's hold on a [`super::Recording`].

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;

use super::shared::Sharing;
use super::state::State;
use super::{Call, Method};
use crate::{ContextId, RenderError, ResourceArgs, ResourceId, Timeline};

/// Looks into a [`super::Recording`], from any thread, and tells it what to do
/// next. It can be cloned, and outlives the recording.
#[derive(Clone, Debug, Default)]
pub struct Journal(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    resumed: Condvar,
}

impl Journal {
    /// The calls so far, oldest first.
    pub fn calls(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }

    /// The calls since the last time, oldest first.
    pub fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.lock().calls)
    }

    /// How often it was polled.
    pub fn polls(&self) -> u64 {
        self.lock().polls
    }

    /// The threads that have called it or dropped it.
    pub fn threads(&self) -> Vec<ThreadId> {
        self.lock().threads.clone()
    }

    /// The contexts there are.
    pub fn contexts(&self) -> Vec<ContextId> {
        self.lock().contexts.keys().copied().collect()
    }

    /// The resources that a context uses, `None` if there is no such context.
    pub fn attached(&self, context: ContextId) -> Option<Vec<ResourceId>> {
        let state = self.lock();
        let resources = state.contexts.get(&context)?;
        Some(resources.iter().copied().collect())
    }

    /// The resources there are.
    pub fn resources(&self) -> Vec<ResourceId> {
        self.lock().textures.keys().copied().collect()
    }

    /// What a resource was made with.
    pub fn args(&self, resource: ResourceId) -> Option<ResourceArgs> {
        Some(self.lock().textures.get(&resource)?.args)
    }

    /// The pixels of a 2D resource of four bytes a texel, row by row.
    pub fn pixels(&self, resource: ResourceId) -> Option<Vec<u8>> {
        self.lock().textures.get(&resource)?.pixels()
    }

    /// The resources that hold guest memory.
    pub fn backed(&self) -> Vec<ResourceId> {
        let state = self.lock();
        let backed = |(id, texture): (&ResourceId, &super::texture::Texture)| {
            texture.backing.is_some().then_some(*id)
        };
        state.textures.iter().filter_map(backed).collect()
    }

    /// Has textures made from now on in memory files, which can be shared.
    pub(super) fn share_textures(&self) {
        self.lock().sharing = Sharing::Yes;
    }

    /// Lets no fence pass from now on.
    pub fn hold_fences(&self) {
        self.lock().fences.hold();
    }

    /// Lets all fences pass again, those that were held too.
    pub fn release_fences(&self) {
        self.lock().fences.release();
    }

    /// Lets those fences of a timeline pass that are held now.
    pub fn pass_fences(&self, timeline: Timeline) {
        self.lock().fences.pass(timeline);
    }

    /// Lets the next call of a method fail. Said twice, the next two fail.
    pub fn fail_next(&self, method: Method, error: RenderError) {
        self.lock().failures.push((method, error));
    }

    /// Makes every call wait, in the midst of it, until
    /// [`Journal::resume`]. With an inline queue that is a deadlock.
    pub fn pause(&self) {
        self.lock().is_paused = true;
    }

    /// Lets the calls go on.
    pub fn resume(&self) {
        self.lock().is_paused = false;
        self.0.resumed.notify_all();
    }

    /// Writes a call down and waits until it may go on.
    pub(super) fn begin(&self, call: Call) -> Result<MutexGuard<'_, State>, RenderError> {
        let mut state = self.lock();
        state.note_thread();
        state.calls.push(call.clone());
        let wait = self
            .0
            .resumed
            .wait_while(state, |state: &mut State| state.is_paused);
        state = wait.unwrap_or_else(PoisonError::into_inner);
        state.planned_failure(&call)?;
        Ok(state)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
