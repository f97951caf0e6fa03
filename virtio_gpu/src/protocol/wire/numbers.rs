//! Command and response types, flags, ids and limits (VIRTIO 1.4 §5.7).

/// Ask for the size and place of every scanout (§5.7.6.8).
pub const CMD_GET_DISPLAY_INFO: u32 = 0x0100;
/// Create a 2D image on the host (§5.7.6.8).
pub const CMD_RESOURCE_CREATE_2D: u32 = 0x0101;
/// Destroy a resource (§5.7.6.8).
pub const CMD_RESOURCE_UNREF: u32 = 0x0102;
/// Show part of a resource on a scanout (§5.7.6.8).
pub const CMD_SET_SCANOUT: u32 = 0x0103;
/// Bring a resource's new pixels to the screen (§5.7.6.8).
pub const CMD_RESOURCE_FLUSH: u32 = 0x0104;
/// Copy from guest memory into a 2D resource (§5.7.6.8).
pub const CMD_TRANSFER_TO_HOST_2D: u32 = 0x0105;
/// Put guest memory behind a resource (§5.7.6.8).
pub const CMD_RESOURCE_ATTACH_BACKING: u32 = 0x0106;
/// Take the guest memory away again (§5.7.6.8).
pub const CMD_RESOURCE_DETACH_BACKING: u32 = 0x0107;
/// Ask for one entry of the list of capability sets (§5.7.6.8).
pub const CMD_GET_CAPSET_INFO: u32 = 0x0108;
/// Ask for the bytes of a capability set (§5.7.6.8).
pub const CMD_GET_CAPSET: u32 = 0x0109;
/// Ask for the EDID of a scanout (§5.7.6.8).
pub const CMD_GET_EDID: u32 = 0x010a;
/// Give a resource a UUID to share it by (§5.7.6.8).
pub const CMD_RESOURCE_ASSIGN_UUID: u32 = 0x010b;
/// Create a resource that is plain memory (§5.7.6.8).
pub const CMD_RESOURCE_CREATE_BLOB: u32 = 0x010c;
/// Show part of a blob on a scanout (§5.7.6.8).
pub const CMD_SET_SCANOUT_BLOB: u32 = 0x010d;

/// Create a rendering context (§5.7.6.9).
pub const CMD_CTX_CREATE: u32 = 0x0200;
/// Destroy a rendering context (§5.7.6.9).
pub const CMD_CTX_DESTROY: u32 = 0x0201;
/// Let a context use a resource (§5.7.6.9).
pub const CMD_CTX_ATTACH_RESOURCE: u32 = 0x0202;
/// Take a resource away from a context (§5.7.6.9).
pub const CMD_CTX_DETACH_RESOURCE: u32 = 0x0203;
/// Create a texture or buffer of the renderer (§5.7.6.9).
pub const CMD_RESOURCE_CREATE_3D: u32 = 0x0204;
/// Copy from guest memory into a 3D resource (§5.7.6.9).
pub const CMD_TRANSFER_TO_HOST_3D: u32 = 0x0205;
/// Copy from a 3D resource into guest memory (§5.7.6.9).
pub const CMD_TRANSFER_FROM_HOST_3D: u32 = 0x0206;
/// Execute a command stream in a context (§5.7.6.9).
pub const CMD_SUBMIT_3D: u32 = 0x0207;
/// Map a blob into the host-visible window (§5.7.6.9).
pub const CMD_RESOURCE_MAP_BLOB: u32 = 0x0208;
/// Unmap a blob from the host-visible window (§5.7.6.9).
pub const CMD_RESOURCE_UNMAP_BLOB: u32 = 0x0209;

/// Change the cursor's image and place (§5.7.6.10).
pub const CMD_UPDATE_CURSOR: u32 = 0x0300;
/// Change the cursor's place only (§5.7.6.10).
pub const CMD_MOVE_CURSOR: u32 = 0x0301;

/// Success without data (§5.7.6.7).
pub const RESP_OK_NODATA: u32 = 0x1100;
/// Success with [`DisplayInfo`](super::DisplayInfo).
pub const RESP_OK_DISPLAY_INFO: u32 = 0x1101;
/// Success with [`CapsetInfo`](super::CapsetInfo).
pub const RESP_OK_CAPSET_INFO: u32 = 0x1102;
/// Success with the bytes of a capability set.
pub const RESP_OK_CAPSET: u32 = 0x1103;
/// Success with [`Edid`](super::Edid).
pub const RESP_OK_EDID: u32 = 0x1104;
/// Success with [`ResourceUuid`](super::ResourceUuid).
pub const RESP_OK_RESOURCE_UUID: u32 = 0x1105;
/// Success with [`MapInfo`](super::MapInfo).
pub const RESP_OK_MAP_INFO: u32 = 0x1106;
/// Failure of no particular kind (§5.7.6.7).
pub const RESP_ERR_UNSPEC: u32 = 0x1200;
/// Failure for want of memory.
pub const RESP_ERR_OUT_OF_MEMORY: u32 = 0x1201;
/// Failure: no such scanout.
pub const RESP_ERR_INVALID_SCANOUT_ID: u32 = 0x1202;
/// Failure: no such resource, or its id is taken.
pub const RESP_ERR_INVALID_RESOURCE_ID: u32 = 0x1203;
/// Failure: no such context, or its id is taken.
pub const RESP_ERR_INVALID_CONTEXT_ID: u32 = 0x1204;
/// Failure: a field is out of its range.
pub const RESP_ERR_INVALID_PARAMETER: u32 = 0x1205;

/// Header flag: answer only when the work is done, with this fence (§5.7.6.7).
pub const FLAG_FENCE: u32 = 1 << 0;
/// Header flag: the fence belongs to timeline `ring_idx` of the context.
pub const FLAG_INFO_RING_IDX: u32 = 1 << 1;
/// The highest `ring_idx` a driver may use (§5.7.6.7).
pub const MAX_RING_INDEX: u8 = 63;

/// Most scanouts a device can have (§5.7.4).
pub const MAX_SCANOUTS: usize = 16;
/// `events_read` bit: the displays changed, ask again (§5.7.4.2).
pub const EVENT_DISPLAY: u32 = 1 << 0;

/// The queue of commands (§5.7.2).
pub const CONTROL_QUEUE: u16 = 0;
/// The queue of cursor commands (§5.7.2).
pub const CURSOR_QUEUE: u16 = 1;

/// virgl, first version (§5.7.6.8).
pub const CAPSET_VIRGL: u32 = 1;
/// virgl, second version.
pub const CAPSET_VIRGL2: u32 = 2;
/// gfxstream's Vulkan protocol.
pub const CAPSET_GFXSTREAM_VULKAN: u32 = 3;
/// Venus, virglrenderer's Vulkan protocol.
pub const CAPSET_VENUS: u32 = 4;
/// The cross-domain protocol.
pub const CAPSET_CROSS_DOMAIN: u32 = 5;
/// DRM native contexts; in Linux's header, not in the specification.
pub const CAPSET_DRM: u32 = 6;

/// Bits of `context_init` that hold a capset id, 0 for the device's choice
/// (§5.7.6.9).
pub const CONTEXT_INIT_CAPSET_ID_MASK: u32 = 0xff;

/// Blob memory: the guest's pages (§5.7.6.8).
pub const BLOB_MEM_GUEST: u32 = 1;
/// Blob memory: an object of the renderer.
pub const BLOB_MEM_HOST3D: u32 = 2;
/// Blob memory: an object of the renderer with guest pages behind it.
pub const BLOB_MEM_HOST3D_GUEST: u32 = 3;

/// Blob use: the guest will map it (§5.7.6.8).
pub const BLOB_FLAG_USE_MAPPABLE: u32 = 1 << 0;
/// Blob use: shared between processes of the guest.
pub const BLOB_FLAG_USE_SHAREABLE: u32 = 1 << 1;
/// Blob use: shared with another virtio device.
pub const BLOB_FLAG_USE_CROSS_DEVICE: u32 = 1 << 2;

/// Bits of `map_info` that tell how the guest must cache (§5.7.6.9).
pub const MAP_CACHE_MASK: u32 = 0x0f;
/// No caching attribute given.
pub const MAP_CACHE_NONE: u32 = 0;
/// Map cached.
pub const MAP_CACHE_CACHED: u32 = 1;
/// Map uncached.
pub const MAP_CACHE_UNCACHED: u32 = 2;
/// Map write-combined.
pub const MAP_CACHE_WC: u32 = 3;

/// 3D resource flag: the first row is the top row (§5.7.6.9).
pub const RESOURCE_FLAG_Y_0_TOP: u32 = 1 << 0;

/// Shared memory region of no use (§5.7.5).
pub const SHM_ID_UNDEFINED: u8 = 0;
/// Shared memory region that blobs are mapped into (§5.7.5).
pub const SHM_ID_HOST_VISIBLE: u8 = 1;

/// Bytes in memory: blue, green, red, alpha (§5.7.6.8).
pub const FORMAT_B8G8R8A8: u32 = 1;
/// Bytes in memory: blue, green, red, unused.
pub const FORMAT_B8G8R8X8: u32 = 2;
/// Bytes in memory: alpha, red, green, blue.
pub const FORMAT_A8R8G8B8: u32 = 3;
/// Bytes in memory: unused, red, green, blue.
pub const FORMAT_X8R8G8B8: u32 = 4;
/// Bytes in memory: red, green, blue, alpha.
pub const FORMAT_R8G8B8A8: u32 = 67;
/// Bytes in memory: unused, blue, green, red.
pub const FORMAT_X8B8G8R8: u32 = 68;
/// Bytes in memory: alpha, blue, green, red.
pub const FORMAT_A8B8G8R8: u32 = 121;
/// Bytes in memory: red, green, blue, unused.
pub const FORMAT_R8G8B8X8: u32 = 134;

/// Bytes of EDID that fit a response (§5.7.6.8).
pub const EDID_CAPACITY: usize = 1024;
/// Bytes of a context's debug name (§5.7.6.9).
pub const CONTEXT_NAME_CAPACITY: usize = 64;
