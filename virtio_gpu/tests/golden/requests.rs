//! The golden requests, written by hand from VIRTIO 1.4 §5.7.6.7 to §5.7.6.10
//! (and Linux's `virtio_gpu.h` for the 3D structures the specification only
//! names): little endian, a different value in every field.

use gpu_buffer::Rect;
use virtio_gpu::protocol::wire::MemEntry;
use virtio_gpu::protocol::{
    Box3, Command, ContextId, CursorPosition, CursorUpdate, HeaderFlags, RequestHeader,
    ResourceCreate2d, ResourceCreate3d, ResourceCreateBlob, ResourceId, ScanoutId, SetScanoutBlob,
    Transfer3d,
};
use zerocopy::little_endian::{U32, U64};

/// A request, in bytes and in meaning.
pub(crate) struct Golden {
    /// The specification's name, without `VIRTIO_GPU_CMD_`.
    pub(crate) name: &'static str,
    /// The request in hexadecimal; white space does not count.
    pub(crate) bytes: &'static str,
    /// Size of the part before a trailing array.
    pub(crate) fixed: usize,
    /// What the header says.
    pub(crate) header: RequestHeader,
    /// What the rest says.
    pub(crate) command: Command<'static>,
}

/// Neither fence nor ring.
pub(crate) const NO_FLAGS: HeaderFlags = HeaderFlags::empty();

const fn header(kind: u32, flags: HeaderFlags, fence_id: u64, context: u32) -> RequestHeader {
    RequestHeader {
        kind,
        flags,
        fence_id,
        context: ContextId(context),
        ring_index: 0,
    }
}

/// The memory entries of every request that has some.
pub(crate) const ENTRIES: &[MemEntry] = &[
    MemEntry {
        addr: U64::new(0x1112_1314_1516_1718),
        length: U32::new(0x2122_2324),
        padding: U32::new(0),
    },
    MemEntry {
        addr: U64::new(0x3132_3334_3536_3738),
        length: U32::new(0x4142_4344),
        padding: U32::new(0),
    },
];

/// All 26, in the order of their numbers.
pub(crate) fn goldens() -> Vec<Golden> {
    let mut all = goldens_2d();
    all.extend(goldens_blob_and_capset());
    all.extend(goldens_3d());
    all.extend(goldens_cursor());
    all
}

fn goldens_2d() -> Vec<Golden> {
    vec![
        Golden {
            name: "GET_DISPLAY_INFO",
            bytes: "00010000 01000000 0807060504030201 00000000 00000000",
            fixed: 24,
            header: header(0x100, HeaderFlags::FENCE, 0x0102_0304_0506_0708, 0),
            command: Command::GetDisplayInfo,
        },
        Golden {
            name: "RESOURCE_CREATE_2D",
            bytes: "01010000 00000000 0000000000000000 00000000 00000000
                    04030201 02000000 00050000 20030000",
            fixed: 40,
            header: header(0x101, NO_FLAGS, 0, 0),
            command: Command::ResourceCreate2d(ResourceCreate2d {
                resource: ResourceId(0x0102_0304),
                format: 2,
                width: 1280,
                height: 800,
            }),
        },
        Golden {
            name: "RESOURCE_UNREF",
            bytes: "02010000 00000000 0000000000000000 00000000 00000000
                    07000000 00000000",
            fixed: 32,
            header: header(0x102, NO_FLAGS, 0, 0),
            command: Command::ResourceUnref {
                resource: ResourceId(7),
            },
        },
        Golden {
            name: "SET_SCANOUT",
            bytes: "03010000 00000000 0000000000000000 00000000 00000000
                    01000000 02000000 80020000 e0010000
                    05000000 06000000",
            fixed: 48,
            header: header(0x103, NO_FLAGS, 0, 0),
            command: Command::SetScanout {
                rect: rect(1, 2, 640, 480),
                scanout: ScanoutId(5),
                resource: Some(ResourceId(6)),
            },
        },
        Golden {
            name: "RESOURCE_FLUSH",
            bytes: "04010000 01000000 ffffffffffffffff 00000000 00000000
                    10000000 20000000 40000000 80000000
                    09000000 00000000",
            fixed: 48,
            header: header(0x104, HeaderFlags::FENCE, u64::MAX, 0),
            command: Command::ResourceFlush {
                rect: rect(16, 32, 64, 128),
                resource: ResourceId(9),
            },
        },
        Golden {
            name: "TRANSFER_TO_HOST_2D",
            bytes: "05010000 01000000 0000000000000000 00000000 00000000
                    11000000 22000000 33000000 44000000
                    8877665544332211 0a000000 00000000",
            fixed: 56,
            header: header(0x105, HeaderFlags::FENCE, 0, 0),
            command: Command::TransferToHost2d {
                rect: rect(0x11, 0x22, 0x33, 0x44),
                offset: 0x1122_3344_5566_7788,
                resource: ResourceId(10),
            },
        },
        Golden {
            name: "RESOURCE_ATTACH_BACKING",
            bytes: "06010000 00000000 0000000000000000 00000000 00000000
                    0b000000 02000000
                    1817161514131211 24232221 00000000
                    3837363534333231 44434241 00000000",
            fixed: 32,
            header: header(0x106, NO_FLAGS, 0, 0),
            command: Command::ResourceAttachBacking {
                resource: ResourceId(11),
                entries: ENTRIES,
            },
        },
        Golden {
            name: "RESOURCE_DETACH_BACKING",
            bytes: "07010000 01000000 0200000000000000 00000000 00000000
                    0c000000 00000000",
            fixed: 32,
            header: header(0x107, HeaderFlags::FENCE, 2, 0),
            command: Command::ResourceDetachBacking {
                resource: ResourceId(12),
            },
        },
    ]
}

fn goldens_blob_and_capset() -> Vec<Golden> {
    vec![
        Golden {
            name: "GET_CAPSET_INFO",
            bytes: "08010000 00000000 0000000000000000 00000000 00000000
                    03000000 00000000",
            fixed: 32,
            header: header(0x108, NO_FLAGS, 0, 0),
            command: Command::GetCapsetInfo { index: 3 },
        },
        Golden {
            name: "GET_CAPSET",
            bytes: "09010000 00000000 0000000000000000 00000000 00000000
                    04000000 05000000",
            fixed: 32,
            header: header(0x109, NO_FLAGS, 0, 0),
            command: Command::GetCapset { id: 4, version: 5 },
        },
        Golden {
            name: "GET_EDID",
            bytes: "0a010000 00000000 0000000000000000 00000000 00000000
                    0f000000 00000000",
            fixed: 32,
            header: header(0x10a, NO_FLAGS, 0, 0),
            command: Command::GetEdid {
                scanout: ScanoutId(15),
            },
        },
        Golden {
            name: "RESOURCE_ASSIGN_UUID",
            bytes: "0b010000 00000000 0000000000000000 00000000 00000000
                    0d000000 00000000",
            fixed: 32,
            header: header(0x10b, NO_FLAGS, 0, 0),
            command: Command::ResourceAssignUuid {
                resource: ResourceId(13),
            },
        },
        Golden {
            name: "RESOURCE_CREATE_BLOB",
            bytes: "0c010000 00000000 0000000000000000 15000000 00000000
                    0e000000 03000000 05000000 02000000
                    efcdab8967452301 0000010000000000
                    1817161514131211 24232221 00000000
                    3837363534333231 44434241 00000000",
            fixed: 56,
            header: header(0x10c, NO_FLAGS, 0, 21),
            command: Command::ResourceCreateBlob(ResourceCreateBlob {
                resource: ResourceId(14),
                memory: 3,
                flags: 5,
                blob_id: 0x0123_4567_89ab_cdef,
                size: 65_536,
                entries: ENTRIES,
            }),
        },
        Golden {
            name: "SET_SCANOUT_BLOB",
            bytes: "0d010000 00000000 0000000000000000 00000000 00000000
                    01000000 02000000 03000000 04000000
                    05000000 06000000 07000000 08000000 43000000 00000000
                    09000000 0a000000 0b000000 0c000000
                    0d000000 0e000000 0f000000 10000000",
            fixed: 96,
            header: header(0x10d, NO_FLAGS, 0, 0),
            command: Command::SetScanoutBlob(SetScanoutBlob {
                rect: rect(1, 2, 3, 4),
                scanout: ScanoutId(5),
                resource: Some(ResourceId(6)),
                width: 7,
                height: 8,
                format: 67,
                strides: [9, 10, 11, 12],
                offsets: [13, 14, 15, 16],
            }),
        },
    ]
}

fn goldens_3d() -> Vec<Golden> {
    let transfer = Transfer3d {
        region: Box3 {
            x: 1,
            y: 2,
            z: 3,
            width: 4,
            height: 5,
            depth: 6,
        },
        offset: 0x0708_090a_0b0c_0d0e,
        resource: ResourceId(15),
        level: 16,
        stride: 17,
        layer_stride: 18,
    };
    vec![
        Golden {
            name: "CTX_CREATE",
            bytes: "00020000 00000000 0000000000000000 01000000 00000000
                    05000000 02000000
                    676c78676500000000000000000000000000000000000000000000000000
                    0000 0000000000000000000000000000000000000000000000000000
                    000000000000",
            fixed: 96,
            header: header(0x200, NO_FLAGS, 0, 1),
            command: Command::CtxCreate {
                name: b"glxge",
                context_init: 2,
            },
        },
        Golden {
            name: "CTX_DESTROY",
            bytes: "01020000 00000000 0000000000000000 02000000 00000000",
            fixed: 24,
            header: header(0x201, NO_FLAGS, 0, 2),
            command: Command::CtxDestroy,
        },
        Golden {
            name: "CTX_ATTACH_RESOURCE",
            bytes: "02020000 00000000 0000000000000000 03000000 00000000
                    10000000 00000000",
            fixed: 32,
            header: header(0x202, NO_FLAGS, 0, 3),
            command: Command::CtxAttachResource {
                resource: ResourceId(16),
            },
        },
        Golden {
            name: "CTX_DETACH_RESOURCE",
            bytes: "03020000 00000000 0000000000000000 04000000 00000000
                    11000000 00000000",
            fixed: 32,
            header: header(0x203, NO_FLAGS, 0, 4),
            command: Command::CtxDetachResource {
                resource: ResourceId(17),
            },
        },
        Golden {
            name: "RESOURCE_CREATE_3D",
            bytes: "04020000 01000000 0300000000000000 00000000 00000000
                    12000000 02000000 01000000 0a000000
                    00040000 00030000 01000000 13000000
                    05000000 04000000 01000000 00000000",
            fixed: 72,
            header: header(0x204, HeaderFlags::FENCE, 3, 0),
            command: Command::ResourceCreate3d(ResourceCreate3d {
                resource: ResourceId(18),
                target: 2,
                format: 1,
                bind: 10,
                width: 1024,
                height: 768,
                depth: 1,
                array_size: 19,
                last_level: 5,
                samples: 4,
                flags: 1,
            }),
        },
        Golden {
            name: "TRANSFER_TO_HOST_3D",
            bytes: "05020000 00000000 0000000000000000 05000000 00000000
                    01000000 02000000 03000000 04000000 05000000 06000000
                    0e0d0c0b0a090807 0f000000 10000000 11000000 12000000",
            fixed: 72,
            header: header(0x205, NO_FLAGS, 0, 5),
            command: Command::TransferToHost3d(transfer),
        },
        Golden {
            name: "TRANSFER_FROM_HOST_3D",
            bytes: "06020000 00000000 0000000000000000 06000000 00000000
                    01000000 02000000 03000000 04000000 05000000 06000000
                    0e0d0c0b0a090807 0f000000 10000000 11000000 12000000",
            fixed: 72,
            header: header(0x206, NO_FLAGS, 0, 6),
            command: Command::TransferFromHost3d(transfer),
        },
        Golden {
            name: "SUBMIT_3D",
            bytes: "07020000 03000000 efbeadde00000000 07000000 3f000000
                    08000000 00000000 0102030405060708",
            fixed: 32,
            header: RequestHeader {
                kind: 0x207,
                flags: HeaderFlags::FENCE.union(HeaderFlags::INFO_RING_IDX),
                fence_id: 0xdead_beef,
                context: ContextId(7),
                ring_index: 63,
            },
            command: Command::Submit3d {
                commands: &[1, 2, 3, 4, 5, 6, 7, 8],
            },
        },
        Golden {
            name: "RESOURCE_MAP_BLOB",
            bytes: "08020000 00000000 0000000000000000 00000000 00000000
                    14000000 00000000 0010325476980000",
            fixed: 40,
            header: header(0x208, NO_FLAGS, 0, 0),
            command: Command::ResourceMapBlob {
                resource: ResourceId(20),
                offset: 0x0000_9876_5432_1000,
            },
        },
        Golden {
            name: "RESOURCE_UNMAP_BLOB",
            bytes: "09020000 00000000 0000000000000000 00000000 00000000
                    15000000 00000000",
            fixed: 32,
            header: header(0x209, NO_FLAGS, 0, 0),
            command: Command::ResourceUnmapBlob {
                resource: ResourceId(21),
            },
        },
    ]
}

fn goldens_cursor() -> Vec<Golden> {
    vec![
        Golden {
            name: "UPDATE_CURSOR",
            bytes: "00030000 00000000 0000000000000000 00000000 00000000
                    01000000 feffffff 03000000 00000000
                    16000000 04000000 05000000 00000000",
            fixed: 56,
            header: header(0x300, NO_FLAGS, 0, 0),
            command: Command::UpdateCursor(CursorUpdate {
                position: CursorPosition {
                    scanout: ScanoutId(1),
                    x: -2,
                    y: 3,
                },
                resource: Some(ResourceId(22)),
                hot_x: 4,
                hot_y: 5,
            }),
        },
        Golden {
            name: "MOVE_CURSOR",
            bytes: "01030000 00000000 0000000000000000 00000000 00000000
                    02000000 07000000 00000080 00000000
                    00000000 00000000 00000000 00000000",
            fixed: 56,
            header: header(0x301, NO_FLAGS, 0, 0),
            command: Command::MoveCursor {
                position: CursorPosition {
                    scanout: ScanoutId(2),
                    x: 7,
                    y: i32::MIN,
                },
            },
        },
    ]
}

fn rect(x: u32, y: u32, width: u32, height: u32) -> Rect {
    Rect {
        x,
        y,
        width,
        height,
    }
}
