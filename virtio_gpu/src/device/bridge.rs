//! The device as the owner of resources that other device models ask for.

use std::os::fd::OwnedFd;

use gpu_display::Display;
use resource_bridge::{Buffer, Description, Key, Owner, Reason, Shared, Sharing, Ticket, Uuid};

use super::Device;
use super::answer::Answer;
use crate::backend::FenceState;
use crate::protocol::{RequestHeader, ResourceId};

/// A resource's pixels are handed out where they are: what others draw there
/// is on screen with the guest's next flush of it. A resource that becomes the
/// renderer's leaves that memory and gets another generation; who asks again gets what the renderer has,
/// where it shares its textures.
impl<D: Display> Owner for Device<D> {
    fn describe(&mut self, key: Key) -> Result<Description, Reason> {
        match key {
            Key::Id(id) => self.backend.describe(ResourceId(id)),
            Key::Uuid(uuid) => self.backend.describe_named(&uuid),
        }
    }

    fn share(&mut self, resource: &Description, ticket: Ticket) -> Sharing<Buffer> {
        self.backend.export(resource, ticket)
    }

    fn next_shared(&mut self) -> Option<(Ticket, Result<Shared, Reason>)> {
        self.backend.next_export()
    }

    /// `seqno` is the id of a fence in the guest's commands, which go up: Linux
    /// counts all fences of a device, whatever their timelines.
    fn fence(&mut self, seqno: u64, ticket: Ticket) -> Sharing<OwnedFd> {
        let is_it = |answer: &Answer| {
            let header = answer.header.as_ref();
            header.and_then(RequestHeader::fence) == Some(seqno)
        };
        let state = match self.waiting.find(is_it) {
            Some(running) => FenceState::Waits { running },
            None if self.newest_fence >= Some(seqno) => FenceState::Passed,
            None => FenceState::Unknown,
        };
        self.backend.export_fence(state, ticket)
    }

    fn uuid(&mut self, resource: &Description) -> Result<Uuid, Reason> {
        self.backend.uuid(resource)
    }
}
