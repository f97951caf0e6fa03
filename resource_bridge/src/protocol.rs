//! Requests and responses as bytes. Both ends run on one machine, but the
//! layout is little endian and fixed all the same, so that it can be tested
//! byte by byte.

use drm_fourcc::DrmFourcc;
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::Error;

/// Most planes a buffer has.
pub const MAX_PLANES: usize = 4;

const GET_BUFFER: u32 = 1;
const BUFFER: u32 = 1;
const INVALID: u32 = 2;

/// A question to the device that owns the resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// What stands behind a resource?
    GetBuffer {
        /// The guest's id of the resource.
        resource: u32,
    },
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// The buffer; one file descriptor for each plane comes with it.
    Buffer(BufferInfo),
    /// There is no such resource, or it may not leave the device.
    Invalid,
}

/// A buffer in the memory of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BufferInfo {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Pixel format.
    pub format: DrmFourcc,
    /// DRM format modifier; 0 is linear.
    pub modifier: u64,
    /// One to [`MAX_PLANES`] planes.
    pub planes: Vec<PlaneInfo>,
}

/// Where a plane lies in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PlaneInfo {
    /// Bytes before the first row.
    pub offset: u32,
    /// Bytes from one row to the next.
    pub stride: u32,
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct RequestBytes {
    tag: U32,
    resource: U32,
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Default)]
#[repr(C)]
struct ResponseBytes {
    tag: U32,
    width: U32,
    height: U32,
    format: U32,
    modifier: U64,
    plane_count: U32,
    offsets: [U32; MAX_PLANES],
    strides: [U32; MAX_PLANES],
}

fn whole<T: FromBytes + KnownLayout + Immutable>(bytes: &[u8]) -> Result<T, Error> {
    T::read_from_bytes(bytes).map_err(|_| Error::Length {
        length: bytes.len(),
        expected: size_of::<T>(),
    })
}

impl Request {
    /// The request as 8 bytes.
    pub fn encode(&self) -> Vec<u8> {
        let Self::GetBuffer { resource } = *self;
        RequestBytes {
            tag: GET_BUFFER.into(),
            resource: resource.into(),
        }
        .as_bytes()
        .to_vec()
    }

    /// Understands a request.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::Tag`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let RequestBytes { tag, resource } = whole(bytes)?;
        match tag.get() {
            GET_BUFFER => Ok(Self::GetBuffer {
                resource: resource.get(),
            }),
            other => Err(Error::Tag(other)),
        }
    }
}

impl Response {
    /// The response as 60 bytes. Planes beyond [`MAX_PLANES`] are left out.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = ResponseBytes::default();
        match self {
            Self::Invalid => bytes.tag = INVALID.into(),
            Self::Buffer(info) => {
                bytes.tag = BUFFER.into();
                bytes.width = info.width.into();
                bytes.height = info.height.into();
                bytes.format = (info.format as u32).into();
                bytes.modifier = info.modifier.into();
                let places = bytes.offsets.iter_mut().zip(&mut bytes.strides);
                let mut count = 0_u32;
                for (plane, (offset, stride)) in info.planes.iter().zip(places) {
                    *offset = plane.offset.into();
                    *stride = plane.stride.into();
                    count = count.saturating_add(1);
                }
                bytes.plane_count = count.into();
            }
        }
        bytes.as_bytes().to_vec()
    }

    /// Understands a response.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::Tag`], [`Error::Planes`],
    /// [`Error::Format`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let bytes: ResponseBytes = whole(bytes)?;
        match bytes.tag.get() {
            INVALID => Ok(Self::Invalid),
            BUFFER => {
                let count = usize::try_from(bytes.plane_count.get()).unwrap_or(usize::MAX);
                if !(1..=MAX_PLANES).contains(&count) {
                    return Err(Error::Planes(bytes.plane_count.get()));
                }
                let format = bytes.format.get();
                let planes = bytes.offsets.iter().zip(&bytes.strides).take(count);
                Ok(Self::Buffer(BufferInfo {
                    width: bytes.width.get(),
                    height: bytes.height.get(),
                    format: DrmFourcc::try_from(format).map_err(|_| Error::Format(format))?,
                    modifier: bytes.modifier.get(),
                    planes: planes
                        .map(|(offset, stride)| PlaneInfo {
                            offset: offset.get(),
                            stride: stride.get(),
                        })
                        .collect(),
                }))
            }
            other => Err(Error::Tag(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response() -> [u8; 60] {
        let mut bytes = [0; 60];
        bytes[0] = 1;
        bytes[4..8].copy_from_slice(&[0x80, 0x02, 0, 0]);
        bytes[8..12].copy_from_slice(&[0xe0, 0x01, 0, 0]);
        bytes[12..16].copy_from_slice(b"NV12");
        bytes[16..24].copy_from_slice(&[1, 0, 0, 0, 0, 0, 0, 3]);
        bytes[24] = 2;
        bytes[32..36].copy_from_slice(&[0, 0x10, 0, 0]);
        bytes[44..48].copy_from_slice(&[0x80, 0x02, 0, 0]);
        bytes[48..52].copy_from_slice(&[0x40, 0x01, 0, 0]);
        bytes
    }

    #[test]
    fn a_request_is_a_tag_and_a_resource_id() {
        let bytes = [1, 0, 0, 0, 0x78, 0x56, 0x34, 0x12];
        let request = Request::GetBuffer {
            resource: 0x1234_5678,
        };

        assert_eq!(request.encode(), bytes);
        assert_eq!(Request::decode(&bytes), Ok(request));
    }

    #[test]
    fn a_buffer_has_size_format_modifier_and_planes() {
        let info = BufferInfo {
            width: 640,
            height: 480,
            format: DrmFourcc::Nv12,
            modifier: 0x0300_0000_0000_0001,
            planes: vec![
                PlaneInfo {
                    offset: 0,
                    stride: 640,
                },
                PlaneInfo {
                    offset: 4096,
                    stride: 320,
                },
            ],
        };

        assert_eq!(Response::Buffer(info.clone()).encode(), response());
        assert_eq!(Response::decode(&response()), Ok(Response::Buffer(info)));
    }

    #[test]
    fn messages_of_another_length_are_refused() {
        for length in [0, 7, 9] {
            let refused = Request::decode(&vec![1; length]);
            assert_eq!(
                refused,
                Err(Error::Length {
                    length,
                    expected: 8
                })
            );
        }
        for length in [0, 59, 61] {
            let refused = Response::decode(&vec![1; length]);
            assert!(matches!(refused, Err(Error::Length { expected: 60, .. })));
        }
    }

    #[test]
    fn values_nobody_defined_are_refused() {
        let request = [9, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(Request::decode(&request), Err(Error::Tag(9)));
        let changed = |at: usize, value: u8| {
            let mut bytes = response();
            bytes[at] = value;
            Response::decode(&bytes)
        };
        assert_eq!(changed(0, 3), Err(Error::Tag(3)));
        assert_eq!(changed(24, 0), Err(Error::Planes(0)));
        assert_eq!(changed(24, 5), Err(Error::Planes(5)));
        assert!(matches!(changed(12, 0), Err(Error::Format(_))));
    }

    #[test]
    fn a_refusal_needs_no_more_than_its_tag() {
        let mut bytes = [0; 60];
        bytes[0] = 2;

        assert_eq!(Response::Invalid.encode(), bytes);
        assert_eq!(Response::decode(&bytes), Ok(Response::Invalid));
    }
}
