//! The device as the owner of resources that other device models ask for.

use std::os::fd::OwnedFd;

use gpu_display::Display;
use resource_bridge::{Buffer, Description, Key, Owner, Reason, Sharing, Ticket, Uuid};

use super::Device;
use crate::protocol::ResourceId;

/// A resource's pixels are handed out where they are: what others draw there
/// is on screen with the guest's next flush of it. A resource that becomes the
/// renderer's leaves that memory; who asks again gets what the renderer has,
/// where it shares its textures.
impl<D: Display> Owner for Device<D> {
    fn describe(&mut self, key: Key) -> Result<Description, Reason> {
        match key {
            Key::Id(id) => self.backend.describe(ResourceId(id)),
            Key::Uuid(uuid) => self.backend.describe_named(&uuid),
        }
    }

    fn share(&mut self, resource: &Description, ticket: Ticket) -> Sharing {
        self.backend.export(resource, ticket)
    }

    fn next_shared(&mut self) -> Option<(Ticket, Result<Buffer, Reason>)> {
        self.backend.next_export()
    }

    fn fence(&mut self, _seqno: u64) -> Result<OwnedFd, Reason> {
        Err(Reason::NoFences)
    }

    fn uuid(&mut self, resource: &Description) -> Result<Uuid, Reason> {
        self.backend.uuid(resource)
    }
}
