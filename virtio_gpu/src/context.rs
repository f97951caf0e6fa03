//! Contexts: whose command streams may use which resources.

use std::collections::HashMap;

use crate::error::{CommandError, limit_reached};
use crate::limits::Limits;
use crate::protocol::{ContextId, ResourceId};

/// One context of the renderer.
#[derive(Debug)]
struct Context {
    /// Tells it from earlier contexts with the same id.
    generation: u64,
    /// The resources that it may use, each with what tells the attachment from
    /// earlier ones.
    attached: HashMap<ResourceId, u64>,
    /// Attached resources that were not the renderer's then.
    plain: Vec<ResourceId>,
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
                plain: Vec::new(),
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
        if let Some(attachment) = context.attached.get_mut(&resource) {
            *attachment = generation;
            return Ok(generation);
        }
        if self.attachments >= limits.attachments {
            return Err(limit_reached("attachments", limits.attachments));
        }
        self.attachments = self.attachments.saturating_add(1);
        context.attached.insert(resource, generation);
        if place == Place::Host {
            context.plain.push(resource);
        }
        Ok(generation)
    }

    /// Takes a resource from a context. One that is not attached is none of
    /// its business already.
    ///
    /// # Errors
    /// [`CommandError::UnknownContext`].
    pub fn detach(&mut self, id: ContextId, resource: ResourceId) -> Result<(), CommandError> {
        let context = self.contexts.get_mut(&id);
        let context = context.ok_or(CommandError::UnknownContext(id))?;
        if context.attached.remove(&resource).is_some() {
            self.attachments = self.attachments.saturating_sub(1);
            context.plain.retain(|plain| *plain != resource);
        }
        Ok(())
    }

    /// Takes a resource from a context if the attachment is still the one of
    /// `generation`.
    pub fn detach_generation(&mut self, id: ContextId, resource: ResourceId, generation: u64) {
        let context = self.contexts.get(&id);
        if context.is_some_and(|context| context.attached.get(&resource) == Some(&generation)) {
            let _ = self.detach(id, resource);
        }
    }

    /// Takes a resource from all contexts: it is going.
    pub fn forget(&mut self, resource: ResourceId) {
        for context in self.contexts.values_mut() {
            if context.attached.remove(&resource).is_some() {
                self.attachments = self.attachments.saturating_sub(1);
                context.plain.retain(|plain| *plain != resource);
            }
        }
    }

    /// Whether a context may use a resource.
    pub fn is_attached(&self, id: ContextId, resource: ResourceId) -> bool {
        self.contexts
            .get(&id)
            .is_some_and(|context| context.attached.contains_key(&resource))
    }

    /// The contexts that may use a resource.
    pub fn users(&self, resource: ResourceId) -> Vec<ContextId> {
        self.contexts
            .iter()
            .filter(|(_, context)| context.attached.contains_key(&resource))
            .map(|(id, _)| *id)
            .collect()
    }

    /// Takes the attached resources that were not the renderer's when they
    /// were attached, to be promoted.
    pub fn take_plain(&mut self, id: ContextId) -> Vec<ResourceId> {
        self.contexts
            .get_mut(&id)
            .map(|context| std::mem::take(&mut context.plain))
            .unwrap_or_default()
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

/// Where the contents of a resource are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In memory of ours.
    Host,
    /// With the renderer.
    Renderer,
}
