//! How many bytes are copied for a frame, for each way that pixels go.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod support;

use std::sync::Arc;

use gpu_buffer::Buffer;
use gpu_display::PictureMemory;
use support::blobs::{SECOND, Sharer, WHOLE, copying, framebuffer, rig};
use support::recorder::DmaBufs;
use support::{IMAGE, OK, Rect, Rig, gradient, rect};
use virtio_gpu::{FrameStatistics, Frames, GuestBlobs, Limits};

/// A rectangle of 5x3 pixels, of 4 bytes each.
const DAMAGE: Rect = Rect::new(2, 4, 5, 3);
const DAMAGE_BYTES: u64 = 60;

fn statistics(rig: &Rig) -> FrameStatistics {
    rig.device.backend().frame_statistics()
}

/// What `frames` since `before` have cost.
fn since(before: Frames, now: Frames) -> (u64, u64) {
    (
        now.taken - before.taken,
        now.copied_bytes - before.copied_bytes,
    )
}

#[test]
fn a_2d_resource_costs_one_copy_of_what_changed() {
    for memory in [PictureMemory::Any, PictureMemory::Shared] {
        let mut rig = Rig::new();
        rig.device.display_mut().memory = memory;
        rig.image(1, 16, 16, gradient);
        assert_eq!(rig.set_scanout(0, 1, WHOLE), OK);
        assert_eq!(rig.flush(1, WHOLE), OK);
        let before = statistics(&rig).transferred;

        for _ in 0..3 {
            let offset = u64::from(DAMAGE.y * 64 + DAMAGE.x * 4);
            assert_eq!(rig.transfer(1, DAMAGE, offset), OK);
            assert_eq!(rig.flush(1, DAMAGE), OK);
        }

        let now = statistics(&rig).transferred;
        assert_eq!(since(before, now), (3, 3 * DAMAGE_BYTES), "{memory:?}");
    }
}

#[test]
fn a_whole_screen_from_the_guest_costs_its_own_bytes() {
    let mut rig = Rig::new();
    rig.image(1, 1920, 1080, gradient);
    let screen = Rect::from_size(1920, 1080);
    assert_eq!(rig.set_scanout(0, 1, screen), OK);
    let before = statistics(&rig).transferred;

    assert_eq!(rig.transfer(1, screen, 0), OK);
    assert_eq!(rig.flush(1, screen), OK);

    let now = statistics(&rig).transferred;
    assert_eq!(since(before, now), (1, 1920 * 1080 * 4));
}

#[test]
fn what_is_drawn_while_the_display_reads_is_counted_with_what_is_copied_besides() {
    let mut rig = Rig::new();
    rig.device.display_mut().memory = PictureMemory::Shared;
    rig.image(1, 16, 16, gradient);
    assert_eq!(rig.set_scanout(0, 1, WHOLE), OK);
    assert_eq!(rig.flush(1, WHOLE), OK);
    let kept: Arc<Buffer> = rig
        .device
        .display()
        .buffers
        .last()
        .unwrap()
        .upgrade()
        .unwrap();
    let before = statistics(&rig).transferred;

    assert_eq!(rig.transfer(1, rect(0, 0, 16, 1), 0), OK);

    // A new picture begins as a copy of the one that is shown: 1024 bytes.
    let now = statistics(&rig).transferred;
    assert_eq!(since(before, now), (0, 1024 + 64));
    drop(kept);
}

#[test]
fn a_blob_that_is_copied_costs_one_copy_of_what_changed() {
    let mut rig = copying();
    rig.show_blob(1, IMAGE, 0x11_1111);
    let before = statistics(&rig).blobs_copied;

    for _ in 0..3 {
        assert_eq!(rig.flush(1, DAMAGE), OK);
    }

    let now = statistics(&rig).blobs_copied;
    assert_eq!(since(before, now), (3, 3 * DAMAGE_BYTES));
    assert_eq!(statistics(&rig).transferred, Frames::default());
}

#[test]
fn a_blob_of_a_guest_that_flips_costs_one_copy_of_the_picture() {
    let mut rig = copying();
    rig.show_blob(1, IMAGE, 0x11_1111);
    rig.blob(2, SECOND, 0x22_2222);
    let before = statistics(&rig).blobs_copied;

    for round in 0..4 {
        assert_eq!(rig.set_scanout_blob(framebuffer(1 + round % 2, 16, 16)), OK);
    }

    // The first of them was shown already.
    assert_eq!(since(before, statistics(&rig).blobs_copied), (3, 3 * 1024));
}

#[test]
fn a_blob_that_is_shown_where_it_is_costs_nothing() {
    let sharer = GuestBlobs::Shared(Box::new(Sharer::default()));
    let mut rig = rig(Limits::default(), sharer);
    rig.device.display_mut().dma_bufs = DmaBufs::Taken;
    rig.show_blob(1, IMAGE, 0x11_1111);
    rig.blob(2, SECOND, 0x22_2222);
    for round in 0..10 {
        assert_eq!(rig.set_scanout_blob(framebuffer(1 + round % 2, 16, 16)), OK);
        assert_eq!(rig.flush(1 + round % 2, DAMAGE), OK);
    }

    let done = statistics(&rig);

    assert_eq!(done.blobs_shared.copied_bytes, 0);
    assert!(done.blobs_shared.taken >= 11, "{done:?}");
    assert_eq!(done.blobs_copied, Frames::default());
    assert_eq!(done.transferred, Frames::default());
}

#[test]
fn the_average_of_no_frame_is_nothing() {
    let frames = |taken, copied_bytes| Frames {
        taken,
        copied_bytes,
    };
    assert_eq!(frames(0, 0).bytes_per_frame(), 0);
    assert_eq!(frames(4, 10).bytes_per_frame(), 2);
}
