//! Requests and responses as messages. Both ends run on one machine, but the layout is little endian and fixed all
//! the same, so that it can be tested byte by byte.

use std::fmt;
use std::os::fd::{AsFd, OwnedFd};

use drm_fourcc::DrmFourcc;
use msg_socket::{Error, Incoming, Message, Outgoing};
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Most planes a buffer has.
pub const MAX_PLANES: usize = 4;

const GET_BUFFER: u32 = 1;
const GET_BUFFER_BY_UUID: u32 = 2;
const GET_FENCE: u32 = 3;
const GET_UUID: u32 = 4;

const BUFFER: u32 = 1;
const FENCE: u32 = 2;
const UUID: u32 = 3;
const INVALID: u32 = 4;

/// The CPU can read and write the planes through a mapping of their files.
const MAPPABLE: u32 = 1;
/// The modifier means something.
const HAS_MODIFIER: u32 = 2;

/// Names a resource to everybody, as the guest does with RESOURCE_ASSIGN_UUID.
pub type Uuid = [u8; 16];

/// A question to the device that owns the resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// What stands behind a resource?
    GetBuffer {
        /// The guest's id of the resource.
        resource: u32,
    },
    /// What stands behind the resource with a UUID?
    GetBufferByUuid {
        /// The UUID.
        uuid: Uuid,
    },
    /// A file that is readable when the guest's fence has passed.
    GetFence {
        /// The guest's id of the fence.
        seqno: u64,
    },
    /// Which UUID has a resource?
    GetUuid {
        /// The guest's id of the resource.
        resource: u32,
    },
}

/// The answer.
#[derive(Debug)]
pub enum Response {
    /// The buffer.
    Buffer(Buffer),
    /// A sync file.
    Fence(OwnedFd),
    /// The UUID.
    Uuid(Uuid),
    /// There is no answer.
    Invalid(Reason),
}

/// A picture in memory of the host, as it is now and will be for whoever holds it: what becomes of the resource's id
/// does not change which memory this is.
#[derive(Debug)]
pub struct Buffer {
    /// Tells the resource from others that have, or will have, the same id, and from what it was when its pixels were
    /// elsewhere.
    pub generation: u64,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Pixel format.
    pub format: DrmFourcc,
    /// DRM format modifier, 0 is linear; `None` if only the driver knows.
    pub modifier: Option<u64>,
    /// Bytes of a file that the planes in it need at most, from its start.
    pub size: u64,
    /// Whether the CPU can read and write the planes through a mapping of their files.
    pub mappable: bool,
    /// One to [`MAX_PLANES`] planes.
    pub planes: Vec<Plane>,
}

/// A plane of a buffer.
#[derive(Debug)]
pub struct Plane {
    /// The file that it is in: a dma-buf, or memory sealed against shrinking.
    pub fd: OwnedFd,
    /// Bytes before the first row.
    pub offset: u32,
    /// Bytes from one row to the next.
    pub stride: u32,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// No resource has this id or UUID.
    UnknownResource,
    /// The resource may not leave the device.
    NotAllowed,
    /// The resource is a buffer or a texture of which there is no single picture.
    NotAPicture,
    /// The renderer has the resource and shares nothing.
    RendererSharesNothing,
    /// The renderer failed to share the resource, or to export the fence.
    RendererFailed,
    /// The resource, or the whole guest, was gone before there was an answer.
    Gone,
    /// There is no memory, or there are too many files.
    NoMemory,
    /// As many resources as may be are shared already.
    TooManyShared,
    /// The client has too many questions that wait.
    TooManyQuestions,
    /// No fence of the device can be exported.
    NoFences,
    /// The resource has no UUID.
    NoUuid,
    /// The device is busy with what came before; the question may be asked again soon.
    Busy,
    /// The guest has not asked for this fence yet.
    UnknownFence,
}

impl Reason {
    const ALL: [(u32, Self); 13] = [
        (1, Self::UnknownResource),
        (2, Self::NotAllowed),
        (3, Self::NotAPicture),
        (4, Self::RendererSharesNothing),
        (5, Self::RendererFailed),
        (6, Self::Gone),
        (7, Self::NoMemory),
        (8, Self::TooManyShared),
        (9, Self::TooManyQuestions),
        (10, Self::NoFences),
        (11, Self::NoUuid),
        (12, Self::Busy),
        (13, Self::UnknownFence),
    ];

    fn to_wire(self) -> u32 {
        let mut known = Self::ALL.iter();
        known
            .find(|(_, reason)| *reason == self)
            .map_or(0, |(number, _)| *number)
    }

    fn from_wire(number: u32) -> Result<Self, Error> {
        let mut known = Self::ALL.iter();
        known
            .find(|(known, _)| *known == number)
            .map(|(_, reason)| *reason)
            .ok_or(Error::Value {
                what: "reason",
                value: number.into(),
            })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::UnknownResource => "no such resource",
            Self::NotAllowed => "the resource may not leave the device",
            Self::NotAPicture => "the resource is no single picture",
            Self::RendererSharesNothing => "the renderer shares nothing",
            Self::RendererFailed => "the renderer failed",
            Self::Gone => "the resource is gone",
            Self::NoMemory => "no memory, or too many files",
            Self::TooManyShared => "too many resources are shared",
            Self::TooManyQuestions => "too many questions wait",
            Self::NoFences => "no fence can be exported",
            Self::NoUuid => "the resource has no UUID",
            Self::Busy => "the device is busy",
            Self::UnknownFence => "there is no such fence yet",
        })
    }
}

/// The body of a response with a buffer.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Default)]
#[repr(C)]
struct BufferBytes {
    generation: U64,
    width: U32,
    height: U32,
    format: U32,
    flags: U32,
    modifier: U64,
    size: U64,
    plane_count: U32,
    offsets: [U32; MAX_PLANES],
    strides: [U32; MAX_PLANES],
}

impl Message for Request {
    const MAX_BODY: usize = size_of::<Uuid>();
    const MAX_FDS: usize = 0;

    fn write<'a>(&'a self, out: &mut Outgoing<'a>) {
        match self {
            Self::GetBuffer { resource } => out.put(GET_BUFFER, &U32::new(*resource)),
            Self::GetBufferByUuid { uuid } => out.put(GET_BUFFER_BY_UUID, uuid),
            Self::GetFence { seqno } => out.put(GET_FENCE, &U64::new(*seqno)),
            Self::GetUuid { resource } => out.put(GET_UUID, &U32::new(*resource)),
        }
    }

    fn read(message: &mut Incoming<'_>) -> Result<Self, Error> {
        Ok(match message.tag() {
            GET_BUFFER => Self::GetBuffer {
                resource: message.body::<U32>()?.get(),
            },
            GET_BUFFER_BY_UUID => Self::GetBufferByUuid {
                uuid: message.body()?,
            },
            GET_FENCE => Self::GetFence {
                seqno: message.body::<U64>()?.get(),
            },
            GET_UUID => Self::GetUuid {
                resource: message.body::<U32>()?.get(),
            },
            tag => return Err(Error::UnknownTag(tag)),
        })
    }
}

impl Message for Response {
    const MAX_BODY: usize = size_of::<BufferBytes>();
    const MAX_FDS: usize = MAX_PLANES;

    fn write<'a>(&'a self, out: &mut Outgoing<'a>) {
        match self {
            Self::Buffer(buffer) => {
                out.put(BUFFER, &BufferBytes::from(buffer));
                for plane in &buffer.planes {
                    out.attach(plane.fd.as_fd());
                }
            }
            Self::Fence(fence) => {
                out.put(FENCE, &());
                out.attach(fence.as_fd());
            }
            Self::Uuid(uuid) => out.put(UUID, uuid),
            Self::Invalid(reason) => out.put(INVALID, &U32::new(reason.to_wire())),
        }
    }

    fn read(message: &mut Incoming<'_>) -> Result<Self, Error> {
        Ok(match message.tag() {
            BUFFER => Self::Buffer(read_buffer(message)?),
            FENCE => {
                message.body::<()>()?;
                Self::Fence(message.take_fd()?)
            }
            UUID => Self::Uuid(message.body()?),
            INVALID => Self::Invalid(Reason::from_wire(message.body::<U32>()?.get())?),
            tag => return Err(Error::UnknownTag(tag)),
        })
    }
}

impl From<&Buffer> for BufferBytes {
    fn from(buffer: &Buffer) -> Self {
        let mappable = if buffer.mappable { MAPPABLE } else { 0 };
        let modifier = buffer.modifier.map_or(0, |_| HAS_MODIFIER);
        let mut bytes = Self {
            generation: buffer.generation.into(),
            width: buffer.width.into(),
            height: buffer.height.into(),
            format: (buffer.format as u32).into(),
            flags: (mappable | modifier).into(),
            modifier: buffer.modifier.unwrap_or(0).into(),
            size: buffer.size.into(),
            plane_count: u32::try_from(buffer.planes.len())
                .unwrap_or(u32::MAX)
                .into(),
            ..Self::default()
        };
        let places = bytes.offsets.iter_mut().zip(&mut bytes.strides);
        for (plane, (offset, stride)) in buffer.planes.iter().zip(places) {
            *offset = plane.offset.into();
            *stride = plane.stride.into();
        }
        bytes
    }
}

fn read_buffer(message: &mut Incoming<'_>) -> Result<Buffer, Error> {
    let impossible = |what, value| Error::Value { what, value };
    let bytes: BufferBytes = message.body()?;
    let count = bytes.plane_count.get();
    let planes = usize::try_from(count).unwrap_or(usize::MAX);
    if !(1..=MAX_PLANES).contains(&planes) {
        return Err(impossible("number of planes", count.into()));
    }
    let flags = bytes.flags.get();
    if flags & !(MAPPABLE | HAS_MODIFIER) != 0 {
        return Err(impossible("flag", flags.into()));
    }
    let format = bytes.format.get();
    let format =
        DrmFourcc::try_from(format).map_err(|_| impossible("pixel format", format.into()))?;
    let places = bytes.offsets.iter().zip(&bytes.strides).take(planes);
    let planes: Result<Vec<Plane>, Error> = places
        .map(|(offset, stride)| {
            Ok(Plane {
                fd: message.take_fd()?,
                offset: offset.get(),
                stride: stride.get(),
            })
        })
        .collect();
    Ok(Buffer {
        generation: bytes.generation.get(),
        width: bytes.width.get(),
        height: bytes.height.get(),
        format,
        modifier: (flags & HAS_MODIFIER != 0).then(|| bytes.modifier.get()),
        size: bytes.size.get(),
        mappable: flags & MAPPABLE != 0,
        planes: planes?,
    })
}
