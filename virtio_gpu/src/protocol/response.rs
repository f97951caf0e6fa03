//! Outcomes: the 13 responses, to bytes and back.

use super::wire;
use super::{ContextId, HeaderFlags, RequestHeader};
use gpu_buffer::Rect;
use std::fmt;
use std::mem::size_of;
use thiserror::Error;
use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// What a command that worked answers (VIRTIO 1.4 §5.7.6.7).
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "an outcome lives for one command; boxing would allocate for each answer"
)]
pub enum Success {
    /// It is done.
    NoData,
    /// Every scanout, in order.
    DisplayInfo([DisplayMode; wire::MAX_SCANOUTS]),
    /// An entry of the list of capability sets.
    CapsetInfo {
        /// `wire::CAPSET_*`.
        id: u32,
        /// Highest version.
        max_version: u32,
        /// Most bytes the set takes.
        max_size: u32,
    },
    /// The bytes of a capability set.
    Capset(Vec<u8>),
    /// The EDID's blocks; what is past 1024 bytes is not sent.
    Edid(Vec<u8>),
    /// The UUID of a resource.
    ResourceUuid([u8; 16]),
    /// The blob is mapped.
    MapInfo {
        /// `wire::MAP_CACHE_*`.
        map_info: u32,
    },
}

/// One scanout of [`Success::DisplayInfo`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DisplayMode {
    /// Preferred size, and place among the scanouts, in pixels.
    pub rect: Rect,
    /// Whether a display is connected.
    pub enabled: bool,
}

/// What a command that failed answers (VIRTIO 1.4 §5.7.6.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// Of no particular kind.
    Unspec,
    /// No memory, or a limit of the device is reached.
    OutOfMemory,
    /// No such scanout.
    InvalidScanoutId,
    /// No such resource, or its id is taken.
    InvalidResourceId,
    /// No such context, or its id is taken.
    InvalidContextId,
    /// A field is out of its range.
    InvalidParameter,
}

impl ErrorCode {
    /// All six, in the order of their numbers.
    pub const ALL: [Self; 6] = [
        Self::Unspec,
        Self::OutOfMemory,
        Self::InvalidScanoutId,
        Self::InvalidResourceId,
        Self::InvalidContextId,
        Self::InvalidParameter,
    ];

    /// The response's number.
    #[must_use]
    pub fn to_wire(self) -> u32 {
        match self {
            Self::Unspec => wire::RESP_ERR_UNSPEC,
            Self::OutOfMemory => wire::RESP_ERR_OUT_OF_MEMORY,
            Self::InvalidScanoutId => wire::RESP_ERR_INVALID_SCANOUT_ID,
            Self::InvalidResourceId => wire::RESP_ERR_INVALID_RESOURCE_ID,
            Self::InvalidContextId => wire::RESP_ERR_INVALID_CONTEXT_ID,
            Self::InvalidParameter => wire::RESP_ERR_INVALID_PARAMETER,
        }
    }

    /// The error of that number, None if it is no error.
    #[must_use]
    pub fn from_wire(kind: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.to_wire() == kind)
    }

    /// The name of the specification, without `VIRTIO_GPU_RESP_`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unspec => "ERR_UNSPEC",
            Self::OutOfMemory => "ERR_OUT_OF_MEMORY",
            Self::InvalidScanoutId => "ERR_INVALID_SCANOUT_ID",
            Self::InvalidResourceId => "ERR_INVALID_RESOURCE_ID",
            Self::InvalidContextId => "ERR_INVALID_CONTEXT_ID",
            Self::InvalidParameter => "ERR_INVALID_PARAMETER",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The bytes [`encode`] writes for this success.
#[must_use]
pub fn encoded_length(success: &Success) -> usize {
    match success {
        Success::NoData => size_of::<wire::Header>(),
        Success::DisplayInfo(_) => size_of::<wire::DisplayInfo>(),
        Success::CapsetInfo { .. } => size_of::<wire::CapsetInfo>(),
        Success::Capset(data) => size_of::<wire::Header>().saturating_add(data.len()),
        Success::Edid(_) => size_of::<wire::Edid>(),
        Success::ResourceUuid(_) => size_of::<wire::ResourceUuid>(),
        Success::MapInfo { .. } => size_of::<wire::MapInfo>(),
    }
}

/// Replaces `out` by the bytes of a response: exactly those of its structure,
/// unused ones zero.
///
/// `echo` is the header of the request, None if it could not be read. Its
/// fence, with context and ring, is repeated if the request was fenced, also
/// in an error; the header is zero but for the type otherwise
/// (VIRTIO 1.4 §5.7.6.7).
pub fn encode(
    outcome: Result<&Success, ErrorCode>,
    echo: Option<&RequestHeader>,
    out: &mut Vec<u8>,
) {
    out.clear();
    let success = match outcome {
        Ok(success) => success,
        Err(code) => {
            let header = response_header(code.to_wire(), echo);
            out.extend_from_slice(header.as_bytes());
            return;
        }
    };
    let header = response_header(success.kind(), echo);
    match success {
        Success::NoData => out.extend_from_slice(header.as_bytes()),
        Success::DisplayInfo(modes) => {
            let pmodes = modes.map(|mode| wire::DisplayOne {
                rect: wire::Rect {
                    x: mode.rect.x.into(),
                    y: mode.rect.y.into(),
                    width: mode.rect.width.into(),
                    height: mode.rect.height.into(),
                },
                enabled: u32::from(mode.enabled).into(),
                flags: U32::ZERO,
            });
            out.extend_from_slice(wire::DisplayInfo { header, pmodes }.as_bytes());
        }
        Success::CapsetInfo {
            id,
            max_version,
            max_size,
        } => out.extend_from_slice(
            wire::CapsetInfo {
                header,
                capset_id: (*id).into(),
                capset_max_version: (*max_version).into(),
                capset_max_size: (*max_size).into(),
                padding: U32::ZERO,
            }
            .as_bytes(),
        ),
        Success::Capset(data) => {
            out.extend_from_slice(header.as_bytes());
            out.extend_from_slice(data);
        }
        Success::Edid(data) => encode_edid(header, data, out),
        Success::ResourceUuid(uuid) => out.extend_from_slice(
            wire::ResourceUuid {
                header,
                uuid: *uuid,
            }
            .as_bytes(),
        ),
        Success::MapInfo { map_info } => out.extend_from_slice(
            wire::MapInfo {
                header,
                map_info: (*map_info).into(),
                padding: U32::ZERO,
            }
            .as_bytes(),
        ),
    }
}

impl Success {
    fn kind(&self) -> u32 {
        match self {
            Self::NoData => wire::RESP_OK_NODATA,
            Self::DisplayInfo(_) => wire::RESP_OK_DISPLAY_INFO,
            Self::CapsetInfo { .. } => wire::RESP_OK_CAPSET_INFO,
            Self::Capset(_) => wire::RESP_OK_CAPSET,
            Self::Edid(_) => wire::RESP_OK_EDID,
            Self::ResourceUuid(_) => wire::RESP_OK_RESOURCE_UUID,
            Self::MapInfo { .. } => wire::RESP_OK_MAP_INFO,
        }
    }
}

fn response_header(kind: u32, echo: Option<&RequestHeader>) -> wire::Header {
    let fence = echo.and_then(|request| request.fence().map(|fence| (request, fence)));
    let header = match fence {
        // Linux signals whatever fence it finds, whether it asked for one or not.
        None => RequestHeader::default(),
        Some((request, fence_id)) => RequestHeader {
            kind,
            flags: request.flags,
            fence_id,
            context: request.context,
            ring_index: request.timeline_ring().unwrap_or(0),
        },
    };
    RequestHeader { kind, ..header }.to_wire()
}

fn encode_edid(header: wire::Header, data: &[u8], out: &mut Vec<u8>) {
    let data = data.get(..wire::EDID_CAPACITY).unwrap_or(data);
    let mut edid = [0; wire::EDID_CAPACITY];
    for (slot, byte) in edid.iter_mut().zip(data) {
        *slot = *byte;
    }
    let size = u32::try_from(data.len()).unwrap_or(0).into();
    let response = wire::Edid {
        header,
        size,
        padding: U32::ZERO,
        edid,
    };
    out.extend_from_slice(response.as_bytes());
}

/// The header of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseHeader {
    /// The response's number as it was sent.
    pub kind: u32,
    /// Known flags.
    pub flags: HeaderFlags,
    /// The fence that is signalled, with [`HeaderFlags::FENCE`].
    pub fence_id: u64,
    /// The context, echoed with the fence.
    pub context: ContextId,
    /// The ring, echoed with the fence and [`HeaderFlags::INFO_RING_IDX`].
    pub ring_index: u8,
}

/// A response that could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ResponseError {
    /// Fewer bytes than the response's structure.
    #[error("a response of {length} bytes, {needed} needed")]
    Short {
        /// Bytes of the structure.
        needed: usize,
        /// Bytes of the response.
        length: usize,
    },
    /// No response has that number.
    #[error("response {kind:#x} is unknown")]
    UnknownKind {
        /// The number.
        kind: u32,
    },
    /// More EDID promised than a response holds.
    #[error("an EDID of {size} bytes, at most 1024 fit")]
    EdidSize {
        /// Bytes promised.
        size: u32,
    },
}

/// Reads a response: the driver's side, for tests and conformance runs. `bytes`
/// are those the device said it wrote; a capability set is all that follows
/// the header.
///
/// # Errors
/// [`ResponseError`] when the bytes are too few or the type is unknown.
pub fn decode_response(
    bytes: &[u8],
) -> Result<(ResponseHeader, Result<Success, ErrorCode>), ResponseError> {
    let (header, rest) = fixed::<wire::Header>(bytes)?;
    let RequestHeader {
        kind,
        flags,
        fence_id,
        context,
        ring_index,
    } = RequestHeader::from_wire(header);
    let header = ResponseHeader {
        kind,
        flags,
        fence_id,
        context,
        ring_index,
    };
    if let Some(code) = ErrorCode::from_wire(kind) {
        return Ok((header, Err(code)));
    }
    let success = match kind {
        wire::RESP_OK_NODATA => Success::NoData,
        wire::RESP_OK_DISPLAY_INFO => decode_display_info(fixed(bytes)?.0),
        wire::RESP_OK_CAPSET_INFO => {
            let (info, _) = fixed::<wire::CapsetInfo>(bytes)?;
            Success::CapsetInfo {
                id: info.capset_id.get(),
                max_version: info.capset_max_version.get(),
                max_size: info.capset_max_size.get(),
            }
        }
        wire::RESP_OK_CAPSET => Success::Capset(rest.to_vec()),
        wire::RESP_OK_EDID => decode_edid(fixed(bytes)?.0)?,
        wire::RESP_OK_RESOURCE_UUID => {
            Success::ResourceUuid(fixed::<wire::ResourceUuid>(bytes)?.0.uuid)
        }
        wire::RESP_OK_MAP_INFO => Success::MapInfo {
            map_info: fixed::<wire::MapInfo>(bytes)?.0.map_info.get(),
        },
        _ => return Err(ResponseError::UnknownKind { kind }),
    };
    Ok((header, Ok(success)))
}

fn fixed<T>(bytes: &[u8]) -> Result<(&T, &[u8]), ResponseError>
where
    T: FromBytes + KnownLayout + Immutable + Unaligned,
{
    T::ref_from_prefix(bytes).map_err(|_| ResponseError::Short {
        needed: size_of::<T>(),
        length: bytes.len(),
    })
}

fn decode_display_info(info: &wire::DisplayInfo) -> Success {
    Success::DisplayInfo(info.pmodes.map(|mode| DisplayMode {
        rect: Rect {
            x: mode.rect.x.get(),
            y: mode.rect.y.get(),
            width: mode.rect.width.get(),
            height: mode.rect.height.get(),
        },
        enabled: mode.enabled.get() != 0,
    }))
}

fn decode_edid(response: &wire::Edid) -> Result<Success, ResponseError> {
    let size = response.size.get();
    usize::try_from(size)
        .ok()
        .and_then(|length| response.edid.get(..length))
        .map(|edid| Success::Edid(edid.to_vec()))
        .ok_or(ResponseError::EdidSize { size })
}
