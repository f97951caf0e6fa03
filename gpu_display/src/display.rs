//! The display: outputs, and surfaces to show on them.

use std::os::fd::BorrowedFd;
use std::time::Instant;

use crate::{DisplayError, Event, Frame, Output, Position, SurfaceId, SurfaceRequest};

/// A question to a display whose answer may take a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Query {
    /// What outputs there are.
    Outputs,
    /// The EDID of one output.
    Edid {
        /// Number of the output.
        output: u32,
    },
}

/// Whether what a display says now is up to date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// It is.
    Current,
    /// The display is asking: [`Event::Answered`] with the same query follows.
    Pending,
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presented {
    /// It is shown, now or soon. Its pixels are no longer needed.
    Taken,
    /// Nothing of it was taken. The caller keeps its damage and presents again after
    /// [`Event::Ready`] of the surface.
    Busy,
}

/// Memory for pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PictureMemory {
    /// Any of this process.
    Any,
    /// Files that can be handed on, as from a [`gpu_buffer::MemfdAllocator`].
    Shared,
}

/// What an event loop waits for at a [`PollFd`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Something to read.
    Readable,
    /// Something to read, or room to write what is queued.
    ReadableOrWritable,
}

/// The file descriptor that says when to call [`Display::dispatch`].
#[derive(Clone, Copy, Debug)]
pub struct PollFd<'a> {
    /// The descriptor.
    pub fd: BorrowedFd<'a>,
    /// What to wait for. It may change with every call to the display.
    pub interest: Interest,
}

/// Somewhere to show pictures. No method ever waits for a compositor, a user or a disk.
pub trait Display {
    /// The outputs as last known, numbered from 0.
    fn outputs(&self) -> &[Output];

    /// Asks the display to look again.
    fn refresh(&mut self, query: Query) -> Freshness;

    /// The EDID of an output if the display has one of its own; otherwise whoever needs one makes
    /// it up from [`Display::outputs`].
    fn edid(&self, output: u32) -> Option<&[u8]>;

    /// Makes a surface. It is shown from its first frame on.
    ///
    /// # Errors
    /// [`DisplayError`]; no surface was made.
    fn create_surface(&mut self, request: &SurfaceRequest) -> Result<SurfaceId, DisplayError>;

    /// Changes the size of a surface, or a cursor's parent, hotspot and position. After a change of
    /// size it is shown again from its next frame on, which must be damaged as a whole. A cursor
    /// needs a next frame whenever more than its position changed: a display may show it unchanged
    /// until then, so that a new hotspot is never seen with an old image.
    ///
    /// # Errors
    /// [`DisplayError`]; the surface is as it was.
    fn configure_surface(
        &mut self,
        surface: SurfaceId,
        request: &SurfaceRequest,
    ) -> Result<(), DisplayError>;

    /// Takes a surface away: a cursor is hidden, an output goes blank. Cursors over a scanout that
    /// went away are not shown, but stay; [`Display::configure_surface`] can give them a new
    /// parent. An unknown surface is ignored.
    fn destroy_surface(&mut self, surface: SurfaceId);

    /// Shows a frame.
    ///
    /// # Errors
    /// [`DisplayError`], among them all of [`Frame::check`]; nothing was taken.
    fn present(&mut self, surface: SurfaceId, frame: &Frame<'_>)
    -> Result<Presented, DisplayError>;

    /// Where pictures should be that are going to be presented as
    /// [`PixelSource::Buffer`](crate::PixelSource::Buffer), so that the display need not copy them. It
    /// takes them from elsewhere, too.
    fn picture_memory(&self) -> PictureMemory;

    /// Moves a cursor: its image's top-left pixel is at `position` now.
    ///
    /// # Errors
    /// [`DisplayError::UnknownSurface`], [`DisplayError::NotACursor`], [`DisplayError::Lost`].
    fn set_position(&mut self, surface: SurfaceId, position: Position) -> Result<(), DisplayError>;

    /// What to wait for before the next [`Display::dispatch`], `None` if there is no descriptor.
    fn poll_fd(&self) -> Option<PollFd<'_>>;

    /// When to call [`Display::dispatch`] even if the descriptor is silent. May be in the past.
    fn deadline(&self) -> Option<Instant>;

    /// Does what is due, without blocking. Events may have arrived afterwards.
    ///
    /// # Errors
    /// [`DisplayError::Lost`] if the display is of no use any more.
    fn dispatch(&mut self, now: Instant) -> Result<(), DisplayError>;

    /// Takes the oldest event, `None` if there is none.
    fn next_event(&mut self) -> Option<Event>;
}
