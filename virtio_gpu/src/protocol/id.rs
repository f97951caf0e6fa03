//! The three id spaces of a device. All are chosen by the driver; 0 is never a
//! valid resource or context.

use std::fmt;

/// Names a resource (2D image, 3D texture or blob): one space for the device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceId(pub u32);

/// Names a scanout, counted from 0, below `num_scanouts`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScanoutId(pub u32);

/// Names a rendering context; 0 in a header means none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContextId(pub u32);

impl ResourceId {
    /// The id as commands that allow "none" carry it: 0 is no resource.
    #[must_use]
    pub fn or_none(raw: u32) -> Option<Self> {
        (raw != 0).then_some(Self(raw))
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl fmt::Display for ScanoutId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl fmt::Display for ContextId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}
