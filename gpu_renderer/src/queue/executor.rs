//! Carries jobs out on a renderer and knows which of them wait for a fence.

use std::collections::VecDeque;

use super::{Completion, Job, JobId, When, Work};
use crate::{ContextId, FenceId, PassedFence, RenderError, Renderer, Timeline};

/// The jobs of one renderer that wait for fences.
#[derive(Debug, Default)]
pub(super) struct Executor {
    /// In the order of their fences; the queue has room for few.
    waiting: VecDeque<Waiting>,
    last_fence: u64,
    passed: Vec<PassedFence>,
}

#[derive(Debug)]
struct Waiting {
    timeline: Timeline,
    fence: FenceId,
    /// What to say once it has passed.
    completion: Completion,
}

impl Executor {
    /// Whether jobs wait for fences.
    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Carries a job out; its end is appended to `ended` unless it waits for
    /// a fence.
    pub(super) fn run(
        &mut self,
        renderer: &mut dyn Renderer,
        job: Job,
        ended: &mut impl Extend<Completion>,
    ) {
        let Job { id, work, when } = job;
        let when = when.without_a_timeline_that_ends(&work);
        let mut completion = self.carry_out(renderer, id, work, ended);
        if let (Ok(()), When::Passed(timeline)) = (&completion.result, when) {
            match self.fence(renderer, timeline) {
                Ok(fence) => {
                    self.waiting.push_back(Waiting {
                        timeline,
                        fence,
                        completion,
                    });
                    return;
                }
                Err(error) => completion.result = Err(error),
            }
        }
        ended.extend([completion]);
    }

    /// Appends the jobs whose fences have passed.
    pub(super) fn poll(
        &mut self,
        renderer: &mut dyn Renderer,
        ended: &mut impl Extend<Completion>,
    ) {
        if self.waiting.is_empty() {
            return;
        }
        let mut all = std::mem::take(&mut self.passed);
        renderer.poll(&mut all);
        for passed in all.drain(..) {
            self.end(
                |waiting| waiting.timeline == passed.timeline && waiting.fence <= passed.fence,
                ended,
            );
        }
        self.passed = all;
    }

    fn fence(
        &mut self,
        renderer: &mut dyn Renderer,
        timeline: Timeline,
    ) -> Result<FenceId, RenderError> {
        self.last_fence = self.last_fence.wrapping_add(1);
        let fence = FenceId(self.last_fence);
        renderer.create_fence(timeline, fence)?;
        Ok(fence)
    }

    /// The fence that a job waits for, if it waits.
    fn fence_of(&self, job: JobId) -> Option<FenceId> {
        let mut all = self.waiting.iter();
        let waiting = all.find(|waiting| waiting.completion.job == job)?;
        Some(waiting.fence)
    }

    /// Ends the waiting jobs that `is_over` picks.
    fn end(&mut self, is_over: impl Fn(&Waiting) -> bool, ended: &mut impl Extend<Completion>) {
        let mut place = 0;
        while let Some(waiting) = self.waiting.get(place) {
            if !is_over(waiting) {
                place = place.saturating_add(1);
            } else if let Some(over) = self.waiting.remove(place) {
                ended.extend([over.completion]);
            }
        }
    }

    fn carry_out(
        &mut self,
        renderer: &mut dyn Renderer,
        job: JobId,
        work: Work,
        ended: &mut impl Extend<Completion>,
    ) -> Completion {
        let (mut returned, mut shared, mut fence) = (None, None, None);
        let result = match work {
            Work::CreateContext { context, args } => renderer.create_context(context, &args),
            Work::DestroyContext { context } => {
                let result = renderer.destroy_context(context);
                if result.is_ok() {
                    self.end(|waiting| waiting.timeline.is_of(context), ended);
                }
                result
            }
            Work::AttachResource { context, resource } => {
                renderer.attach_resource(context, resource)
            }
            Work::DetachResource { context, resource } => {
                renderer.detach_resource(context, resource)
            }
            Work::CreateResource { resource, args } => renderer.create_resource(resource, &args),
            Work::Import {
                resource,
                args,
                picture,
            } => renderer.import(resource, &args, &picture),
            Work::Share { resource } => renderer.share(resource).map(|picture| {
                shared = Some(picture);
            }),
            Work::ExportFence { job } => renderer
                .export_fence(job.and_then(|job| self.fence_of(job)))
                .map(|file| {
                    fence = Some(file);
                }),
            Work::Fence => Ok(()),
            Work::DestroyResource { resource } => renderer.destroy_resource(resource),
            Work::AttachBacking { resource, backing } => renderer.attach_backing(resource, backing),
            Work::DetachBacking { resource } => renderer.detach_backing(resource),
            Work::Revoke => {
                renderer.revoke();
                Ok(())
            }
            Work::Reset => {
                renderer.reset();
                self.end(|_| true, ended);
                Ok(())
            }
            Work::Transfer(transfer) => renderer.transfer(&transfer),
            Work::Upload(upload) => {
                let result = renderer.upload(&upload);
                returned = Some(upload.pixels);
                result
            }
            Work::ReadBack(read) => {
                let result = renderer.read_back(&read);
                returned = Some(read.target);
                result
            }
            Work::Submit {
                context,
                mut commands,
            } => renderer.submit(context, &mut commands),
        };
        Completion {
            job,
            result,
            returned,
            shared,
            fence,
        }
    }
}

impl When {
    /// No fence can be had on a timeline that the job itself does away with;
    /// nothing on it is left to wait for.
    fn without_a_timeline_that_ends(self, work: &Work) -> Self {
        match (self, work) {
            (Self::Passed(timeline), Work::DestroyContext { context })
                if timeline.is_of(*context) =>
            {
                Self::Taken
            }
            (Self::Passed(Timeline::Context { .. }), Work::Reset) => Self::Taken,
            (when, _) => when,
        }
    }
}

impl Timeline {
    fn is_of(&self, of: ContextId) -> bool {
        matches!(self, Self::Context { context, .. } if *context == of)
    }
}
