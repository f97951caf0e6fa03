//! What a [`super::Recording`] is in the middle of.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::thread::ThreadId;

use super::shared::Sharing;
use super::texture::Texture;
use super::{Call, Method};
use crate::{ContextId, FenceId, PassedFence, RenderError, ResourceId, Timeline};

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) calls: Vec<Call>,
    pub(super) polls: u64,
    pub(super) threads: Vec<ThreadId>,
    pub(super) failures: Vec<(Method, RenderError)>,
    pub(super) is_paused: bool,
    pub(super) sharing: Sharing,
    pub(super) contexts: BTreeMap<ContextId, BTreeSet<ResourceId>>,
    pub(super) textures: BTreeMap<ResourceId, Texture>,
    pub(super) fences: Fences,
}

impl State {
    /// Remembers the calling thread.
    pub(super) fn note_thread(&mut self) {
        let id = std::thread::current().id();
        if !self.threads.contains(&id) {
            self.threads.push(id);
        }
    }

    pub(super) fn planned_failure(&mut self, call: &Call) -> Result<(), RenderError> {
        let method = call.method();
        let planned = self.failures.iter().position(|(of, _)| method == Some(*of));
        match planned {
            Some(index) => Err(self.failures.remove(index).1),
            None => Ok(()),
        }
    }

    pub(super) fn context(
        &mut self,
        context: ContextId,
    ) -> Result<&mut BTreeSet<ResourceId>, RenderError> {
        let unknown = RenderError::UnknownContext(context);
        self.contexts.get_mut(&context).ok_or(unknown)
    }

    pub(super) fn texture(&mut self, resource: ResourceId) -> Result<&mut Texture, RenderError> {
        let unknown = RenderError::UnknownResource(resource);
        self.textures.get_mut(&resource).ok_or(unknown)
    }

    /// A resource that a context uses.
    pub(super) fn attached(
        &mut self,
        context: ContextId,
        resource: ResourceId,
    ) -> Result<&mut Texture, RenderError> {
        let is_attached = self.context(context)?.contains(&resource);
        let texture = self.texture(resource)?;
        match is_attached {
            true => Ok(texture),
            false => Err(RenderError::Impossible(
                "a resource that is not of the context",
            )),
        }
    }

    pub(super) fn clear(&mut self) {
        self.contexts.clear();
        self.textures.clear();
        self.fences.clear();
    }
}

/// Fences, in the order of their numbers on each timeline.
#[derive(Debug, Default)]
pub(super) struct Fences {
    last: Option<FenceId>,
    is_held: bool,
    /// The newest of each timeline that has not passed.
    pending: BTreeMap<Timeline, FenceId>,
    /// The newest of each timeline that has, and was not reported.
    passed: BTreeMap<Timeline, FenceId>,
    /// Those that are held, each with the other ends of what was exported of it:
    /// they are closed when it passes.
    held: BTreeMap<FenceId, (Timeline, Vec<UnixStream>)>,
}

impl Fences {
    pub(super) fn create(&mut self, timeline: Timeline, fence: FenceId) -> Result<(), RenderError> {
        if self.last.is_some_and(|last| fence <= last) {
            return Err(RenderError::Impossible("a fence number that goes back"));
        }
        self.last = Some(fence);
        if self.is_held {
            self.held.insert(fence, (timeline, Vec::new()));
            self.pending.insert(timeline, fence);
        } else {
            self.passed.insert(timeline, fence);
        }
        Ok(())
    }

    pub(super) fn hold(&mut self) {
        self.is_held = true;
    }

    pub(super) fn release(&mut self) {
        self.is_held = false;
        self.passed.append(&mut self.pending);
        self.held.clear();
    }

    pub(super) fn pass(&mut self, timeline: Timeline) {
        if let Some(fence) = self.pending.remove(&timeline) {
            self.passed.insert(timeline, fence);
            self.held.retain(|_, (of, _)| *of != timeline);
        }
    }

    pub(super) fn poll(&mut self, passed: &mut Vec<PassedFence>) {
        while let Some((timeline, fence)) = self.passed.pop_first() {
            passed.push(PassedFence { timeline, fence });
        }
    }

    /// Forgets the fences of a context, as virglrenderer does.
    pub(super) fn forget(&mut self, gone: ContextId) {
        let stays = |timeline: &Timeline, _: &mut FenceId| match timeline {
            Timeline::Global => true,
            Timeline::Context { context, .. } => *context != gone,
        };
        self.pending.retain(stays);
        self.passed.retain(stays);
        self.held
            .retain(|fence, (timeline, _)| stays(timeline, &mut fence.clone()));
    }

    /// A file that is readable when the fence has passed.
    pub(super) fn export(&mut self, fence: Option<FenceId>) -> Result<OwnedFd, RenderError> {
        let failed = |error: std::io::Error| RenderError::System {
            call: "socketpair",
            code: error.raw_os_error().unwrap_or(0),
        };
        let (given, kept) = UnixStream::pair().map_err(failed)?;
        if let Some((_, others)) = fence.and_then(|fence| self.held.get_mut(&fence)) {
            others.push(kept);
        }
        Ok(given.into())
    }

    fn clear(&mut self) {
        self.pending.clear();
        self.passed.clear();
        self.held.clear();
    }
}
