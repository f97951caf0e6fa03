//! Requests of 3D as bytes. Numbers of textures are Gallium's.

use virtio_gpu::protocol::{Box3, Command, ResourceCreate3d, ResourceId, Transfer3d};

use crate::message::Message;

/// `PIPE_BUFFER`.
pub const BUFFER: u32 = 0;
/// `PIPE_TEXTURE_2D`.
pub const TEXTURE_2D: u32 = 2;
/// `PIPE_TEXTURE_3D`.
pub const TEXTURE_3D: u32 = 3;
/// `PIPE_TEXTURE_2D_ARRAY`.
pub const ARRAY_2D: u32 = 7;

/// `VIRGL_BIND_RENDER_TARGET` and `VIRGL_BIND_SAMPLER_VIEW`.
pub const BIND_PICTURE: u32 = 1 << 1 | 1 << 3;
/// `VIRGL_BIND_VERTEX_BUFFER`.
pub const BIND_VERTICES: u32 = 1 << 4;
/// `VIRGL_BIND_CUSTOM`.
pub const BIND_CUSTOM: u32 = 1 << 17;

/// B8G8R8X8.
const PIXELS: u32 = 2;
/// R8.
const BYTES: u32 = 64;
/// The first row is the top one.
const Y_0_TOP: u32 = 1;

impl Message {
    /// In this context.
    #[must_use]
    pub fn context(self, context: u32) -> Self {
        self.patched(16, &context.to_le_bytes())
    }

    /// With the flag FENCE and this fence, on a ring of its context.
    #[must_use]
    pub fn on_ring(self, ring: u8, fence: u64) -> Self {
        self.fenced(fence).flags(3).patched(20, &[ring])
    }
}

/// CTX_CREATE of the device's choice.
pub fn create_context(context: u32) -> Message {
    create_context_of(context, 0)
}

/// CTX_CREATE with this `context_init`.
pub fn create_context_of(context: u32, context_init: u32) -> Message {
    Message::new(&Command::CtxCreate {
        name: b"conformance",
        context_init,
    })
    .context(context)
}

/// CTX_DESTROY.
pub fn destroy_context(context: u32) -> Message {
    Message::new(&Command::CtxDestroy).context(context)
}

/// CTX_ATTACH_RESOURCE.
pub fn attach_to(context: u32, id: u32) -> Message {
    let resource = ResourceId(id);
    Message::new(&Command::CtxAttachResource { resource }).context(context)
}

/// CTX_DETACH_RESOURCE.
pub fn detach_from(context: u32, id: u32) -> Message {
    let resource = ResourceId(id);
    Message::new(&Command::CtxDetachResource { resource }).context(context)
}

/// A flat texture of four bytes a texel, as scanouts have them.
pub fn texture(id: u32, width: u32, height: u32) -> ResourceCreate3d {
    ResourceCreate3d {
        resource: ResourceId(id),
        target: TEXTURE_2D,
        format: PIXELS,
        bind: BIND_PICTURE,
        width,
        height,
        depth: 1,
        array_size: 1,
        last_level: 0,
        samples: 0,
        flags: Y_0_TOP,
    }
}

/// A buffer of so many bytes.
pub fn buffer(id: u32, bytes: u32) -> ResourceCreate3d {
    ResourceCreate3d {
        target: BUFFER,
        format: BYTES,
        bind: BIND_VERTICES,
        flags: 0,
        ..texture(id, bytes, 1)
    }
}

/// RESOURCE_CREATE_3D.
pub fn create_3d(create: ResourceCreate3d) -> Message {
    Message::new(&Command::ResourceCreate3d(create))
}

/// All texels of a flat texture, in rows without gaps.
pub fn all_of(id: u32, width: u32, height: u32) -> Transfer3d {
    Transfer3d {
        region: Box3 {
            x: 0,
            y: 0,
            z: 0,
            width,
            height,
            depth: 1,
        },
        offset: 0,
        resource: ResourceId(id),
        level: 0,
        stride: 0,
        layer_stride: 0,
    }
}

/// TRANSFER_TO_HOST_3D.
pub fn to_host(context: u32, transfer: Transfer3d) -> Message {
    Message::new(&Command::TransferToHost3d(transfer)).context(context)
}

/// TRANSFER_FROM_HOST_3D.
pub fn from_host(context: u32, transfer: Transfer3d) -> Message {
    Message::new(&Command::TransferFromHost3d(transfer)).context(context)
}

/// SUBMIT_3D of these words.
pub fn submit(context: u32, words: &[u32]) -> Message {
    let stream: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    submit_bytes(context, &stream)
}

/// SUBMIT_3D of these bytes.
pub fn submit_bytes(context: u32, stream: &[u8]) -> Message {
    Message::new(&Command::Submit3d { commands: stream }).context(context)
}

/// SUBMIT_3D that promises so many bytes and has these.
pub fn submit_promising(context: u32, promised: u32, stream: &[u8]) -> Message {
    submit_bytes(context, stream).patched(24, &promised.to_le_bytes())
}
