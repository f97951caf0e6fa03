//! The structures and numbers of `protocol::wire` against those generated from
//! Linux's `include/uapi/linux/virtio_gpu.h`.
#![allow(clippy::arithmetic_side_effects)]

use std::mem::{offset_of, size_of};
use virtio_bindings::virtio_gpu as linux;
use virtio_gpu::protocol::wire;

/// Each field of ours must lie where Linux has it, and each structure must
/// have the size of Linux's: `Ours = theirs { our_field = their_field, … }`.
macro_rules! same_layout {
    ($($ours:ident = $theirs:ident { $($field:ident = $($their_field:ident).+),* $(,)? };)*) => {
        $(
            assert_eq!(size_of::<wire::$ours>(), size_of::<linux::$theirs>(), stringify!($ours));
            $(
                assert_eq!(
                    offset_of!(wire::$ours, $field),
                    offset_of!(linux::$theirs, $($their_field).+),
                    concat!(stringify!($ours), ".", stringify!($field))
                );
            )*
        )*
    };
}

macro_rules! same_number {
    ($($ours:ident = $theirs:ident;)*) => {
        $(
            assert_eq!(u64::from(wire::$ours), u64::from(linux::$theirs), stringify!($ours));
        )*
    };
}

#[test]
fn shared_parts_are_laid_out_as_in_linux() {
    same_layout! {
        Header = virtio_gpu_ctrl_hdr {
            kind = type_, flags = flags, fence_id = fence_id, ctx_id = ctx_id,
            ring_idx = ring_idx, padding = padding,
        };
        Rect = virtio_gpu_rect { x = x, y = y, width = width, height = height };
        Box3 = virtio_gpu_box { x = x, y = y, z = z, width = w, height = h, depth = d };
        MemEntry = virtio_gpu_mem_entry { addr = addr, length = length, padding = padding };
        CursorPosition = virtio_gpu_cursor_pos {
            scanout_id = scanout_id, x = x, y = y, padding = padding,
        };
    }
}

#[test]
fn requests_of_2d_are_laid_out_as_in_linux() {
    same_layout! {
        ResourceCreate2d = virtio_gpu_resource_create_2d {
            header = hdr, resource_id = resource_id, format = format, width = width,
            height = height,
        };
        ResourceRequest = virtio_gpu_resource_unref {
            header = hdr, resource_id = resource_id, padding = padding,
        };
        ResourceRequest = virtio_gpu_resource_detach_backing {
            header = hdr, resource_id = resource_id, padding = padding,
        };
        ResourceRequest = virtio_gpu_resource_assign_uuid {
            header = hdr, resource_id = resource_id, padding = padding,
        };
        SetScanout = virtio_gpu_set_scanout {
            header = hdr, rect = r, scanout_id = scanout_id, resource_id = resource_id,
        };
        ResourceFlush = virtio_gpu_resource_flush {
            header = hdr, rect = r, resource_id = resource_id, padding = padding,
        };
        TransferToHost2d = virtio_gpu_transfer_to_host_2d {
            header = hdr, rect = r, offset = offset, resource_id = resource_id,
            padding = padding,
        };
        ResourceAttachBacking = virtio_gpu_resource_attach_backing {
            header = hdr, resource_id = resource_id, nr_entries = nr_entries,
        };
        GetCapsetInfo = virtio_gpu_get_capset_info {
            header = hdr, capset_index = capset_index, padding = padding,
        };
        GetCapset = virtio_gpu_get_capset {
            header = hdr, capset_id = capset_id, capset_version = capset_version,
        };
        GetEdid = virtio_gpu_cmd_get_edid {
            header = hdr, scanout = scanout, padding = padding,
        };
        ResourceCreateBlob = virtio_gpu_resource_create_blob {
            header = hdr, resource_id = resource_id, blob_mem = blob_mem,
            blob_flags = blob_flags, nr_entries = nr_entries, blob_id = blob_id, size = size,
        };
        SetScanoutBlob = virtio_gpu_set_scanout_blob {
            header = hdr, rect = r, scanout_id = scanout_id, resource_id = resource_id,
            width = width, height = height, format = format, padding = padding,
            strides = strides, offsets = offsets,
        };
    }
}

#[test]
fn requests_of_3d_and_cursor_are_laid_out_as_in_linux() {
    same_layout! {
        CtxCreate = virtio_gpu_ctx_create {
            header = hdr, nlen = nlen, context_init = context_init, debug_name = debug_name,
        };
        Header = virtio_gpu_ctx_destroy {};
        ResourceRequest = virtio_gpu_ctx_resource {
            header = hdr, resource_id = resource_id, padding = padding,
        };
        ResourceCreate3d = virtio_gpu_resource_create_3d {
            header = hdr, resource_id = resource_id, target = target, format = format,
            bind = bind, width = width, height = height, depth = depth,
            array_size = array_size, last_level = last_level, nr_samples = nr_samples,
            flags = flags, padding = padding,
        };
        TransferHost3d = virtio_gpu_transfer_host_3d {
            header = hdr, region = box_, offset = offset, resource_id = resource_id,
            level = level, stride = stride, layer_stride = layer_stride,
        };
        Submit3d = virtio_gpu_cmd_submit { header = hdr, size = size, padding = padding };
        ResourceMapBlob = virtio_gpu_resource_map_blob {
            header = hdr, resource_id = resource_id, padding = padding, offset = offset,
        };
        ResourceRequest = virtio_gpu_resource_unmap_blob {
            header = hdr, resource_id = resource_id, padding = padding,
        };
        UpdateCursor = virtio_gpu_update_cursor {
            header = hdr, position = pos, resource_id = resource_id, hot_x = hot_x,
            hot_y = hot_y, padding = padding,
        };
    }
}

#[test]
fn responses_are_laid_out_as_in_linux() {
    same_layout! {
        DisplayOne = virtio_gpu_resp_display_info_virtio_gpu_display_one {
            rect = r, enabled = enabled, flags = flags,
        };
        DisplayInfo = virtio_gpu_resp_display_info { header = hdr, pmodes = pmodes };
        CapsetInfo = virtio_gpu_resp_capset_info {
            header = hdr, capset_id = capset_id, capset_max_version = capset_max_version,
            capset_max_size = capset_max_size, padding = padding,
        };
        Edid = virtio_gpu_resp_edid {
            header = hdr, size = size, padding = padding, edid = edid,
        };
        ResourceUuid = virtio_gpu_resp_resource_uuid { header = hdr, uuid = uuid };
        MapInfo = virtio_gpu_resp_map_info {
            header = hdr, map_info = map_info, padding = padding,
        };
    }
}

#[test]
fn the_configuration_space_is_that_of_linux_and_one_field_of_virtio_1_4() {
    assert_eq!(
        size_of::<wire::Config>(),
        size_of::<linux::virtio_gpu_config>() + 4
    );
    assert_eq!(offset_of!(wire::Config, blob_alignment), 16);
    assert_eq!(
        [
            offset_of!(wire::Config, events_read),
            offset_of!(wire::Config, events_clear),
            offset_of!(wire::Config, num_scanouts),
            offset_of!(wire::Config, num_capsets),
        ],
        [
            offset_of!(linux::virtio_gpu_config, events_read),
            offset_of!(linux::virtio_gpu_config, events_clear),
            offset_of!(linux::virtio_gpu_config, num_scanouts),
            offset_of!(linux::virtio_gpu_config, num_capsets),
        ]
    );
}

#[test]
fn commands_have_the_numbers_of_linux() {
    same_number! {
        CMD_GET_DISPLAY_INFO = virtio_gpu_ctrl_type_VIRTIO_GPU_CMD_GET_DISPLAY_INFO;
        CMD_RESOURCE_CREATE_2D = virtio_gpu_ctrl_type_VIRTIO_GPU_CMD_RESOURCE_CREATE_2D;
        CMD_RESOURCE_UNREF = virtio_gpu_ctrl_type_VIRTIO_GPU_CMD_RESOURCE_UNREF;
        CMD_SET_SCANOUT = virtio_gpu_ctrl_type_VIRTIO_GPU_CMD_SET_SCANOUT;
        CMD_RESOURCE_FLUSH = virtio_gpu_ctrl_type_VIRTIO_GPU_CMD_RESOURCE_FLUSH;
        CMD_TRANSFER_TO_HOST_2D = virtio_gpu_ctrl_type_VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D;
        CMD_RESOURCE_ATTACH_BACKING = virtio_gpu_ctrl_type_VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING;
        CMD_RESOURCE_DETACH_BACKING = virtio_gpu_ctrl_type_VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING;
        CMD_GET_CAPSET_INFO = virtio_gpu_ctrl_type_VIRTIO_GPU_CMD_GET_CAPSET_INFO;
        CMD_GET_CAPSET = virtio_gpu_ctrl_type_VIRTIO_GPU_CMD_GET_CAPSET;
        CMD_GET_EDID = virtio_gpu_ctrl_type_VIRTIO_GPU_CMD_GET_EDID;
        CMD_RESOURCE_ASSIGN_UUID = virtio_gpu_ctrl_type_VIRTIO_GPU_CMD_RESOURCE_ASSIGN_UUID;
        CMD_RESOURCE_CREATE_BLOB = virtio_gpu_ctrl_type_VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB;
        CMD_SET_SCANOUT_BLOB = virtio_gpu_ctrl_type_VIRTIO_GPU_CMD_SET_SCANOUT_BLOB;
        CMD_CTX_CREATE = virtio_gpu_ctrl_type_VIRTIO_GPU_CMD_CTX_CREATE;
        CMD_CTX_DESTROY = virtio_gpu_ctrl_type_VIRTIO_GPU_CMD_CTX_DESTROY;
        CMD_CTX_ATTACH_RESOURCE = virtio_gpu_ctrl_type_VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE;
        CMD_CTX_DETACH_RESOURCE = virtio_gpu_ctrl_type_VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE;
        CMD_RESOURCE_CREATE_3D = virtio_gpu_ctrl_type_VIRTIO_GPU_CMD_RESOURCE_CREATE_3D;
        CMD_TRANSFER_TO_HOST_3D = virtio_gpu_ctrl_type_VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D;
        CMD_TRANSFER_FROM_HOST_3D = virtio_gpu_ctrl_type_VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D;
        CMD_SUBMIT_3D = virtio_gpu_ctrl_type_VIRTIO_GPU_CMD_SUBMIT_3D;
        CMD_RESOURCE_MAP_BLOB = virtio_gpu_ctrl_type_VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB;
        CMD_RESOURCE_UNMAP_BLOB = virtio_gpu_ctrl_type_VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB;
        CMD_UPDATE_CURSOR = virtio_gpu_ctrl_type_VIRTIO_GPU_CMD_UPDATE_CURSOR;
        CMD_MOVE_CURSOR = virtio_gpu_ctrl_type_VIRTIO_GPU_CMD_MOVE_CURSOR;
    }
}

#[test]
fn responses_have_the_numbers_of_linux() {
    same_number! {
        RESP_OK_NODATA = virtio_gpu_ctrl_type_VIRTIO_GPU_RESP_OK_NODATA;
        RESP_OK_DISPLAY_INFO = virtio_gpu_ctrl_type_VIRTIO_GPU_RESP_OK_DISPLAY_INFO;
        RESP_OK_CAPSET_INFO = virtio_gpu_ctrl_type_VIRTIO_GPU_RESP_OK_CAPSET_INFO;
        RESP_OK_CAPSET = virtio_gpu_ctrl_type_VIRTIO_GPU_RESP_OK_CAPSET;
        RESP_OK_EDID = virtio_gpu_ctrl_type_VIRTIO_GPU_RESP_OK_EDID;
        RESP_OK_RESOURCE_UUID = virtio_gpu_ctrl_type_VIRTIO_GPU_RESP_OK_RESOURCE_UUID;
        RESP_OK_MAP_INFO = virtio_gpu_ctrl_type_VIRTIO_GPU_RESP_OK_MAP_INFO;
        RESP_ERR_UNSPEC = virtio_gpu_ctrl_type_VIRTIO_GPU_RESP_ERR_UNSPEC;
        RESP_ERR_OUT_OF_MEMORY = virtio_gpu_ctrl_type_VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
        RESP_ERR_INVALID_SCANOUT_ID = virtio_gpu_ctrl_type_VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID;
        RESP_ERR_INVALID_RESOURCE_ID = virtio_gpu_ctrl_type_VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
        RESP_ERR_INVALID_CONTEXT_ID = virtio_gpu_ctrl_type_VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID;
        RESP_ERR_INVALID_PARAMETER = virtio_gpu_ctrl_type_VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    }
}

#[test]
fn flags_ids_and_formats_have_the_numbers_of_linux() {
    same_number! {
        FLAG_FENCE = VIRTIO_GPU_FLAG_FENCE;
        FLAG_INFO_RING_IDX = VIRTIO_GPU_FLAG_INFO_RING_IDX;
        EVENT_DISPLAY = VIRTIO_GPU_EVENT_DISPLAY;
        CAPSET_VIRGL = VIRTIO_GPU_CAPSET_VIRGL;
        CAPSET_VIRGL2 = VIRTIO_GPU_CAPSET_VIRGL2;
        CAPSET_GFXSTREAM_VULKAN = VIRTIO_GPU_CAPSET_GFXSTREAM_VULKAN;
        CAPSET_VENUS = VIRTIO_GPU_CAPSET_VENUS;
        CAPSET_CROSS_DOMAIN = VIRTIO_GPU_CAPSET_CROSS_DOMAIN;
        CAPSET_DRM = VIRTIO_GPU_CAPSET_DRM;
        CONTEXT_INIT_CAPSET_ID_MASK = VIRTIO_GPU_CONTEXT_INIT_CAPSET_ID_MASK;
        BLOB_MEM_GUEST = VIRTIO_GPU_BLOB_MEM_GUEST;
        BLOB_MEM_HOST3D = VIRTIO_GPU_BLOB_MEM_HOST3D;
        BLOB_MEM_HOST3D_GUEST = VIRTIO_GPU_BLOB_MEM_HOST3D_GUEST;
        BLOB_FLAG_USE_MAPPABLE = VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE;
        BLOB_FLAG_USE_SHAREABLE = VIRTIO_GPU_BLOB_FLAG_USE_SHAREABLE;
        BLOB_FLAG_USE_CROSS_DEVICE = VIRTIO_GPU_BLOB_FLAG_USE_CROSS_DEVICE;
        MAP_CACHE_MASK = VIRTIO_GPU_MAP_CACHE_MASK;
        MAP_CACHE_NONE = VIRTIO_GPU_MAP_CACHE_NONE;
        MAP_CACHE_CACHED = VIRTIO_GPU_MAP_CACHE_CACHED;
        MAP_CACHE_UNCACHED = VIRTIO_GPU_MAP_CACHE_UNCACHED;
        MAP_CACHE_WC = VIRTIO_GPU_MAP_CACHE_WC;
        RESOURCE_FLAG_Y_0_TOP = VIRTIO_GPU_RESOURCE_FLAG_Y_0_TOP;
        SHM_ID_UNDEFINED = virtio_gpu_shm_id_VIRTIO_GPU_SHM_ID_UNDEFINED;
        SHM_ID_HOST_VISIBLE = virtio_gpu_shm_id_VIRTIO_GPU_SHM_ID_HOST_VISIBLE;
        FORMAT_B8G8R8A8 = virtio_gpu_formats_VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM;
        FORMAT_B8G8R8X8 = virtio_gpu_formats_VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM;
        FORMAT_A8R8G8B8 = virtio_gpu_formats_VIRTIO_GPU_FORMAT_A8R8G8B8_UNORM;
        FORMAT_X8R8G8B8 = virtio_gpu_formats_VIRTIO_GPU_FORMAT_X8R8G8B8_UNORM;
        FORMAT_R8G8B8A8 = virtio_gpu_formats_VIRTIO_GPU_FORMAT_R8G8B8A8_UNORM;
        FORMAT_X8B8G8R8 = virtio_gpu_formats_VIRTIO_GPU_FORMAT_X8B8G8R8_UNORM;
        FORMAT_A8B8G8R8 = virtio_gpu_formats_VIRTIO_GPU_FORMAT_A8B8G8R8_UNORM;
        FORMAT_R8G8B8X8 = virtio_gpu_formats_VIRTIO_GPU_FORMAT_R8G8B8X8_UNORM;
    }
    assert_eq!(
        u32::try_from(wire::MAX_SCANOUTS),
        Ok(linux::VIRTIO_GPU_MAX_SCANOUTS)
    );
    assert_eq!(
        wire::EDID_CAPACITY,
        size_of::<linux::virtio_gpu_resp_edid>() - 32
    );
    assert_eq!(
        wire::CONTEXT_NAME_CAPACITY,
        size_of::<linux::virtio_gpu_ctx_create>() - 32
    );
}

#[test]
fn feature_bits_are_those_of_linux() {
    use virtio_gpu::protocol::Features;

    let table = [
        (Features::VIRGL, linux::VIRTIO_GPU_F_VIRGL),
        (Features::EDID, linux::VIRTIO_GPU_F_EDID),
        (Features::RESOURCE_UUID, linux::VIRTIO_GPU_F_RESOURCE_UUID),
        (Features::RESOURCE_BLOB, linux::VIRTIO_GPU_F_RESOURCE_BLOB),
        (Features::CONTEXT_INIT, linux::VIRTIO_GPU_F_CONTEXT_INIT),
    ];
    for (feature, bit) in table {
        assert_eq!(feature.bits(), 1_u64 << bit);
    }
}
