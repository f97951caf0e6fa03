//! What pictures cost on their way to the display.

/// Frames of scanouts that the display took since the device was made, by the way
/// their pixels went, and the bytes that the device copied for them. What a
/// display copies itself is not among them. Of cursors only the transfers to 2D
/// resources are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FrameStatistics {
    /// Pictures of 2D resources: copied by transfers.
    pub transferred: Frames,
    /// Pictures in guest blobs, copied where they changed.
    pub blobs_copied: Frames,
    /// Pictures in guest blobs, shown where they are.
    pub blobs_shared: Frames,
    /// Pictures of the renderer's, read back where they changed.
    pub textures_read: Frames,
    /// Pictures of the renderer's, shown where they are.
    pub textures_shared: Frames,
}

/// Frames that went one way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Frames {
    /// Those that the display took.
    pub taken: u64,
    /// Bytes that were copied for them, and for frames that it has not taken yet.
    pub copied_bytes: u64,
}

impl FrameStatistics {
    /// Every way, by a name for log lines.
    pub fn ways(&self) -> [(&'static str, Frames); 5] {
        [
            ("2D resources", self.transferred),
            ("guest blobs, copied", self.blobs_copied),
            ("guest blobs, shared", self.blobs_shared),
            ("textures, read back", self.textures_read),
            ("textures, shared", self.textures_shared),
        ]
    }
}

impl Frames {
    /// Bytes that were copied for a frame, on average; 0 where there was none.
    pub fn bytes_per_frame(&self) -> u64 {
        self.copied_bytes.checked_div(self.taken).unwrap_or(0)
    }

    pub(crate) fn take(&mut self) {
        self.taken = self.taken.saturating_add(1);
    }

    pub(crate) fn copy(&mut self, bytes: u64) {
        self.copied_bytes = self.copied_bytes.saturating_add(bytes);
    }
}
