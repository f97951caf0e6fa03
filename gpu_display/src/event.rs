//! What a display has to tell.

use crate::{Query, SurfaceId};

/// Something that happened at the display, from
/// [`Display::next_event`](crate::Display::next_event).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The surface takes a frame again after [`Presented::Busy`](crate::Presented::Busy).
    Ready {
        /// The surface that was busy.
        surface: SurfaceId,
    },
    /// The display lost what the surface showed, for example because the viewer behind it was
    /// replaced: all of it has to be presented again.
    Redraw {
        /// The surface that shows nothing now.
        surface: SurfaceId,
    },
    /// The answer to a query that was [`Freshness::Pending`](crate::Freshness::Pending) is in, or
    /// given up on: outputs and EDIDs now are what the display knows.
    Answered(Query),
    /// Outputs were plugged, unplugged, moved or resized.
    OutputsChanged,
    /// The user asked to close the window of this surface.
    CloseRequested {
        /// The surface in the window.
        surface: SurfaceId,
    },
}
