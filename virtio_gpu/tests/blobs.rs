//! Guest blobs: their creation, their backing, and what a device without a window of host memory
//! refuses.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod support;

use gpu_renderer::RenderQueue;
use gpu_renderer::testing::Recording;
use support::blobs::{BLOBS, SECOND, copying, framebuffer, new_blob, rig};
use support::{IMAGE, OK, Recorder, Rect, Rig, rect};
use virtio_gpu::protocol::{
    Command, ErrorCode, ResourceCreateBlob, ResourceId, SetScanoutBlob, Success,
};
use virtio_gpu::{Device, DeviceError, GuestBlobs, Limits};

const UNSPEC: Result<Success, ErrorCode> = Err(ErrorCode::Unspec);
const OUT_OF_MEMORY: Result<Success, ErrorCode> = Err(ErrorCode::OutOfMemory);
const BAD_RESOURCE: Result<Success, ErrorCode> = Err(ErrorCode::InvalidResourceId);
const BAD_PARAMETER: Result<Success, ErrorCode> = Err(ErrorCode::InvalidParameter);
const BAD_SCANOUT: Result<Success, ErrorCode> = Err(ErrorCode::InvalidScanoutId);

#[test]
fn blobs_are_offered_where_the_embedding_program_says_so() {
    let plain = Device::builder(Recorder::new(1)).build().unwrap();
    let copied = Device::builder(Recorder::new(1)).guest_blobs(GuestBlobs::Copied);
    let copied = copied.build().unwrap();

    assert_eq!(plain.features() & BLOBS, 0);
    assert_eq!(copied.features() & BLOBS, BLOBS);
    // Neither blob alignment nor 3D comes with them.
    assert_eq!(copied.features() & (1 << 5 | 1 << 0), 0);
}

#[test]
fn a_device_that_renders_has_no_guest_blobs() {
    let (renderer, _) = Recording::new();
    let refused = Device::builder(Recorder::new(1))
        .renderer(RenderQueue::inline(Box::new(renderer)))
        .guest_blobs(GuestBlobs::Copied)
        .build();

    assert!(matches!(refused, Err(DeviceError::BlobsWithRenderer)));
}

#[test]
fn the_id_of_a_new_blob_is_neither_zero_nor_taken() {
    let mut rig = copying();
    let backing = [(IMAGE, 4096)];

    assert_eq!(rig.create_blob(new_blob(0, 4096), &backing), BAD_RESOURCE);
    assert_eq!(rig.create_blob(new_blob(1, 4096), &backing), OK);
    assert_eq!(rig.create_blob(new_blob(1, 4096), &backing), BAD_RESOURCE);
    assert_eq!(rig.create(1, 16, 16), BAD_RESOURCE);
    assert_eq!(rig.unref(1), OK);
    assert_eq!(rig.create(1, 16, 16), OK);
}

#[test]
fn only_blobs_of_guest_memory_are_made() {
    // 1 is guest memory; 2 and 3 are the renderer's, of which there is none.
    for (memory, expected) in [
        (0, BAD_PARAMETER),
        (1, OK),
        (2, BAD_PARAMETER),
        (3, BAD_PARAMETER),
        (4, BAD_PARAMETER),
        (u32::MAX, BAD_PARAMETER),
    ] {
        let create = ResourceCreateBlob {
            memory,
            ..new_blob(1, 4096)
        };
        let mut rig = copying();

        let done = rig.create_blob(create, &[(IMAGE, 4096)]);

        assert_eq!(done, expected, "{memory}");
    }
}

#[test]
fn a_blob_may_be_mappable_shareable_and_for_other_devices_and_no_more() {
    for (flags, expected) in [
        (0, OK),
        (1, OK),
        (7, OK),
        (8, BAD_PARAMETER),
        (0xffff_fff8, BAD_PARAMETER),
    ] {
        let create = ResourceCreateBlob {
            flags,
            ..new_blob(1, 4096)
        };
        let mut rig = copying();

        let done = rig.create_blob(create, &[(IMAGE, 4096)]);

        assert_eq!(done, expected, "{flags:#x}");
    }
}

#[test]
fn guest_memory_is_no_object_of_a_renderer() {
    let create = ResourceCreateBlob {
        blob_id: 1,
        ..new_blob(1, 4096)
    };
    assert_eq!(
        copying().create_blob(create, &[(IMAGE, 4096)]),
        BAD_PARAMETER
    );
}

#[test]
fn a_blob_has_at_least_one_byte_and_at_most_the_limit() {
    let limits = || {
        let mut limits = Limits::default();
        limits.blob_bytes = 8192;
        limits
    };
    for (size, expected) in [
        (0, BAD_PARAMETER),
        (1, OK),
        (8192, OK),
        (8193, OUT_OF_MEMORY),
        (1 << 63, OUT_OF_MEMORY),
        (u64::MAX, OUT_OF_MEMORY),
    ] {
        let mut rig = rig(limits(), GuestBlobs::Copied);

        let done = rig.create_blob(new_blob(1, size), &[(IMAGE, 16384)]);

        assert_eq!(done, expected, "{size}");
    }
}

#[test]
fn the_memory_behind_a_blob_is_as_long_as_the_blob_or_longer() {
    for (last, expected) in [(4095, UNSPEC), (4096, OK), (8192, OK)] {
        let mut rig = copying();
        let backing = [(SECOND, 4096), (IMAGE, last)];

        let created = rig.create_blob(new_blob(1, 8192), &backing);
        assert_eq!(rig.create_blob(new_blob(2, 8192), &[]), OK);
        let attached = rig.attach(2, &backing);

        let made = rig.device.backend().resources().len();
        assert_eq!(made, if expected == OK { 2 } else { 1 });
        assert_eq!(created, expected, "{last}");
        assert_eq!(attached, expected, "{last}");
    }
}

#[test]
fn memory_that_the_guest_does_not_have_makes_no_blob() {
    let mut rig = copying();
    for entry in [(1 << 40, 4096), (u64::MAX - 100, 4096)] {
        assert_eq!(rig.create_blob(new_blob(1, 4096), &[entry]), UNSPEC);
    }
    assert!(rig.device.backend().resources().is_empty());
    assert_eq!(rig.device.backend().resources().backing_entries(), 0);
}

#[test]
fn a_blob_has_as_many_entries_as_a_backing() {
    let mut rig = copying();
    let entries = |count: u64| -> Vec<_> { (0..count).map(|n| (IMAGE + n * 2, 1)).collect() };

    let too_many = rig.create_blob(new_blob(1, 16), &entries(16_385));
    let most = rig.create_blob(new_blob(1, 16_384), &entries(16_384));

    assert_eq!((too_many, most), (UNSPEC, OK));
    assert_eq!(rig.device.backend().resources().backing_entries(), 16_384);
}

#[test]
fn what_a_blob_costs_comes_back_with_it() {
    let mut limits = Limits::default();
    limits.total_backing_entries = 2;
    limits.resources = 2;
    let mut rig = rig(limits, GuestBlobs::Copied);
    let backing = [(IMAGE, 4096), (SECOND, 4096)];

    assert_eq!(rig.create_blob(new_blob(1, 8192), &backing), OK);
    assert_eq!(rig.device.backend().resources().host_bytes(), 0);
    assert_eq!(rig.create_blob(new_blob(2, 8192), &backing), OUT_OF_MEMORY);
    assert_eq!(rig.device.backend().resources().len(), 1);
    assert_eq!(rig.create_blob(new_blob(2, 8192), &[]), OK);
    assert_eq!(rig.create_blob(new_blob(3, 8192), &[]), OUT_OF_MEMORY);
    assert_eq!(rig.unref(1), OK);

    assert_eq!(rig.attach(2, &backing), OK);
}

#[test]
fn memory_may_be_attached_to_a_blob_later_and_once() {
    let mut rig = copying();
    assert_eq!(rig.create_blob(new_blob(1, 4096), &[]), OK);

    assert_eq!(rig.detach(1), UNSPEC);
    assert_eq!(rig.attach(1, &[]), UNSPEC);
    assert_eq!(rig.attach(1, &[(IMAGE, 4096)]), OK);
    assert_eq!(rig.attach(1, &[(SECOND, 4096)]), UNSPEC);
    assert_eq!(rig.detach(1), OK);
    assert_eq!(rig.attach(1, &[(SECOND, 4096)]), OK);
}

#[test]
fn a_transfer_to_a_blob_is_done_already() {
    let mut rig = copying();
    assert_eq!(rig.create_blob(new_blob(1, 4096), &[]), OK);
    assert_eq!(rig.transfer(1, rect(0, 0, 8, 8), 0), UNSPEC);
    assert_eq!(rig.attach(1, &[(IMAGE, 4096)]), OK);

    assert_eq!(rig.transfer(1, rect(0, 0, 8, 8), 0), OK);
    assert_eq!(
        rig.transfer(1, rect(5, 5, u32::MAX, u32::MAX), u64::MAX),
        OK
    );
}

#[test]
fn without_a_window_no_blob_is_mapped() {
    let mut rig = copying();
    let map = |id| Command::ResourceMapBlob {
        resource: ResourceId(id),
        offset: 0,
    };
    let unmap = |id| Command::ResourceUnmapBlob {
        resource: ResourceId(id),
    };
    assert_eq!(rig.create_blob(new_blob(1, 4096), &[(IMAGE, 4096)]), OK);

    assert_eq!(rig.call(map(1)), UNSPEC);
    assert_eq!(rig.call(unmap(1)), UNSPEC);
    assert_eq!(rig.call(map(2)), BAD_RESOURCE);
    assert_eq!(rig.call(unmap(2)), BAD_RESOURCE);
}

#[test]
fn a_blob_is_no_picture_and_a_picture_is_no_blob() {
    let mut rig = copying();
    assert_eq!(rig.create_blob(new_blob(1, 4096), &[(IMAGE, 4096)]), OK);
    rig.image(2, 16, 16, support::gradient);

    assert_eq!(rig.set_scanout(0, 1, rect(0, 0, 16, 16)), BAD_PARAMETER);
    assert_eq!(rig.set_scanout_blob(framebuffer(2, 16, 16)), BAD_PARAMETER);
    assert_eq!(rig.set_scanout_blob(framebuffer(3, 16, 16)), BAD_RESOURCE);
}

/// What becomes of SET_SCANOUT_BLOB with a blob of 4096 bytes: 16 rows of 64 pixels.
fn shown(change: impl Fn(&mut SetScanoutBlob)) -> Result<Success, ErrorCode> {
    let mut rig: Rig = copying();
    assert_eq!(rig.create_blob(new_blob(1, 4096), &[(IMAGE, 8192)]), OK);
    let mut request = framebuffer(1, 64, 16);
    change(&mut request);
    rig.set_scanout_blob(request)
}

#[test]
fn the_rows_of_a_framebuffer_do_not_overlap_and_are_in_the_blob() {
    let placed = |stride: u32, offset: u32| {
        shown(|request| {
            request.strides[0] = stride;
            request.offsets[0] = offset;
            (request.width, request.rect.width) = (32, 32);
        })
    };

    for stride in [0, 127, 1 << 31, u32::MAX] {
        assert_eq!(placed(stride, 0), BAD_PARAMETER, "{stride}");
    }
    // The last row needs 128 bytes behind 15 strides.
    for (stride, offset, expected) in [
        (128, 0, OK),
        (131, 1, OK),
        (256, 128, OK),
        (256, 129, BAD_PARAMETER),
        (264, 8, OK),
        (264, 9, BAD_PARAMETER),
        (265, 0, BAD_PARAMETER),
        (128, 4096, BAD_PARAMETER),
        (128, u32::MAX, BAD_PARAMETER),
    ] {
        assert_eq!(placed(stride, offset), expected, "{stride} {offset}");
    }
}

#[test]
fn a_framebuffer_has_one_of_the_eight_formats() {
    for format in [1, 2, 3, 4, 67, 68, 121, 134] {
        assert_eq!(shown(|request| request.format = format), OK, "{format}");
    }
    for format in [0, 5, 66, 69, 120, 133, 135, u32::MAX] {
        assert_eq!(shown(|request| request.format = format), BAD_PARAMETER);
    }
}

#[test]
fn a_framebuffer_has_a_size_and_the_scanout_is_inside_it() {
    for (width, height) in [(0, 16), (64, 0), (u32::MAX, 1), (16_385, 1), (1, 16_385)] {
        let done = shown(|request| {
            (request.width, request.height) = (width, height);
            request.rect = rect(0, 0, 1, 1);
            request.strides[0] = u32::MAX;
        });
        assert_eq!(done, BAD_PARAMETER, "{width}x{height}");
    }
    for (rect, expected) in [
        (rect(63, 15, 1, 1), OK),
        (rect(1, 0, 64, 16), BAD_PARAMETER),
        (rect(0, 1, 64, 16), BAD_PARAMETER),
        (rect(u32::MAX, 0, 2, 1), BAD_PARAMETER),
        (rect(0, 0, 0, 16), BAD_PARAMETER),
        (rect(0, 0, 64, 0), BAD_PARAMETER),
    ] {
        assert_eq!(shown(|request| request.rect = rect), expected, "{rect:?}");
    }
}

#[test]
fn what_planes_say_that_a_format_does_not_have_is_ignored() {
    let done = shown(|request| {
        request.strides = [256, u32::MAX, 1, 0];
        request.offsets = [0, u32::MAX, 3, 4];
    });
    assert_eq!(done, OK);
}

#[test]
fn scanouts_that_do_not_exist_show_no_blob() {
    for scanout in [1, 16, u32::MAX] {
        let done = shown(|request| request.scanout.0 = scanout);
        assert_eq!(done, BAD_SCANOUT, "{scanout}");
    }
}

#[test]
fn resource_zero_switches_off_whatever_else_is_said() {
    let done = shown(|request| {
        request.resource = None;
        request.format = 0;
        request.rect = Rect::from_size(u32::MAX, 0);
    });
    assert_eq!(done, OK);
}
