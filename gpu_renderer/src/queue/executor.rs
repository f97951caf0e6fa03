//! Carries jobs out on a renderer and knows which of them wait for a fence.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use gpu_buffer::Buffer;

use super::{Completion, Job, JobId, When, Work};
use crate::{FenceId, PassedFence, RenderError, Renderer, Timeline};

/// The jobs of one renderer that wait for fences.
#[derive(Debug, Default)]
pub(super) struct Executor {
    waiting: HashMap<Timeline, VecDeque<Waiting>>,
    last_fence: u64,
    passed: Vec<PassedFence>,
}

#[derive(Debug)]
struct Waiting {
    fence: FenceId,
    job: JobId,
    returned: Option<Arc<Buffer>>,
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
        let (result, returned) = self.carry_out(renderer, work, ended);
        let result = match (result, when) {
            (Ok(()), When::Passed(timeline)) => match self.fence(renderer, timeline) {
                Ok(fence) => {
                    let line = self.waiting.entry(timeline).or_default();
                    line.push_back(Waiting {
                        fence,
                        job: id,
                        returned,
                    });
                    return;
                }
                Err(error) => Err(error),
            },
            (result, _) => result,
        };
        ended.extend([Completion {
            job: id,
            result,
            returned,
        }]);
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
            let Some(line) = self.waiting.get_mut(&passed.timeline) else {
                continue;
            };
            while let Some(waiting) = line.pop_front_if(|waiting| waiting.fence <= passed.fence) {
                ended.extend([waiting.done()]);
            }
            if line.is_empty() {
                self.waiting.remove(&passed.timeline);
            }
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

    fn carry_out(
        &mut self,
        renderer: &mut dyn Renderer,
        work: Work,
        ended: &mut impl Extend<Completion>,
    ) -> (Result<(), RenderError>, Option<Arc<Buffer>>) {
        let result = match work {
            Work::CreateContext { context, args } => renderer.create_context(context, &args),
            Work::DestroyContext { context } => renderer.destroy_context(context),
            Work::AttachResource { context, resource } => {
                renderer.attach_resource(context, resource)
            }
            Work::DetachResource { context, resource } => {
                renderer.detach_resource(context, resource)
            }
            Work::CreateResource { resource, args } => renderer.create_resource(resource, &args),
            Work::DestroyResource { resource } => renderer.destroy_resource(resource),
            Work::AttachBacking { resource, backing } => renderer.attach_backing(resource, backing),
            Work::DetachBacking { resource } => renderer.detach_backing(resource),
            Work::Revoke => {
                renderer.revoke();
                Ok(())
            }
            Work::Reset => {
                renderer.reset();
                // Their fences went with what they were made for.
                for (_, line) in self.waiting.drain() {
                    ended.extend(line.into_iter().map(Waiting::done));
                }
                Ok(())
            }
            Work::Transfer(transfer) => renderer.transfer(&transfer),
            Work::Upload(upload) => {
                let result = renderer.upload(&upload);
                return (result, Some(upload.pixels));
            }
            Work::ReadBack(read) => {
                let result = renderer.read_back(&read);
                return (result, Some(read.target));
            }
            Work::Submit {
                context,
                mut commands,
            } => renderer.submit(context, &mut commands),
        };
        (result, None)
    }
}

impl Waiting {
    fn done(self) -> Completion {
        Completion {
            job: self.job,
            result: Ok(()),
            returned: self.returned,
        }
    }
}
