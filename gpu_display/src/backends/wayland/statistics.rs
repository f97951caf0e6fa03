//! What a Wayland display counts.

/// Counters since the display was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WaylandStatistics {
    /// Frames that the compositor was given.
    pub frames: u64,
    /// Those of them that it reads where they were drawn, in shared memory or a dma-buf.
    pub shared_frames: u64,
    /// Bytes of pixels that were copied for it.
    pub copied_bytes: u64,
    /// Connections that were made, the first included.
    pub connections: u64,
}
