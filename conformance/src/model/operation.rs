//! Commands as the model knows them.

use gpu_buffer::Rect;

/// A command as the model knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// RESOURCE_CREATE_2D.
    Create {
        /// Id of the resource.
        id: u32,
        /// Pixel format.
        format: u32,
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
    /// RESOURCE_UNREF.
    Unref(u32),
    /// RESOURCE_ATTACH_BACKING: the resource, and (offset in the model's memory, bytes).
    Attach(u32, Vec<(u32, u32)>),
    /// RESOURCE_DETACH_BACKING.
    Detach(u32),
    /// TRANSFER_TO_HOST_2D: resource, rectangle, offset.
    Transfer(u32, Rect, u64),
    /// SET_SCANOUT: scanout, resource, rectangle.
    SetScanout(u32, u32, Rect),
    /// RESOURCE_FLUSH: resource, rectangle.
    Flush(u32, Rect),
    /// UPDATE_CURSOR.
    UpdateCursor {
        /// The scanout.
        scanout: u32,
        /// The image, 0 for none.
        id: u32,
        /// Hot spot.
        hot: (u32, u32),
        /// Place.
        at: (i32, i32),
    },
    /// MOVE_CURSOR: scanout and place.
    MoveCursor(u32, (i32, i32)),
    /// CTX_CREATE.
    CreateContext(u32),
    /// CTX_DESTROY.
    DestroyContext(u32),
    /// CTX_ATTACH_RESOURCE: context, resource.
    AttachTo(u32, u32),
    /// CTX_DETACH_RESOURCE: context, resource.
    DetachFrom(u32, u32),
    /// RESOURCE_CREATE_3D of a flat texture: id, width, height; its format is B8G8R8X8.
    Create3d(u32, u32, u32),
    /// TRANSFER_TO_HOST_3D or TRANSFER_FROM_HOST_3D.
    Transfer3d {
        /// Which of them.
        way: Way,
        /// The context, 0 for none.
        context: u32,
        /// The resource.
        id: u32,
        /// What is copied.
        rect: Rect,
        /// Where in the backing.
        offset: u64,
    },
    /// SUBMIT_3D of what fills a resource with a value, or of nothing.
    Submit(u32, Option<(u32, u32)>),
}

/// Which way a transfer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Out of the backing.
    ToHost,
    /// Into the backing.
    FromHost,
}

impl Operation {
    /// The context that the operation is in, 0 for none.
    pub fn context(&self) -> u32 {
        match self {
            Self::CreateContext(context)
            | Self::DestroyContext(context)
            | Self::AttachTo(context, _)
            | Self::DetachFrom(context, _)
            | Self::Transfer3d { context, .. }
            | Self::Submit(context, _) => *context,
            _ => 0,
        }
    }
}
