//! Textures that are drawn into, as a renderer and as a driver make and use them.

use gpu_buffer::{DrmFourcc, Layout};
use gpu_renderer::testing::stream::{Stream, bind, format};
use gpu_renderer::{Box3, ContextId, Direction, ResourceArgs, ResourceId};
use virtio_gpu::protocol::{self, Command, HeaderFlags, ResourceCreate3d, Transfer3d};
use virtio_gpu::testing::header;

use crate::guest::Size;

/// The one context.
pub(crate) const CONTEXT: ContextId = ContextId(1);

/// `PIPE_TEXTURE_2D`.
const TEXTURE_2D: u32 = 2;

const COLOUR: [f32; 4] = [0.25, 0.5, 0.75, 1.0];

/// A texture, and the surface of the same number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Texture {
    pub(crate) number: u32,
    pub(crate) size: Size,
    pub(crate) pixels: Pixels,
}

/// The bytes of a texel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pixels {
    /// Blue, green, red, unused: as screens and windows have them.
    Bgrx,
    /// Red, green, blue, alpha: as GL programs have them.
    Rgba,
}

impl Pixels {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bgrx => "BGRX",
            Self::Rgba => "RGBA",
        }
    }

    fn format(self) -> u32 {
        match self {
            Self::Bgrx => format::B8G8R8X8_UNORM,
            Self::Rgba => format::R8G8B8A8_UNORM,
        }
    }
}

/// Whether a request is answered when it is taken or when it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fence {
    Unused,
    Used,
}

impl Texture {
    pub(crate) fn resource(self) -> ResourceId {
        ResourceId(self.number)
    }

    pub(crate) fn layout(self) -> Layout {
        let fourcc = match self.pixels {
            Pixels::Bgrx => DrmFourcc::Xrgb8888,
            Pixels::Rgba => DrmFourcc::Abgr8888,
        };
        Layout::packed(self.size.width, self.size.height, fourcc).unwrap()
    }

    pub(crate) fn arguments(self) -> ResourceArgs {
        ResourceArgs {
            target: TEXTURE_2D,
            format: self.pixels.format(),
            bind: bind::RENDER_TARGET | bind::SAMPLER_VIEW,
            width: self.size.width,
            height: self.size.height,
            depth: 1,
            array_size: 1,
            last_level: 0,
            samples: 0,
            flags: 0,
        }
    }

    pub(crate) fn region(self) -> Box3 {
        Box3 {
            x: 0,
            y: 0,
            z: 0,
            width: self.size.width,
            height: self.size.height,
            depth: 1,
        }
    }

    /// The stream that makes its surface.
    pub(crate) fn surface(self) -> Vec<u32> {
        let mut stream = Stream::new();
        stream.surface(self.number, self.number, self.pixels.format());
        stream.into_words()
    }

    /// The stream that draws into it and clears it.
    pub(crate) fn clear(self) -> Vec<u32> {
        let mut stream = Stream::new();
        stream.framebuffer(&[self.number]).clear(COLOUR);
        stream.into_words()
    }

    /// The requests that make it and its surface.
    pub(crate) fn creation(self) -> Vec<Vec<u8>> {
        let ResourceArgs {
            target,
            format,
            bind,
            width,
            height,
            depth,
            array_size,
            last_level,
            samples,
            flags,
        } = self.arguments();
        let resource = protocol::ResourceId(self.number);
        let create = Command::ResourceCreate3d(ResourceCreate3d {
            resource,
            target,
            format,
            bind,
            width,
            height,
            depth,
            array_size,
            last_level,
            samples,
            flags,
        });
        vec![
            request(&create, Fence::Unused),
            request(&Command::CtxAttachResource { resource }, Fence::Unused),
            submit(&self.surface(), Fence::Unused),
        ]
    }

    /// TRANSFER_TO_HOST_3D or TRANSFER_FROM_HOST_3D of all of it.
    pub(crate) fn transfer(self, direction: Direction) -> Vec<u8> {
        let region = self.region();
        let transfer = Transfer3d {
            region: protocol::Box3 {
                x: region.x,
                y: region.y,
                z: region.z,
                width: region.width,
                height: region.height,
                depth: region.depth,
            },
            offset: 0,
            resource: protocol::ResourceId(self.number),
            level: 0,
            stride: 0,
            layer_stride: 0,
        };
        let command = match direction {
            Direction::ToHost => Command::TransferToHost3d(transfer),
            Direction::FromHost => Command::TransferFromHost3d(transfer),
        };
        request(&command, Fence::Unused)
    }
}

/// CTX_CREATE of the one context.
pub(crate) fn create_context() -> Vec<u8> {
    let command = Command::CtxCreate {
        name: b"bench",
        context_init: 0,
    };
    request(&command, Fence::Unused)
}

/// SUBMIT_3D.
pub(crate) fn submit(words: &[u32], fence: Fence) -> Vec<u8> {
    let commands: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let command = Command::Submit3d {
        commands: &commands,
    };
    request(&command, fence)
}

/// A request in the one context.
fn request(command: &Command<'_>, fence: Fence) -> Vec<u8> {
    let mut header = header(command, None);
    header.context = protocol::ContextId(CONTEXT.0);
    if fence == Fence::Used {
        header.flags = HeaderFlags::FENCE;
    }
    command.encode(&header)
}
