//! The messages of QEMU's display socket, in native byte order (QEMU, docs/interop/vhost-user-gpu.rst).
//!
//! The device sends all requests; the front end only answers some.

use gpu_display::{Mode, Output, Position};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The most outputs a display information has (VIRTIO_GPU_MAX_SCANOUTS).
pub(super) const MAX_OUTPUTS: usize = 16;

/// Width and height of a cursor image in pixels.
pub(super) const CURSOR_SIDE: u32 = 64;

/// The largest side of a scanout in pixels: QEMU aborts on some sizes far beyond.
pub(super) const MAX_SIDE: u32 = 16_384;

/// The most bytes of an answer's payload; the longest is an EDID's, of 1056.
pub(super) const MAX_REPLY: usize = 4096;

/// The protocol feature for GET_EDID.
pub(super) const FEATURE_EDID: u64 = 1 << 0;

/// The protocol feature for DMABUF_SCANOUT2.
pub(super) const FEATURE_DMABUF2: u64 = 1 << 1;

/// The flag of an answer.
const FLAG_REPLY: u32 = 1 << 2;

/// The response types of VIRTIO 1.4 §5.7.6.7 that answers carry.
const RESP_OK_DISPLAY_INFO: u32 = 0x1101;
const RESP_OK_EDID: u32 = 0x1104;

/// The frame rate of outputs, which display information does not contain, in thousandths of a hertz.
const REFRESH_MILLIHERTZ: u32 = 60_000;

/// The requests that are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Request {
    GetProtocolFeatures = 1,
    SetProtocolFeatures = 2,
    GetDisplayInfo = 3,
    CursorPosition = 4,
    CursorHide = 5,
    CursorUpdate = 6,
    Scanout = 7,
    Update = 8,
    DmaBufScanout = 9,
    DmaBufUpdate = 10,
    GetEdid = 11,
    DmaBufScanout2 = 12,
}

/// The header of every message.
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout)]
#[repr(C)]
pub(super) struct Header {
    request: u32,
    flags: u32,
    size: u32,
}

/// Bytes of [`Header`].
pub(super) const HEADER_SIZE: usize = size_of::<Header>();

impl Header {
    /// The header of a request with `size` bytes of payload.
    pub(super) const fn request(request: Request, size: u32) -> Self {
        Self {
            request: request as u32,
            flags: 0,
            size,
        }
    }

    /// The number of the request and the payload's size, if this heads an answer of bearable size.
    pub(super) fn reply(self) -> Option<(u32, usize)> {
        let size = usize::try_from(self.size).ok()?;
        (self.flags & FLAG_REPLY != 0 && size <= MAX_REPLY).then_some((self.request, size))
    }
}

/// CURSOR_POS and CURSOR_POS_HIDE.
#[derive(Clone, Copy, Debug, Immutable, IntoBytes)]
#[repr(C)]
pub(super) struct CursorPosition {
    pub(super) scanout: u32,
    pub(super) x: u32,
    pub(super) y: u32,
}

impl CursorPosition {
    /// A position on a scanout; negative coordinates travel as their two's complement.
    pub(super) const fn new(scanout: u32, position: Position) -> Self {
        Self {
            scanout,
            x: position.x.cast_unsigned(),
            y: position.y.cast_unsigned(),
        }
    }
}

/// CURSOR_UPDATE without its image, which follows.
#[derive(Clone, Copy, Debug, Immutable, IntoBytes)]
#[repr(C)]
pub(super) struct CursorUpdate {
    pub(super) position: CursorPosition,
    pub(super) hotspot_x: u32,
    pub(super) hotspot_y: u32,
}

/// SCANOUT; a size of 0x0 disables it.
#[derive(Clone, Copy, Debug, Immutable, IntoBytes)]
#[repr(C)]
pub(super) struct Scanout {
    pub(super) scanout: u32,
    pub(super) width: u32,
    pub(super) height: u32,
}

/// DMABUF_SCANOUT, with a descriptor; without one it ends what another began. The picture begins at the first pixel of
/// the dma-buf: QEMU has no use for `x` and `y`, and takes one or the other size for the visible one, by version. The
/// flags are those of a virgl resource, whose `VIRTIO_GPU_RESOURCE_FLAG_Y_0_TOP` is about what the guest transfers: with
/// it the first row in memory is the bottom one. QEMU shows such a picture the other way up.
#[derive(Clone, Copy, Debug, Default, Immutable, IntoBytes)]
#[repr(C)]
pub(super) struct DmaBufScanout {
    scanout: u32,
    x: u32,
    y: u32,
    width: u32,
    height: u32,
    fd_width: u32,
    fd_height: u32,
    fd_stride: u32,
    fd_flags: u32,
    fourcc: u32,
}

impl DmaBufScanout {
    /// A picture of that size at the beginning of a plane.
    pub(super) const fn new(scanout: Scanout, stride: u32, fourcc: u32) -> Self {
        let Scanout {
            scanout,
            width,
            height,
        } = scanout;
        Self {
            scanout,
            x: 0,
            y: 0,
            width,
            height,
            fd_width: width,
            fd_height: height,
            fd_stride: stride,
            fd_flags: 0,
            fourcc,
        }
    }

    /// No picture any more.
    pub(super) fn none(scanout: u32) -> Self {
        Self {
            scanout,
            ..Self::default()
        }
    }
}

/// DMABUF_SCANOUT2.
#[derive(Clone, Copy, Debug, Immutable, IntoBytes)]
#[repr(C)]
pub(super) struct DmaBufScanout2 {
    pub(super) scanout: DmaBufScanout,
    pub(super) modifier: u64,
}

/// DMABUF_UPDATE, and UPDATE without its pixels, which follow.
#[derive(Clone, Copy, Debug, Immutable, IntoBytes)]
#[repr(C)]
pub(super) struct Update {
    pub(super) scanout: u32,
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) width: u32,
    pub(super) height: u32,
}

/// The header of a virtio-gpu response, 24 bytes.
#[derive(Clone, Copy, Debug, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
struct ResponseHeader {
    kind: u32,
    _unused: [u32; 5],
}

#[derive(Clone, Copy, Debug, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
struct DisplayOne {
    x: u32,
    y: u32,
    width: u32,
    height: u32,
    enabled: u32,
    _flags: u32,
}

#[derive(Clone, Copy, Debug, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
struct DisplayInfo {
    header: ResponseHeader,
    modes: [DisplayOne; MAX_OUTPUTS],
}

#[derive(Clone, Copy, Debug, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
struct EdidAnswer {
    header: ResponseHeader,
    size: u32,
    _padding: u32,
    bytes: [u8; 1024],
}

/// An output with nothing plugged in.
pub(super) const UNPLUGGED: Output = Output {
    enabled: false,
    x: 0,
    y: 0,
    mode: Mode {
        width: 0,
        height: 0,
        refresh_millihertz: REFRESH_MILLIHERTZ,
    },
    width_mm: 0,
    height_mm: 0,
};

/// The outputs of an answer to GET_DISPLAY_INFO. An output that is on but has no pixels counts as unplugged.
pub(super) fn parse_outputs(payload: &[u8]) -> Option<[Output; MAX_OUTPUTS]> {
    let info = DisplayInfo::read_from_bytes(payload).ok()?;
    if info.header.kind != RESP_OK_DISPLAY_INFO {
        return None;
    }
    Some(info.modes.map(|mode| Output {
        enabled: mode.enabled != 0 && mode.width != 0 && mode.height != 0,
        x: mode.x,
        y: mode.y,
        mode: Mode {
            width: mode.width.min(MAX_SIDE),
            height: mode.height.min(MAX_SIDE),
            refresh_millihertz: REFRESH_MILLIHERTZ,
        },
        ..UNPLUGGED
    }))
}

/// The EDID of an answer to GET_EDID: whole blocks of 128 bytes, at least one.
pub(super) fn parse_edid(payload: &[u8]) -> Option<Vec<u8>> {
    let answer = EdidAnswer::read_from_bytes(payload).ok()?;
    let size = usize::try_from(answer.size).ok()?;
    let whole_blocks = size >= 128 && size.is_multiple_of(128);
    if answer.header.kind != RESP_OK_EDID || !whole_blocks {
        return None;
    }
    answer.bytes.get(..size).map(<[u8]>::to_vec)
}

/// The features of an answer to GET_PROTOCOL_FEATURES.
pub(super) fn parse_features(payload: &[u8]) -> Option<u64> {
    u64::read_from_bytes(payload).ok()
}
