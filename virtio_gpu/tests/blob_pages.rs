//! Blobs whose pages a display is shown where they are.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod support;

use std::sync::{Arc, Weak};

use gpu_display::{DmaBuf, Event, Presented};
use support::blobs::{SECOND, Sharer, WHOLE, framebuffer, memory_in_files, new_blob, rig_with};
use support::recorder::DmaBufs;
use support::{IMAGE, OK, Rig, rect};
use virtio_gpu::protocol::SetScanoutBlob;
use virtio_gpu::{GuestBlobs, Limits};

/// A device on a display that takes dma-bufs, and who makes them.
fn sharing(limits: Limits) -> (Rig, Sharer) {
    let sharer = Sharer::default();
    let mut rig = rig_with(1, limits, GuestBlobs::Shared(Box::new(sharer.clone())));
    rig.device.display_mut().dma_bufs = DmaBufs::Taken;
    (rig, sharer)
}

/// The dma-buf that the display was given last.
fn held(rig: &Rig) -> Arc<DmaBuf> {
    Arc::clone(rig.device.display().held.as_ref().unwrap())
}

/// The same without keeping it, neither here nor in the display.
fn let_go(rig: &mut Rig) -> Weak<DmaBuf> {
    let held = rig.device.display_mut().held.take().unwrap();
    Arc::downgrade(&held)
}

#[test]
fn the_guest_s_pages_are_shown_where_they_are() {
    let (mut rig, sharer) = sharing(Limits::default());
    rig.show_blob(1, IMAGE, 0x11_1111);
    rig.shared_frames();

    rig.paint(IMAGE, 16, 16, |_, _| 0x22_2222);
    let damage = rect(2, 3, 4, 5);
    assert_eq!(rig.flush(1, damage), OK);

    let frames = rig.shared_frames();
    assert_eq!(frames, [(vec![damage], vec![0x22_2222; 256])]);
    assert_eq!(sharer.asked(), 1);
}

#[test]
fn a_picture_somewhere_in_a_blob_is_shown_there() {
    let (mut rig, _) = sharing(Limits::default());
    assert_eq!(rig.create_blob(new_blob(1, 4096), &[(IMAGE, 4096)]), OK);
    rig.paint(IMAGE, 16, 64, |x, y| y << 8 | x);
    let request = SetScanoutBlob {
        rect: rect(1, 2, 2, 2),
        strides: [128, 0, 0, 0],
        offsets: [64 * 3, 0, 0, 0],
        ..framebuffer(1, 8, 8)
    };

    assert_eq!(rig.set_scanout_blob(request), OK);

    // From row 3 on every second row: row 2 of the picture is row 7 of the memory.
    let pixels = vec![0x701, 0x702, 0x901, 0x902];
    assert_eq!(rig.shared_frames(), [(vec![rect(0, 0, 2, 2)], pixels)]);
    let plane = &held(&rig).planes[0];
    assert_eq!((plane.offset, plane.stride), (192, 128));
}

#[test]
fn a_guest_that_flips_shows_the_same_dma_bufs_over_and_over() {
    let (mut rig, sharer) = sharing(Limits::default());
    rig.blob(1, IMAGE, 0x11_1111);
    rig.blob(2, SECOND, 0x22_2222);
    let mut shown = Vec::new();
    for id in [1, 2, 1, 2] {
        assert_eq!(rig.set_scanout_blob(framebuffer(id, 16, 16)), OK);
        shown.push(held(&rig));
    }

    assert!(Arc::ptr_eq(&shown[0], &shown[2]));
    assert!(Arc::ptr_eq(&shown[1], &shown[3]));
    assert_eq!(sharer.asked(), 2);
}

#[test]
fn another_geometry_is_another_picture_in_the_same_pages() {
    let (mut rig, sharer) = sharing(Limits::default());
    rig.show_blob(1, IMAGE, 0x11_1111);
    let before = held(&rig);

    assert_eq!(rig.set_scanout_blob(framebuffer(1, 16, 8)), OK);

    assert!(!Arc::ptr_eq(&before, &held(&rig)));
    assert_eq!(held(&rig).height, 8);
    assert_eq!(sharer.asked(), 1);
}

#[test]
fn a_display_that_takes_no_dma_bufs_is_shown_copies() {
    let (mut rig, _) = sharing(Limits::default());
    rig.device.display_mut().dma_bufs = DmaBufs::Refused;
    rig.show_blob(1, IMAGE, 0x11_1111);
    rig.frames();
    rig.paint(IMAGE, 16, 16, |_, _| 0x22_2222);

    assert_eq!(rig.flush(1, WHOLE), OK);

    assert_eq!(rig.frames(), [(vec![WHOLE], vec![0x22_2222; 256])]);
}

#[test]
fn a_display_that_refuses_is_asked_again_when_it_has_lost_its_picture() {
    let (mut rig, sharer) = sharing(Limits::default());
    rig.device.display_mut().dma_bufs = DmaBufs::Refused;
    rig.show_blob(1, IMAGE, 0x11_1111);
    rig.blob(2, SECOND, 0x22_2222);
    assert_eq!(rig.set_scanout_blob(framebuffer(2, 16, 16)), OK);
    assert_eq!(sharer.asked(), 1);
    rig.frames();

    rig.device.display_mut().dma_bufs = DmaBufs::Taken;
    let surface = rig.device.display().only_surface();
    let events = &mut rig.device.display_mut().events;
    events.push_back(Event::Redraw { surface });
    let _ = rig.device.dispatch_display(std::time::Instant::now());
    assert_eq!(rig.set_scanout_blob(framebuffer(1, 16, 16)), OK);

    assert_eq!(held(&rig).width, 16);
    // The pages are the same; there is no need for another dma-buf.
    assert_eq!(sharer.asked(), 1);
}

#[test]
fn pages_that_cannot_be_shared_are_copied_and_asked_for_once() {
    let (mut rig, sharer) = sharing(Limits::default());
    // Not at the start of the file.
    rig.show_blob(1, IMAGE + 4096, 0x11_1111);
    assert_eq!(rig.frames().last().unwrap().1, [0x11_1111; 256]);
    for _ in 0..3 {
        assert_eq!(rig.set_scanout_blob(framebuffer(0, 16, 16)), OK);
        assert_eq!(rig.set_scanout_blob(framebuffer(1, 16, 16)), OK);
    }

    assert_eq!(sharer.asked(), 1);
    assert_eq!(rig.frames().last().unwrap().1, [0x11_1111; 256]);
}

#[test]
fn so_many_blobs_have_dma_bufs_and_no_more() {
    let mut limits = Limits::default();
    limits.shared_resources = 1;
    let (mut rig, sharer) = sharing(limits);
    rig.show_blob(1, IMAGE, 0x11_1111);
    rig.shared_frames();

    rig.show_blob(2, SECOND, 0x22_2222);
    assert_eq!(rig.frames().last().unwrap().1, [0x22_2222; 256]);
    assert_eq!(rig.unref(1), OK);
    assert_eq!(rig.set_scanout_blob(framebuffer(0, 16, 16)), OK);
    assert_eq!(rig.set_scanout_blob(framebuffer(2, 16, 16)), OK);

    assert_eq!(sharer.asked(), 2);
    assert_eq!(rig.device.backend().resources().shared(), 1);
}

#[test]
fn pages_that_were_detached_are_shown_to_nobody_any_more() {
    let (mut rig, sharer) = sharing(Limits::default());
    rig.show_blob(1, IMAGE, 0x11_1111);
    rig.shared_frames();
    let pages = let_go(&mut rig);

    assert_eq!(rig.detach(1), OK);
    // What was shown is still to be seen, as a copy.
    assert_eq!(rig.frames(), [(vec![WHOLE], vec![0x11_1111; 256])]);
    assert_eq!(pages.strong_count(), 0);

    rig.paint(SECOND, 16, 16, |_, _| 0x22_2222);
    assert_eq!(rig.attach(1, &[(SECOND, 1024)]), OK);
    assert_eq!(rig.shared_frames(), [(vec![WHOLE], vec![0x22_2222; 256])]);
    assert_eq!(sharer.asked(), 2);
}

#[test]
fn a_display_keeps_pages_beyond_the_life_of_the_blob_and_nobody_else_does() {
    for what in ["unref", "reset"] {
        let (mut rig, _) = sharing(Limits::default());
        rig.show_blob(1, IMAGE, 0x11_1111);
        let kept = held(&rig);

        match what {
            "unref" => assert_eq!(rig.unref(1), OK),
            _ => rig.device.reset(),
        }

        // Here and in the display.
        assert_eq!(Arc::strong_count(&kept), 2, "{what}");
        assert!(rig.device.display().surfaces.is_empty(), "{what}");
    }
}

#[test]
fn another_map_of_the_memory_means_other_pages() {
    let (mut rig, sharer) = sharing(Limits::default());
    rig.show_blob(1, IMAGE, 0x11_1111);
    rig.shared_frames();
    let before = let_go(&mut rig);

    // The same map again changes nothing.
    rig.device.set_memory(rig.memory.clone());
    assert_eq!(sharer.asked(), 1);
    let other = memory_in_files();
    rig.device.set_memory(other);
    let _ = rig.device.dispatch_display(std::time::Instant::now());

    assert_eq!(sharer.asked(), 2);
    assert_eq!(before.strong_count(), 0);
    assert_eq!(rig.shared_frames(), [(vec![WHOLE], vec![0; 256])]);
}

#[test]
fn a_busy_display_is_shown_the_pages_later() {
    let (mut rig, _) = sharing(Limits::default());
    rig.show_blob(1, IMAGE, 0x11_1111);
    rig.shared_frames();
    rig.device.display_mut().answer = Presented::Busy;
    assert_eq!(rig.flush(1, rect(0, 0, 4, 4)), OK);
    assert_eq!(rig.flush(1, rect(8, 8, 4, 4)), OK);
    assert_eq!(rig.shared_frames(), []);

    rig.device.display_mut().answer = Presented::Taken;
    let surface = rig.device.display().only_surface();
    let events = &mut rig.device.display_mut().events;
    events.push_back(Event::Ready { surface });
    let _ = rig.device.dispatch_display(std::time::Instant::now());

    let frames = rig.shared_frames();
    assert_eq!(frames[0].0, [rect(0, 0, 4, 4), rect(8, 8, 4, 4)]);
}

#[test]
fn memory_that_is_in_no_file_is_copied() {
    let sharer = Sharer::default();
    let device = virtio_gpu::Device::builder(support::Recorder::new(1))
        .guest_blobs(GuestBlobs::Shared(Box::new(sharer.clone())))
        .build()
        .unwrap();
    let memory = virtio_gpu::testing::guest_memory(support::MEMORY);
    let features = support::FEATURES | support::blobs::BLOBS;
    let mut rig = Rig::around(device, memory, features);

    rig.show_blob(1, IMAGE, 0x11_1111);

    assert_eq!(rig.frames().last().unwrap().1, [0x11_1111; 256]);
    assert_eq!(sharer.asked(), 0);
}

#[test]
fn a_picture_whose_last_row_is_cut_off_is_copied() {
    let (mut rig, sharer) = sharing(Limits::default());
    // Three rows of 1024 bytes and 64 bytes of a fourth; a fourth whole row would end at 4096.
    assert_eq!(rig.create_blob(new_blob(1, 3200), &[(IMAGE, 3200)]), OK);
    let request = SetScanoutBlob {
        strides: [1024, 0, 0, 0],
        ..framebuffer(1, 16, 4)
    };

    assert_eq!(rig.set_scanout_blob(request), OK);

    assert_eq!(sharer.asked(), 0);
    assert_eq!(rig.frames().len(), 1);
}

#[test]
fn memory_that_cannot_be_shared_says_nothing_of_the_memory_after_it() {
    let (mut rig, sharer) = sharing(Limits::default());
    rig.blob(1, IMAGE + 4096, 0x11_1111);
    assert_eq!(rig.set_scanout_blob(framebuffer(1, 16, 16)), OK);
    assert_eq!((sharer.asked(), rig.frames().len()), (1, 1));

    assert_eq!(rig.detach(1), OK);
    assert_eq!(rig.attach(1, &[(IMAGE, 1024)]), OK);

    assert_eq!(sharer.asked(), 2);
    assert_eq!(rig.shared_frames().len(), 1);
}
