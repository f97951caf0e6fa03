//! What an X11 display counts.

/// Counters since the display was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct X11Statistics {
    /// Frames that the server was given.
    pub frames: u64,
    /// Those of them that it reads where they were drawn.
    pub shared_frames: u64,
    /// Bytes of pixels that were copied for it, or sent to it.
    pub copied_bytes: u64,
    /// Connections that were made, the first included.
    pub connections: u64,
}
