//! What a device does for those who ask for its resources.

use std::os::fd::OwnedFd;

use crate::{Buffer, Reason, Uuid};

/// How a resource is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Key {
    /// By the guest's id.
    Id(u32),
    /// By its UUID.
    Uuid(Uuid),
}

/// A resource, for those who decide whether it may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Description {
    /// The guest's id.
    pub resource: u32,
    /// Tells it from others that have, or will have, the same id, and from what it was when its pixels were elsewhere.
    pub generation: u64,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Whether it is on a screen now.
    pub shown: bool,
    /// Whether a renderer has its contents.
    pub rendered: bool,
}

/// Whether a resource may leave the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may.
    Allow,
    /// It may not.
    Refuse,
}

/// Names a question whose answer comes later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// What comes of a wish to have something.
#[derive(Debug)]
pub enum Sharing<T> {
    /// This.
    Done(Result<T, Reason>),
    /// [`Owner::next_shared`] will say.
    Later,
}

/// What was to be shared later.
#[derive(Debug)]
pub enum Shared {
    /// A resource.
    Buffer(Buffer),
    /// A sync file.
    Fence(OwnedFd),
}

/// The device that has the resources. It is called from the thread that calls
/// [`Server::dispatch`](crate::Server::dispatch), and never waits.
pub trait Owner {
    /// The resource with a name, if there is one.
    ///
    /// # Errors
    ///
    /// [`Reason::UnknownResource`], [`Reason::NotAPicture`].
    fn describe(&mut self, key: Key) -> Result<Description, Reason>;

    /// Shares the resource that [`Owner::describe`] has just described. Its pixels are in the memory that is handed out
    /// as long as the resource has this generation.
    fn share(&mut self, resource: &Description, ticket: Ticket) -> Sharing<Buffer>;

    /// What was to be shared [later](Sharing::Later). Each such ticket comes once, whatever becomes of its resource or
    /// fence.
    fn next_shared(&mut self) -> Option<(Ticket, Result<Shared, Reason>)>;

    /// A sync file for a fence of the guest: readable when that has passed, at once where it has.
    fn fence(&mut self, seqno: u64, ticket: Ticket) -> Sharing<OwnedFd>;

    /// The UUID of the resource that was just described.
    ///
    /// # Errors
    ///
    /// [`Reason::NoUuid`].
    fn uuid(&mut self, resource: &Description) -> Result<Uuid, Reason>;
}
