//! Blobs on scanouts and as cursors, copied out of guest memory when they are flushed.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod support;

use std::time::Instant;

use gpu_display::{Event, PictureMemory, Presented};
use support::blobs::{SECOND, WHOLE, copying, framebuffer, new_blob, rig, rig_with};
use support::{IMAGE, OK, Record, Rect, gradient, rect};
use virtio_gpu::protocol::{
    Command, CursorPosition, CursorUpdate, ErrorCode, ResourceId, ScanoutId, SetScanoutBlob,
};
use virtio_gpu::{GuestBlobs, Limits, QueueIndex};

/// The pixels of `gradient` in a rectangle.
fn gradient_in(rect: Rect) -> Vec<u32> {
    let rows = rect.y..rect.y + rect.height;
    let row = |y| (rect.x..rect.x + rect.width).map(move |x| gradient(x, y));
    rows.flat_map(row).collect()
}

#[test]
fn a_flush_shows_what_is_in_the_guest_s_memory() {
    let mut rig = copying();
    assert_eq!(rig.create_blob(new_blob(1, 1024), &[(IMAGE, 1024)]), OK);
    rig.paint(IMAGE, 16, 16, gradient);
    assert_eq!(rig.set_scanout_blob(framebuffer(1, 16, 16)), OK);

    assert_eq!(rig.flush(1, WHOLE), OK);

    let last = rig.frames().pop().unwrap();
    assert_eq!(last, (vec![WHOLE], gradient_in(WHOLE)));
}

#[test]
fn of_a_shown_blob_only_what_is_flushed_is_read() {
    let mut rig = copying();
    rig.show_blob(1, IMAGE, 0x11_1111);
    rig.frames();
    rig.paint(IMAGE, 16, 16, |_, _| 0x22_2222);

    let damage = rect(3, 5, 4, 2);
    assert_eq!(rig.flush(1, damage), OK);

    let expected = (0..256).map(|place| match (place % 16, place / 16) {
        (3..7, 5..7) => 0x22_2222,
        _ => 0x11_1111,
    });
    assert_eq!(rig.frames(), [(vec![damage], expected.collect())]);
}

#[test]
fn rows_are_read_where_stride_offset_and_the_scanout_s_rectangle_say() {
    let mut rig = copying();
    // Rows of 16 pixels, 80 bytes apart, from byte 12 on, in pieces of guest memory.
    let backing = [(IMAGE, 100), (SECOND, 1000), (IMAGE + 100, 400)];
    assert_eq!(rig.create_blob(new_blob(1, 1300), &backing), OK);
    let mut bytes = vec![0xee; 1500];
    for y in 0..16 {
        for x in 0..16 {
            let at = 12 + (y * 80 + x * 4) as usize;
            bytes[at..at + 4].copy_from_slice(&gradient(x, y).to_le_bytes());
        }
    }
    rig.driver.write(IMAGE, &bytes[..100]);
    rig.driver.write(SECOND, &bytes[100..1100]);
    rig.driver.write(IMAGE + 100, &bytes[1100..]);
    let part = rect(2, 3, 10, 11);
    let request = SetScanoutBlob {
        rect: part,
        strides: [80, 0, 0, 0],
        offsets: [12, 0, 0, 0],
        ..framebuffer(1, 16, 16)
    };

    assert_eq!(rig.set_scanout_blob(request), OK);

    let shown = rect(0, 0, 10, 11);
    assert_eq!(rig.frames(), [(vec![shown], gradient_in(part))]);
    rig.driver.write(IMAGE, &[0; 100]);
    rig.driver.write(SECOND, &[0; 1000]);
    assert_eq!(rig.flush(1, rect(4, 4, 1, 1)), OK);
    let mut expected = gradient_in(part);
    expected[10 + 2] = 0;
    assert_eq!(rig.frames(), [(vec![rect(2, 1, 1, 1)], expected)]);
}

#[test]
fn a_flush_of_any_rectangle_is_clipped_to_the_scanouts() {
    let mut rig = copying();
    rig.show_blob(1, IMAGE, 0x11_1111);
    rig.frames();

    for outside in [rect(16, 0, 4, 4), rect(u32::MAX, 0, 2, 2), rect(0, 0, 0, 0)] {
        assert_eq!(rig.flush(1, outside), OK, "{outside:?}");
    }
    assert_eq!(rig.frames(), []);
    assert_eq!(rig.flush(1, rect(12, 12, u32::MAX, u32::MAX)), OK);

    let frames = rig.frames();
    assert_eq!(frames, [(vec![rect(12, 12, 4, 4)], vec![0x11_1111; 256])]);
}

#[test]
fn a_blob_that_is_not_shown_may_be_flushed() {
    let mut rig = copying();
    rig.blob(1, IMAGE, 0);

    assert_eq!(rig.flush(1, WHOLE), OK);
    assert_eq!(rig.flush(2, WHOLE), Err(ErrorCode::InvalidResourceId));
}

#[test]
fn each_blob_of_a_guest_that_flips_is_shown_whole() {
    let mut rig = copying();
    rig.show_blob(1, IMAGE, 0x11_1111);
    rig.blob(2, SECOND, 0x22_2222);
    rig.frames();

    for (id, colour) in [(2, 0x22_2222), (1, 0x11_1111), (2, 0x22_2222)] {
        assert_eq!(rig.set_scanout_blob(framebuffer(id, 16, 16)), OK);

        assert_eq!(rig.frames(), [(vec![WHOLE], vec![colour; 256])]);
    }
}

#[test]
fn the_memory_for_copies_does_not_grow_with_the_flips() {
    let mut rig = copying();
    rig.show_blob(1, IMAGE, 0x11_1111);
    rig.blob(2, SECOND, 0x22_2222);
    for round in 0..100 {
        assert_eq!(rig.set_scanout_blob(framebuffer(1 + round % 2, 16, 16)), OK);
        assert_eq!(rig.flush(1 + round % 2, WHOLE), OK);
    }

    let live = rig.device.display().buffers.iter();
    let mut live: Vec<_> = live.filter_map(std::sync::Weak::upgrade).collect();
    live.sort_by_key(std::sync::Arc::as_ptr);
    live.dedup_by_key(|buffer| std::sync::Arc::as_ptr(buffer));
    assert_eq!(live.len(), 1);
}

#[test]
fn a_blob_on_two_scanouts_is_two_pictures() {
    let mut rig = rig_with(2, Limits::default(), GuestBlobs::Copied);
    rig.show_blob(1, IMAGE, 0x11_1111);
    let half = SetScanoutBlob {
        scanout: ScanoutId(1),
        strides: [128, 0, 0, 0],
        ..framebuffer(1, 16, 8)
    };
    assert_eq!(rig.set_scanout_blob(half), OK);
    rig.frames();

    assert_eq!(rig.flush(1, rect(0, 4, 16, 12)), OK);

    let damages: Vec<_> = rig.frames().into_iter().map(|(damage, _)| damage).collect();
    assert_eq!(damages, [[rect(0, 4, 16, 12)], [rect(0, 4, 16, 4)]]);
}

#[test]
fn a_busy_display_is_shown_the_newest_picture_later() {
    let mut rig = copying();
    rig.show_blob(1, IMAGE, 0x11_1111);
    rig.frames();
    rig.device.display_mut().answer = Presented::Busy;
    for colour in [0x22_2222, 0x33_3333, 0x44_4444] {
        rig.paint(IMAGE, 16, 16, |_, _| colour);
        assert_eq!(rig.flush(1, rect(0, 0, 16, 1)), OK);
    }
    assert_eq!(rig.frames(), []);

    let surface = rig.device.display().only_surface();
    rig.device.display_mut().answer = Presented::Taken;
    rig.device
        .display_mut()
        .events
        .push_back(Event::Ready { surface });
    while rig.device.dispatch_display(Instant::now()).more {}

    let mut expected = vec![0x11_1111; 256];
    expected[..16].fill(0x44_4444);
    let (_, last) = rig.frames().pop().unwrap();
    assert_eq!(last, expected);
}

/// A device that copies 4 rows of a blob at a time.
fn in_steps() -> support::Rig {
    let mut limits = Limits::default();
    limits.present_step_bytes = 4 * 64;
    limits.turn_commands = 1;
    rig(limits, GuestBlobs::Copied)
}

#[test]
fn a_long_copy_goes_in_steps_and_its_flush_ends_with_it() {
    let mut rig = in_steps();
    rig.show_blob(1, IMAGE, 0x11_1111);
    rig.frames();
    rig.paint(IMAGE, 16, 16, gradient);
    let flush = Command::ResourceFlush {
        rect: WHOLE,
        resource: ResourceId(1),
    };
    rig.driver.send(&flush, Some(7));

    let mut turns = 1;
    while rig.kick(QueueIndex::Control).more
        && rig.driver.take_answers(QueueIndex::Control).is_empty()
    {
        assert_eq!(rig.frames(), [], "half a picture");
        turns += 1;
    }
    while rig.kick(QueueIndex::Control).more {}

    assert_eq!(turns, 4);
    let (_, last) = rig.frames().pop().unwrap();
    assert_eq!(last, gradient_in(WHOLE));
}

#[test]
fn a_flush_whose_copy_is_not_whole_is_answered_when_the_queue_stops() {
    let mut rig = in_steps();
    rig.show_blob(1, IMAGE, 0x11_1111);
    let flush = Command::ResourceFlush {
        rect: WHOLE,
        resource: ResourceId(1),
    };
    rig.driver.send(&flush, Some(7));
    assert!(rig.kick(QueueIndex::Control).more);
    assert_eq!(rig.driver.take_answers(QueueIndex::Control), []);

    let _ = rig.device.stop_queue(QueueIndex::Control);

    let answers = rig.driver.take_answers(QueueIndex::Control);
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].outcome(), OK);
}

#[test]
fn a_copy_that_loses_its_memory_or_its_blob_ends_its_flush() {
    for what in ["detach", "unref"] {
        let mut rig = in_steps();
        rig.show_blob(1, IMAGE, 0x11_1111);
        let flush = Command::ResourceFlush {
            rect: WHOLE,
            resource: ResourceId(1),
        };
        let sent = rig.driver.send(&flush, Some(7));
        assert!(rig.kick(QueueIndex::Control).more);
        let resource = ResourceId(1);
        let end = match what {
            "detach" => Command::ResourceDetachBacking { resource },
            _ => Command::ResourceUnref { resource },
        };
        rig.driver.send(&end, None);
        while rig.kick(QueueIndex::Control).more {}

        let answers = rig.driver.take_answers(QueueIndex::Control);
        assert_eq!(answers.len(), 2, "{what}");
        assert!(answers.iter().any(|answer| answer.sent == sent));
        assert!(answers.iter().all(|answer| answer.outcome() == OK));
    }
}

#[test]
fn what_was_detached_is_not_read_and_what_is_attached_is() {
    let mut rig = copying();
    rig.show_blob(1, IMAGE, 0x11_1111);
    rig.frames();

    assert_eq!(rig.detach(1), OK);
    rig.paint(IMAGE, 16, 16, |_, _| 0x22_2222);
    assert_eq!(rig.flush(1, WHOLE), OK);
    assert_eq!(rig.frames(), []);
    rig.paint(SECOND, 16, 16, |_, _| 0x33_3333);
    assert_eq!(rig.attach(1, &[(SECOND, 1024)]), OK);

    assert_eq!(rig.frames(), [(vec![WHOLE], vec![0x33_3333; 256])]);
}

#[test]
fn a_blob_without_memory_may_be_shown_and_is_seen_when_it_has_some() {
    let mut rig = copying();
    assert_eq!(rig.create_blob(new_blob(1, 1024), &[]), OK);
    assert_eq!(rig.set_scanout_blob(framebuffer(1, 16, 16)), OK);
    assert_eq!(rig.flush(1, WHOLE), OK);
    assert_eq!(rig.frames(), []);

    rig.paint(IMAGE, 16, 16, gradient);
    assert_eq!(rig.attach(1, &[(IMAGE, 1024)]), OK);

    assert_eq!(rig.frames(), [(vec![WHOLE], gradient_in(WHOLE))]);
}

#[test]
fn a_shown_blob_whose_memory_goes_comes_back_with_it() {
    let mut rig = copying();
    rig.show_blob(1, IMAGE, 0x11_1111);
    rig.frames();
    let (without, _) = rig
        .memory
        .remove_region(vm_memory::GuestAddress(IMAGE), 1 << 20)
        .unwrap();

    rig.device.set_memory(std::sync::Arc::new(without));
    assert_eq!(rig.flush(1, WHOLE), OK);
    assert_eq!(rig.frames(), []);
    rig.paint(IMAGE, 16, 16, |_, _| 0x22_2222);
    rig.device.set_memory(rig.memory.clone());
    while rig.kick(QueueIndex::Control).more {}

    assert_eq!(rig.frames(), [(vec![WHOLE], vec![0x22_2222; 256])]);
}

#[test]
fn a_scanout_goes_dark_with_its_blob() {
    let mut rig = copying();
    rig.show_blob(1, IMAGE, 0x11_1111);
    rig.records();

    assert_eq!(rig.unref(1), OK);

    assert!(matches!(rig.records()[..], [Record::Destroyed(_)]));
    assert_eq!(rig.flush(1, WHOLE), Err(ErrorCode::InvalidResourceId));
}

#[test]
fn copies_are_in_memory_files_for_a_display_that_reads_those() {
    for (memory, expected) in [(PictureMemory::Shared, true), (PictureMemory::Any, false)] {
        let mut rig = copying();
        rig.device.display_mut().memory = memory;
        rig.show_blob(1, IMAGE, 0x11_1111);

        let shown = rig.device.display().buffers.last().unwrap();
        let is_file = shown.upgrade().unwrap().shared_fd().is_some();
        assert_eq!(is_file, expected, "{memory:?}");
    }
}

#[test]
fn a_2d_picture_may_follow_a_blob_and_the_other_way_round() {
    let mut rig = copying();
    rig.show_blob(1, IMAGE, 0x11_1111);
    rig.image_at(SECOND, 2, 16, 16, |_, _| 0x22_2222);
    rig.frames();

    assert_eq!(rig.set_scanout(0, 2, WHOLE), OK);
    assert_eq!(rig.flush(2, WHOLE), OK);
    assert_eq!(rig.frames().pop().unwrap().1, [0x22_2222; 256]);
    assert_eq!(rig.set_scanout_blob(framebuffer(1, 16, 16)), OK);
    assert_eq!(rig.flush(1, WHOLE), OK);
    assert_eq!(rig.frames().pop().unwrap().1, [0x11_1111; 256]);
}

fn cursor(id: u32) -> Command<'static> {
    Command::UpdateCursor(CursorUpdate {
        position: CursorPosition {
            scanout: ScanoutId(0),
            x: 0,
            y: 0,
        },
        resource: ResourceId::or_none(id),
        hot_x: 0,
        hot_y: 0,
    })
}

#[test]
fn as_a_cursor_a_blob_is_64_pixels_square() {
    let mut rig = copying();
    rig.show_blob(1, IMAGE, 0x11_1111);
    rig.records();
    assert_eq!(
        rig.create_blob(new_blob(2, 16_383), &[(SECOND, 16_384)]),
        OK
    );
    assert_eq!(
        rig.create_blob(new_blob(3, 16_384), &[(SECOND, 16_384)]),
        OK
    );
    rig.paint(SECOND, 64, 64, |_, _| 0xff33_3333);

    assert_eq!(rig.call(cursor(2)), Err(ErrorCode::InvalidParameter));
    assert_eq!(rig.call(cursor(3)), OK);

    assert_eq!(
        rig.frames(),
        [(vec![rect(0, 0, 64, 64)], vec![0x33_3333; 4096])]
    );
    rig.paint(SECOND, 64, 64, |_, _| 0xff44_4444);
    assert_eq!(rig.flush(3, rect(0, 0, 1, 1)), OK);
    assert_eq!(
        rig.frames(),
        [(vec![rect(0, 0, 64, 64)], vec![0x44_4444; 4096])]
    );
    assert_eq!(rig.unref(3), OK);
    assert_eq!(rig.device.display().surfaces.len(), 1);
}
