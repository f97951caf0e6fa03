//! CTX_CREATE, CTX_DESTROY, attaching resources, and SUBMIT_3D.

use gpu_display::Display;
use gpu_renderer::{CapsetId, ContextArgs, When, Work};

use super::rendering::{Expected, context_id, resource_id};
use super::{Backend, Outcome};
use crate::context::Place;
use crate::error::{CommandError, limit_reached};
use crate::fence::Ticket;
use crate::protocol::{ContextId, Features, ResourceId, Success};

/// The bits of `context_init` that name a capability set (§5.7.6.9).
const CAPSET_MASK: u32 = 0xff;

/// A command stream before the renderer gets it.
#[derive(Debug)]
pub(super) struct EarlyStream {
    ticket: Ticket,
    context: ContextId,
    /// Resources of the context that the renderer is to be told of first.
    untold: usize,
    commands: Vec<u32>,
    when: When,
}

impl<D: Display> Backend<D> {
    pub(super) fn create_context(
        &mut self,
        id: ContextId,
        name: &[u8],
        context_init: u32,
        features: Features,
    ) -> Outcome {
        let created = self
            .context_kind(context_init, features)
            .and_then(|capset| Ok((capset, self.contexts.create(id, &self.limits)?)));
        let (capset, generation) = match created {
            Ok(created) => created,
            Err(error) => return Outcome::Done(Err(error)),
        };
        let work = Work::CreateContext {
            context: context_id(id),
            args: ContextArgs {
                name: name.to_vec(),
                capset,
            },
        };
        self.render(work, When::Taken, |ticket| Expected::Context {
            ticket,
            context: id,
            generation,
        })
    }

    /// The capability set that a new context speaks.
    fn context_kind(
        &self,
        context_init: u32,
        features: Features,
    ) -> Result<Option<CapsetId>, CommandError> {
        if context_init == 0 {
            return Ok(None);
        }
        let capset = CapsetId(context_init & CAPSET_MASK);
        let known = context_init & !CAPSET_MASK == 0
            && features.contains(Features::CONTEXT_INIT)
            && self.capsets().find(capset, 0).is_some();
        if known {
            Ok(Some(capset))
        } else {
            Err(CommandError::ContextKind(context_init))
        }
    }

    pub(super) fn destroy_context(&mut self, id: ContextId) -> Outcome {
        if let Err(error) = self.contexts.destroy(id) {
            return Outcome::Done(Err(error));
        }
        let context = context_id(id);
        self.render(
            Work::DestroyContext { context },
            When::Taken,
            Expected::Command,
        )
    }

    /// A 2D resource is only noted: Linux attaches every framebuffer that a
    /// program makes, and hardly any is ever drawn to by the renderer.
    pub(super) fn attach_resource(&mut self, context: ContextId, id: ResourceId) -> Outcome {
        let attached = self.contexts.check(context).and_then(|()| {
            let place = match self.resources.get(id)?.is_rendered() {
                true => Place::Renderer,
                false => Place::Host,
            };
            let generation = self.contexts.attach(context, id, place, &self.limits)?;
            Ok((place, generation))
        });
        let generation = match attached {
            Err(error) => return Outcome::Done(Err(error)),
            Ok((Place::Host, _)) => return Outcome::Done(Ok(Success::NoData)),
            Ok((Place::Renderer, generation)) => generation,
        };
        let work = Work::AttachResource {
            context: context_id(context),
            resource: resource_id(id),
        };
        self.render(work, When::Taken, |ticket| Expected::Attachment {
            ticket,
            context,
            resource: id,
            generation,
        })
    }

    pub(super) fn detach_resource(&mut self, context: ContextId, id: ResourceId) -> Outcome {
        let attached = self.contexts.check(context).and_then(|()| {
            self.resources.get(id)?;
            self.contexts.detach(context, id)
        });
        match attached {
            Err(error) => Outcome::Done(Err(error)),
            Ok(None | Some(Place::Host)) => Outcome::Done(Ok(Success::NoData)),
            Ok(Some(Place::Renderer)) => {
                let work = Work::DetachResource {
                    context: context_id(context),
                    resource: resource_id(id),
                };
                self.render(work, When::Taken, Expected::Command)
            }
        }
    }

    /// What the context may use and the renderer does not know yet comes
    /// first, see [`Backend::carry_stream_on`].
    pub(super) fn submit(&mut self, context: ContextId, stream: &[u8], when: When) -> Outcome {
        let copied = self
            .check_submit(context, stream)
            .and_then(|()| words_of(stream));
        let commands = match copied {
            Ok(commands) => commands,
            Err(error) => return Outcome::Done(Err(error)),
        };
        let ticket = self.next_ticket();
        self.early_stream = Some(EarlyStream {
            ticket,
            context,
            untold: self.contexts.untold(context),
            commands,
            when,
        });
        self.carry_stream_on();
        Outcome::Pending(ticket)
    }

    /// Whether a command stream waits until all that its context may use is
    /// the renderer's. No other command of the control queue comes before it.
    pub fn is_preparing(&self) -> bool {
        self.early_stream.is_some()
    }

    /// Hands one more resource to the renderer, or, when there is none, the
    /// command stream.
    pub fn carry_stream_on(&mut self) {
        let Some(mut stream) = self.early_stream.take() else {
            return;
        };
        if let Some(untold) = stream.untold.checked_sub(1)
            && let Some(resource) = self.contexts.next_untold(stream.context)
        {
            match self.promote(resource) {
                Ok(()) => self.introduce(stream.context, resource),
                Err(error) => {
                    self.warn("a 2D resource for 3D", &error);
                    self.contexts.untell(resource);
                }
            }
            stream.untold = untold;
            self.early_stream = Some(stream);
            return;
        }
        let work = Work::Submit {
            context: context_id(stream.context),
            commands: stream.commands,
        };
        if let Some(rendering) = &mut self.rendering {
            rendering.push(work, stream.when, Expected::Command(stream.ticket));
        }
    }

    /// Forgets the command stream that waits: it has been answered.
    pub fn drop_stream(&mut self) {
        self.early_stream = None;
    }

    /// Tells the renderer that a context may use a resource that was not its
    /// own when it was attached.
    pub(super) fn introduce(&mut self, context: ContextId, resource: ResourceId) {
        let work = Work::AttachResource {
            context: context_id(context),
            resource: resource_id(resource),
        };
        self.render_aside(work, Expected::Aside);
    }

    fn check_submit(&self, context: ContextId, stream: &[u8]) -> Result<(), CommandError> {
        self.contexts.check(context)?;
        if stream.len() > self.limits.submit_bytes {
            let limit = self.limits.submit_bytes;
            return Err(limit_reached("bytes of a command stream", limit));
        }
        if stream.len().checked_rem(4) != Some(0) {
            return Err(CommandError::OddStream(stream.len()));
        }
        Ok(())
    }
}

/// A copy of a command stream for the renderer, in whole words.
fn words_of(stream: &[u8]) -> Result<Vec<u32>, CommandError> {
    let (words, _) = stream.as_chunks::<4>();
    let mut copy = Vec::new();
    copy.try_reserve_exact(words.len())
        .map_err(|_| CommandError::NoMemory("a command stream"))?;
    copy.extend(words.iter().map(|word| u32::from_le_bytes(*word)));
    Ok(copy)
}
