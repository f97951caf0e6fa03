//! Sizes of windows and pictures.

/// A size that is never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) width: u32,
    pub(crate) height: u32,
}

impl Size {
    /// The largest side: no screen is larger, and all that is computed from it is small.
    const MAX_SIDE: u32 = 32_767;

    /// The size, each side made possible.
    pub(crate) fn new(width: u32, height: u32) -> Self {
        Self {
            width: width.clamp(1, Self::MAX_SIDE),
            height: height.clamp(1, Self::MAX_SIDE),
        }
    }
}
