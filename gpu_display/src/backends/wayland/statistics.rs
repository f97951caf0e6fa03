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
    /// Frames that the compositor says came on a screen; none of them if it does not say.
    pub presented_frames: u64,
    /// Frames that it says never did: another came first, or nobody could see them.
    pub discarded_frames: u64,
    /// Connections that were made, the first included.
    pub connections: u64,
}
