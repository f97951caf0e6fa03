//! The contexts and resources that the library has for us.

use std::collections::{BTreeSet, HashMap, HashSet};

use gpu_buffer::ScatterList;

use super::format::Block;
use super::iovec::Iovecs;
use crate::{ContextId, RenderError, ResourceArgs, ResourceId};

/// What is known of them. The library does not tell whether it knows an id.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) contexts: HashSet<ContextId>,
    pub(super) resources: HashMap<ResourceId, Resource>,
}

#[derive(Debug)]
pub(super) struct Resource {
    pub(super) args: ResourceArgs,
    pub(super) block: Block,
    pub(super) backing: Option<Backing>,
    /// The contexts that may use it.
    pub(super) contexts: BTreeSet<ContextId>,
}

/// Guest memory of a resource. The library has a pointer to the ranges until
/// they are detached.
#[derive(Debug)]
pub(super) struct Backing {
    /// Empty ones are not attached: the library has nothing to point to.
    pub(super) ranges: Iovecs,
    /// Keeps the memory mapped.
    pub(super) list: ScatterList,
}

impl Tables {
    pub(super) fn context(&self, context: ContextId) -> Result<(), RenderError> {
        if self.contexts.contains(&context) {
            Ok(())
        } else {
            Err(RenderError::UnknownContext(context))
        }
    }

    pub(super) fn resource(&self, resource: ResourceId) -> Result<&Resource, RenderError> {
        self.resources
            .get(&resource)
            .ok_or(RenderError::UnknownResource(resource))
    }

    pub(super) fn resource_mut(
        &mut self,
        resource: ResourceId,
    ) -> Result<&mut Resource, RenderError> {
        self.resources
            .get_mut(&resource)
            .ok_or(RenderError::UnknownResource(resource))
    }

    /// Forgets a context, and that it used resources.
    pub(super) fn remove_context(&mut self, context: ContextId) {
        self.contexts.remove(&context);
        for resource in self.resources.values_mut() {
            resource.contexts.remove(&context);
        }
    }
}
