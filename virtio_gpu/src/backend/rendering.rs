//! What the renderer was asked to do, and what its answers mean.

use std::collections::BTreeMap;
use std::sync::Arc;

use gpu_buffer::DrmFourcc;
use gpu_display::{Damage, Display};
use gpu_renderer::{Capsets, Completion, DmaBuf, JobId, RenderError, RenderQueue, When, Work};

use super::export::Export;
use super::{Backend, Outcome};
use crate::error::{CommandError, chain_of};
use crate::fence::{Ticket, Timeline};
use crate::mirror::{MirrorId, Reading};
use crate::protocol::{ContextId, ResourceId, Success};
use crate::scanout::Shown;
use crate::share::for_display;

/// The renderer, and what its jobs were for.
#[derive(Debug)]
pub(super) struct Rendering {
    queue: RenderQueue,
    expected: BTreeMap<JobId, Expected>,
    memory: MemoryAccess,
    statistics: RenderStatistics,
    last_mirror: u64,
    /// Formats of which the display takes no picture of the renderer's.
    pub(super) unshown: Vec<DrmFourcc>,
}

/// What has been done for the renderer's sake since the device was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RenderStatistics {
    /// 2D resources that became the renderer's because a context used them.
    pub promotions: u64,
    /// Read-backs of a scanout or a cursor.
    pub reads: u64,
    /// Bytes that they copied.
    pub read_bytes: u64,
    /// Frames that the display took from where the renderer drew them.
    pub shared_frames: u64,
}

/// Whether the renderer may touch the guest's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MemoryAccess {
    Granted,
    /// It was told to let go.
    Revoking(JobId),
    Revoked,
}

/// Which surface of a scanout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Scanout(usize),
    Cursor(usize),
}

/// What follows from the end of a job.
#[derive(Debug)]
pub(super) enum Expected {
    /// A command is done, or has failed.
    Command(Ticket),
    /// A context exists, or must be forgotten.
    Context {
        ticket: Ticket,
        context: ContextId,
        generation: u64,
    },
    /// A resource exists, or must be forgotten.
    Resource {
        ticket: Ticket,
        resource: ResourceId,
        generation: u64,
    },
    /// The renderer draws into this image, or does not.
    Import {
        resource: ResourceId,
        picture: Arc<DmaBuf>,
    },
    /// A resource exists that was not made of an image before, or must be
    /// forgotten.
    Unimported {
        ticket: Ticket,
        resource: ResourceId,
        generation: u64,
    },
    /// A context may use a resource, or may not after all.
    Attachment {
        ticket: Ticket,
        context: ContextId,
        resource: ResourceId,
        generation: u64,
    },
    /// A resource has backing, or must be told that it has none.
    Backing {
        ticket: Ticket,
        resource: ResourceId,
        generation: u64,
    },
    /// A part of making a 2D resource the renderer's.
    Promotion {
        resource: ResourceId,
        generation: u64,
    },
    /// There is a new picture to present.
    Read {
        target: Target,
        mirror: MirrorId,
        reading: Reading,
        /// The flush that waits for it.
        flush: Option<Ticket>,
    },
    /// The memory of a resource comes.
    Share { resource: ResourceId },
    /// Another device model gets the memory of a resource.
    Export { ticket: Export, generation: u64 },
    /// Another device model gets a fence.
    Fence { ticket: Export },
    /// What changed in a shared picture is drawn.
    Drawn {
        index: usize,
        shown: Shown,
        /// In the surface's pixels.
        news: Damage,
        /// The flush that waits for it.
        flush: Option<Ticket>,
    },
    /// Nobody waits for it.
    Aside,
}

impl Expected {
    /// The command that waits for it.
    fn command(&self) -> Option<Ticket> {
        match self {
            Self::Command(ticket)
            | Self::Context { ticket, .. }
            | Self::Resource { ticket, .. }
            | Self::Unimported { ticket, .. }
            | Self::Attachment { ticket, .. }
            | Self::Backing { ticket, .. } => Some(*ticket),
            Self::Read { flush, .. } | Self::Drawn { flush, .. } => *flush,
            Self::Import { .. }
            | Self::Promotion { .. }
            | Self::Share { .. }
            | Self::Export { .. }
            | Self::Fence { .. }
            | Self::Aside => None,
        }
    }
}

impl Rendering {
    pub(super) fn new(queue: RenderQueue) -> Self {
        Self {
            queue,
            expected: BTreeMap::new(),
            memory: MemoryAccess::Granted,
            statistics: RenderStatistics::default(),
            last_mirror: 0,
            unshown: Vec::new(),
        }
    }

    pub(super) fn capsets(&self) -> &Capsets {
        self.queue.capsets()
    }

    pub(super) fn queue(&self) -> &RenderQueue {
        &self.queue
    }

    pub(super) fn push(&mut self, work: Work, when: When, expected: Expected) -> JobId {
        let job = self.queue.push(work, when);
        self.expected.insert(job, expected);
        job
    }

    /// Has a flush wait for what it began.
    pub(super) fn flush_with(&mut self, job: JobId, ticket: Ticket) {
        if let Some(Expected::Read { flush, .. } | Expected::Drawn { flush, .. }) =
            self.expected.get_mut(&job)
        {
            *flush = Some(ticket);
        }
    }

    /// The job whose end is that of a command.
    pub(super) fn job_of(&self, command: Ticket) -> Option<JobId> {
        let mut all = self.expected.iter();
        let (job, _) = all.find(|(_, expected)| expected.command() == Some(command))?;
        Some(*job)
    }

    pub(super) fn next_mirror(&mut self) -> MirrorId {
        self.last_mirror = self.last_mirror.wrapping_add(1);
        MirrorId(self.last_mirror)
    }

    pub(super) fn statistics_mut(&mut self) -> &mut RenderStatistics {
        &mut self.statistics
    }

    /// Forgets what jobs were for, and has the renderer start over. Returns
    /// the questions of others that will have no answer.
    pub(super) fn reset(&mut self) -> Vec<Export> {
        let expected = std::mem::take(&mut self.expected).into_values();
        let unanswered = expected.filter_map(|expected| match expected {
            Expected::Export { ticket, .. } | Expected::Fence { ticket } => Some(ticket),
            _ => None,
        });
        let unanswered = unanswered.collect();
        self.unshown.clear();
        self.push(Work::Reset, When::Taken, Expected::Aside);
        self.memory = MemoryAccess::Granted;
        unanswered
    }
}

/// When a command's job is done, for the command's fence.
pub(super) fn when(timeline: Option<Timeline>) -> When {
    match timeline {
        None => When::Taken,
        Some(Timeline::Global) => When::Passed(gpu_renderer::Timeline::Global),
        Some(Timeline::Context { context, ring }) => {
            When::Passed(gpu_renderer::Timeline::Context {
                context: context_id(context),
                ring,
            })
        }
    }
}

/// The renderer's name for a context.
pub(super) fn context_id(id: ContextId) -> gpu_renderer::ContextId {
    gpu_renderer::ContextId(id.0)
}

/// The renderer's name for a resource.
pub(super) fn resource_id(id: ResourceId) -> gpu_renderer::ResourceId {
    gpu_renderer::ResourceId(id.0)
}

impl<D: Display> Backend<D> {
    /// Gives work to the renderer; the command whose work it is ends with it.
    pub(super) fn render(
        &mut self,
        work: Work,
        when: When,
        expected: impl FnOnce(Ticket) -> Expected,
    ) -> Outcome {
        let ticket = self.next_ticket();
        let Some(rendering) = &mut self.rendering else {
            return Outcome::Done(Err(CommandError::Renderer(RenderError::Lost)));
        };
        rendering.push(work, when, expected(ticket));
        Outcome::Pending(ticket)
    }

    /// Gives work to the renderer that no command waits for.
    pub(super) fn render_aside(&mut self, work: Work, expected: Expected) {
        if let Some(rendering) = &mut self.rendering {
            rendering.push(work, When::Taken, expected);
        }
    }

    /// Whether the renderer takes more commands: otherwise they stay in the
    /// control queue.
    pub fn renderer_has_room(&self) -> bool {
        self.rendering
            .as_ref()
            .is_none_or(|rendering| rendering.queue.has_room())
    }

    /// Whether the renderer has work that it has not finished.
    pub fn is_rendering(&self) -> bool {
        self.rendering
            .as_ref()
            .is_some_and(|rendering| rendering.queue.outstanding() > 0)
    }

    /// Jobs of the renderer's whose end will be of consequence, for tests.
    pub fn awaited_jobs(&self) -> usize {
        self.rendering
            .as_ref()
            .map_or(0, |rendering| rendering.expected.len())
    }

    /// What was done for the renderer's sake.
    pub fn render_statistics(&self) -> RenderStatistics {
        self.rendering
            .as_ref()
            .map(|rendering| rendering.statistics)
            .unwrap_or_default()
    }

    /// Takes in what the renderer has finished; whether there was anything.
    pub fn dispatch_renderer(&mut self) -> RenderNews {
        let mut news = RenderNews::Nothing;
        while let Some(rendering) = &mut self.rendering
            && let Some(completion) = rendering.queue.next_completion()
        {
            news = RenderNews::Some;
            if rendering.memory == MemoryAccess::Revoking(completion.job) {
                rendering.memory = MemoryAccess::Revoked;
            }
            if let Some(expected) = rendering.expected.remove(&completion.job) {
                self.complete(expected, completion);
            }
        }
        news
    }

    fn complete(&mut self, expected: Expected, completion: Completion) {
        let result = completion.result;
        // The reading has the buffer; with this one more it would not be free.
        drop(completion.returned);
        match expected {
            Expected::Command(ticket) => self.finish(ticket, result),
            Expected::Context {
                ticket,
                context,
                generation,
            } => {
                if result.is_err() {
                    self.contexts.destroy_generation(context, generation);
                }
                self.finish(ticket, result);
            }
            Expected::Import { resource, picture } => {
                self.finish_import(resource, completion.job, result, picture);
            }
            Expected::Unimported {
                ticket,
                resource,
                generation,
            } => {
                let result = match result {
                    // It was made of the image.
                    Err(RenderError::ResourceIdTaken(_)) => Ok(()),
                    other => other,
                };
                if result.is_err() && self.resources.is_generation(resource, generation) {
                    self.release(resource);
                }
                self.finish(ticket, result);
            }
            Expected::Resource {
                ticket,
                resource,
                generation,
            } => {
                if result.is_err() && self.resources.is_generation(resource, generation) {
                    self.release(resource);
                }
                self.finish(ticket, result);
            }
            Expected::Attachment {
                ticket,
                context,
                resource,
                generation,
            } => {
                if result.is_err() {
                    self.contexts
                        .detach_generation(context, resource, generation);
                }
                self.finish(ticket, result);
            }
            Expected::Backing {
                ticket,
                resource,
                generation,
            } => {
                if result.is_err() {
                    self.resources.detach_generation(resource, generation);
                }
                self.finish(ticket, result);
            }
            Expected::Promotion {
                resource,
                generation,
            } => {
                if let Err(error) = &result {
                    self.warn("a 2D resource for 3D", error);
                }
                let end = self
                    .resources
                    .end_promotion_job(resource, generation, &result);
                if let Some(end) = end {
                    self.end_promotion(resource, end);
                }
            }
            Expected::Read {
                target,
                mirror,
                reading,
                flush,
            } => {
                if let Err(error) = &result {
                    self.warn("read-back", error);
                }
                self.finish_read(target, mirror, reading, &result);
                if let Some(ticket) = flush {
                    self.finish(ticket, result);
                }
            }
            Expected::Share { resource } => {
                let missing = RenderError::Impossible("sharing without a picture");
                let picture = result.and_then(|()| completion.shared.ok_or(missing));
                let picture = picture.map(for_display);
                self.finish_share(resource, completion.job, picture);
            }
            Expected::Export { ticket, generation } => {
                let missing = RenderError::Impossible("sharing without a picture");
                let picture = result.and_then(|()| completion.shared.ok_or(missing));
                self.finish_export(ticket, generation, picture);
            }
            Expected::Fence { ticket } => {
                let missing = RenderError::Impossible("exporting without a fence");
                let fence = result.and_then(|()| completion.fence.ok_or(missing));
                self.finish_fence(ticket, fence);
            }
            Expected::Drawn {
                index,
                shown,
                news,
                flush,
            } => {
                if let Err(error) = &result {
                    self.warn("the end of a drawing", error);
                }
                self.finish_drawing(index, shown, &news);
                if let Some(ticket) = flush {
                    self.finish(ticket, result);
                }
            }
            Expected::Aside => {
                if let Err(error) = result {
                    self.warn("renderer", &error);
                }
            }
        }
    }

    fn finish(&mut self, ticket: Ticket, result: Result<(), RenderError>) {
        let result = match result {
            Ok(()) => Ok(Success::NoData),
            Err(error) => Err(CommandError::Renderer(error)),
        };
        self.finished.push((ticket, result));
    }

    pub(super) fn warn(&mut self, what: &'static str, error: &dyn std::error::Error) {
        if self.throttle.allows(what, std::time::Instant::now()) {
            log::warn!("{what}: {}", chain_of(error));
        }
    }

    /// Has the renderer let go of all guest memory, behind everything that it
    /// was given before. [`Backend::is_revoked`] says when that is so.
    pub fn revoke_memory(&mut self) {
        if let Some(rendering) = &mut self.rendering
            && rendering.memory == MemoryAccess::Granted
        {
            let job = rendering.queue.push(Work::Revoke, When::Taken);
            rendering.memory = MemoryAccess::Revoking(job);
        }
    }

    /// Whether no code but this program's own can touch guest memory.
    pub fn is_revoked(&self) -> bool {
        self.rendering
            .as_ref()
            .is_none_or(|rendering| rendering.memory == MemoryAccess::Revoked)
    }

    /// Gives the renderer the guest's memory back that was taken from it.
    pub fn grant_memory(&mut self) {
        let Some(rendering) = &mut self.rendering else {
            return;
        };
        if rendering.memory == MemoryAccess::Granted {
            return;
        }
        rendering.memory = MemoryAccess::Granted;
        for (id, backing) in self.resources.rendered_backings() {
            let work = Work::AttachBacking {
                resource: resource_id(id),
                backing: backing.clone(),
            };
            rendering.push(work, When::Taken, Expected::Aside);
        }
    }
}

/// Whether the renderer has finished something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RenderNews {
    /// No.
    Nothing,
    /// Yes.
    Some,
}
