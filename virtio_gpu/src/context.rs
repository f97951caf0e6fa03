//! Contexts: whose command streams may use which resources.

use std::collections::{HashMap, VecDeque};

use crate::error::{CommandError, limit_reached};
use crate::limits::Limits;
use crate::protocol::{ContextId, ResourceId};

/// One context of the renderer.
#[derive(Debug)]
struct Context {
    /// Tells it from earlier contexts with the same id.
    generation: u64,
    /// The resources that it may use.
    attached: HashMap<ResourceId, Attachment>,
    /// Those of them that the renderer was not told of, oldest first.
    plain: VecDeque<ResourceId>,
}

#[derive(Debug, Clone, Copy)]
struct Attachment {
    /// Tells it from earlier ones.
    generation: u64,
    place: Place,
}

impl Context {
    /// Strikes a resource off the list of those that the renderer was not told
    /// of.
    fn unlist(&mut self, attachment: Attachment, resource: ResourceId) {
        if attachment.place == Place::Host {
            self.plain.retain(|plain| *plain != resource);
        }
    }

    fn detach(&mut self, resource: ResourceId) -> Option<Attachment> {
        let attachment = self.attached.remove(&resource)?;
        self.unlist(attachment, resource);
        Some(attachment)
    }
}

/// All contexts of a device.
#[derive(Debug, Default)]
pub struct ContextTable {
    contexts: HashMap<ContextId, Context>,
    last_generation: u64,
    attachments: usize,
}

impl ContextTable {
    /// Notes a context; returns its generation.
    ///
    /// # Errors
    /// [`CommandError::ContextIdTaken`], [`CommandError::LimitReached`].
    pub fn create(&mut self, id: ContextId, limits: &Limits) -> Result<u64, CommandError> {
        if id.0 == 0 || self.contexts.contains_key(&id) {
            return Err(CommandError::ContextIdTaken(id));
        }
        if self.contexts.len() >= limits.contexts {
            return Err(limit_reached("contexts", limits.contexts));
        }
        let generation = self.next_generation();
        self.contexts.insert(
            id,
            Context {
                generation,
                attached: HashMap::new(),
                plain: VecDeque::new(),
            },
        );
        Ok(generation)
    }

    fn next_generation(&mut self) -> u64 {
        self.last_generation = self.last_generation.wrapping_add(1);
        self.last_generation
    }

    /// Forgets a context.
    ///
    /// # Errors
    /// [`CommandError::UnknownContext`].
    pub fn destroy(&mut self, id: ContextId) -> Result<(), CommandError> {
        let context = self.contexts.remove(&id);
        let context = context.ok_or(CommandError::UnknownContext(id))?;
        self.attachments = self.attachments.saturating_sub(context.attached.len());
        Ok(())
    }

    /// Forgets a context if it is still the one of `generation`.
    pub fn destroy_generation(&mut self, id: ContextId, generation: u64) {
        let context = self.contexts.get(&id);
        if context.is_some_and(|context| context.generation == generation) {
            let _ = self.destroy(id);
        }
    }

    /// Checks that a context exists.
    ///
    /// # Errors
    /// [`CommandError::UnknownContext`].
    pub fn check(&self, id: ContextId) -> Result<(), CommandError> {
        match self.contexts.contains_key(&id) {
            true => Ok(()),
            false => Err(CommandError::UnknownContext(id)),
        }
    }

    /// Lets a context use a resource; returns the attachment's generation.
    ///
    /// # Errors
    /// [`CommandError::UnknownContext`], [`CommandError::LimitReached`].
    pub fn attach(
        &mut self,
        id: ContextId,
        resource: ResourceId,
        place: Place,
        limits: &Limits,
    ) -> Result<u64, CommandError> {
        let generation = self.next_generation();
        let context = self.contexts.get_mut(&id);
        let context = context.ok_or(CommandError::UnknownContext(id))?;
        match context.detach(resource) {
            Some(_) => {}
            None if self.attachments >= limits.attachments => {
                return Err(limit_reached("attachments", limits.attachments));
            }
            None => self.attachments = self.attachments.saturating_add(1),
        }
        context
            .attached
            .insert(resource, Attachment { generation, place });
        if place == Place::Host {
            context.plain.push_back(resource);
        }
        Ok(generation)
    }

    /// Takes a resource from a context; where the renderer believes that it
    /// is, `None` if it was not attached.
    ///
    /// # Errors
    /// [`CommandError::UnknownContext`].
    pub fn detach(
        &mut self,
        id: ContextId,
        resource: ResourceId,
    ) -> Result<Option<Place>, CommandError> {
        let context = self.contexts.get_mut(&id);
        let context = context.ok_or(CommandError::UnknownContext(id))?;
        let attachment = context.detach(resource);
        if attachment.is_some() {
            self.attachments = self.attachments.saturating_sub(1);
        }
        Ok(attachment.map(|attachment| attachment.place))
    }

    /// Takes a resource from a context if the attachment is still the one of
    /// `generation`.
    pub fn detach_generation(&mut self, id: ContextId, resource: ResourceId, generation: u64) {
        let attached = self.contexts.get(&id).map(|context| &context.attached);
        let attachment = attached.and_then(|attached| attached.get(&resource));
        if attachment.is_some_and(|attachment| attachment.generation == generation) {
            let _ = self.detach(id, resource);
        }
    }

    /// Takes a resource from all contexts: it is going.
    pub fn forget(&mut self, resource: ResourceId) {
        for context in self.contexts.values_mut() {
            if context.detach(resource).is_some() {
                self.attachments = self.attachments.saturating_sub(1);
            }
        }
    }

    /// Whether a context may use a resource.
    pub fn is_attached(&self, id: ContextId, resource: ResourceId) -> bool {
        self.contexts
            .get(&id)
            .is_some_and(|context| context.attached.contains_key(&resource))
    }

    /// Number of a context's resources that the renderer was not told of.
    pub fn untold(&self, id: ContextId) -> usize {
        self.contexts
            .get(&id)
            .map_or(0, |context| context.plain.len())
    }

    /// The oldest of a context's resources that the renderer was not told of;
    /// it counts as told from now on.
    pub fn next_untold(&mut self, id: ContextId) -> Option<ResourceId> {
        let context = self.contexts.get_mut(&id)?;
        let resource = context.plain.pop_front()?;
        context.attached.get_mut(&resource)?.place = Place::Renderer;
        Some(resource)
    }

    /// Notes that the renderer is told of an attachment; false if it has been.
    pub fn tell(&mut self, id: ContextId, resource: ResourceId) -> bool {
        let Some(context) = self.contexts.get_mut(&id) else {
            return false;
        };
        match context.attached.get_mut(&resource) {
            Some(attachment) if attachment.place == Place::Host => {
                let before = *attachment;
                attachment.place = Place::Renderer;
                context.unlist(before, resource);
                true
            }
            _ => false,
        }
    }

    /// Notes that the renderer does not know a resource after all, and so none
    /// of its attachments.
    pub fn untell(&mut self, resource: ResourceId) {
        for context in self.contexts.values_mut() {
            if let Some(attachment) = context.attached.get_mut(&resource)
                && attachment.place == Place::Renderer
            {
                attachment.place = Place::Host;
                context.plain.push_back(resource);
            }
        }
    }

    /// Number of resources that contexts may use, each counted for each context.
    pub fn attachments(&self) -> usize {
        self.attachments
    }

    /// Number of live contexts.
    pub fn len(&self) -> usize {
        self.contexts.len()
    }

    /// Whether there is no context.
    pub fn is_empty(&self) -> bool {
        self.contexts.is_empty()
    }
}

/// Where the contents of a resource are, as far as an attachment knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In memory of ours.
    Host,
    /// With the renderer.
    Renderer,
}
