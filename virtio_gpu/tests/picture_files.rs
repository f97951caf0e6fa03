//! Where the pixels of shown resources are: in memory files if the display reads them there.
#![allow(clippy::arithmetic_side_effects, clippy::panic, clippy::unwrap_used)]

mod support;

use std::sync::Arc;

use gpu_buffer::Buffer;
use gpu_display::PictureMemory;
use support::{OK, Record, Rect, Rig, gradient};
use virtio_gpu::Limits;

const WHOLE: Rect = Rect::from_size(16, 16);

/// A device whose display reads memory files.
fn rig(limits: Limits) -> Rig {
    let mut rig = Rig::with(1, limits);
    rig.device.display_mut().memory = PictureMemory::Shared;
    rig
}

/// Shows a resource; the buffer that the display was given.
fn show(rig: &mut Rig, id: u32) -> Arc<Buffer> {
    assert_eq!(rig.set_scanout(0, id, WHOLE), OK);
    assert_eq!(rig.flush(id, WHOLE), OK);
    let shown = rig.device.display().buffers.last().unwrap();
    shown.upgrade().unwrap()
}

fn is_in_file(buffer: &Buffer) -> bool {
    buffer.shared_fd().is_some()
}

/// The pixels of the newest frame.
fn pixels(rig: &Rig) -> Vec<u32> {
    match rig.device.display().records.last() {
        Some(Record::Presented { pixels, .. }) => pixels.clone(),
        other => panic!("{other:?} is no frame"),
    }
}

#[test]
fn a_display_that_reads_files_is_given_them_and_another_is_not() {
    for (memory, expected) in [(PictureMemory::Shared, true), (PictureMemory::Any, false)] {
        let mut rig = rig(Limits::default());
        rig.device.display_mut().memory = memory;
        rig.image(1, 16, 16, gradient);

        let shown = show(&mut rig, 1);

        assert_eq!(is_in_file(&shown), expected, "{memory:?}");
    }
}

#[test]
fn a_picture_moves_once_and_with_what_was_drawn_before() {
    let mut rig = rig(Limits::default());
    rig.image(1, 16, 16, |x, y| (y << 8) | x);
    rig.image(2, 16, 16, gradient);

    let first = show(&mut rig, 1);
    let expected: Vec<u32> = (0..256)
        .map(|place| ((place / 16) << 8) | (place % 16))
        .collect();
    assert_eq!(pixels(&rig), expected);
    show(&mut rig, 2);
    let again = show(&mut rig, 1);

    assert!(Arc::ptr_eq(&first, &again));
}

#[test]
fn what_is_drawn_while_the_display_reads_is_in_another_file() {
    let mut rig = rig(Limits::default());
    rig.image(1, 16, 16, |_, _| 0x11_1111);
    let kept = show(&mut rig, 1);

    rig.paint(support::IMAGE, 16, 16, |_, _| 0x22_2222);
    assert_eq!(rig.transfer(1, WHOLE, 0), OK);
    assert_eq!(rig.flush(1, WHOLE), OK);

    let next = rig
        .device
        .display()
        .buffers
        .last()
        .unwrap()
        .upgrade()
        .unwrap();
    assert!(!Arc::ptr_eq(&kept, &next));
    assert!(is_in_file(&next));
    assert_eq!(pixels(&rig), [0x22_2222; 256]);
}

#[test]
fn a_guest_has_so_many_files_and_no_more() {
    let mut limits = Limits::default();
    limits.picture_files = 2;
    let mut rig = rig(limits);
    for id in 1..=4 {
        rig.image(id, 16, 16, gradient);
    }

    let in_files = [1, 2, 3].map(|id| is_in_file(&show(&mut rig, id)));
    assert_eq!(in_files, [true, true, false]);
    assert_eq!(rig.unref(1), OK);
    let after = [4, 3].map(|id| is_in_file(&show(&mut rig, id)));

    assert_eq!(after, [true, false]);
}

#[test]
fn a_picture_of_a_screen_s_size_begins_in_a_file() {
    let mut limits = Limits::default();
    limits.picture_files = 1;
    let mut rig = rig(limits);
    rig.device.display_mut().outputs[0].mode.width = 64;
    rig.device.display_mut().outputs[0].mode.height = 32;
    rig.image(1, 64, 32, gradient);
    rig.image(2, 16, 16, gradient);

    assert!(!is_in_file(&show(&mut rig, 2)), "the file is not taken");
    assert_eq!(rig.set_scanout(0, 1, Rect::from_size(64, 32)), OK);
    assert_eq!(rig.flush(1, Rect::from_size(64, 32)), OK);
    let shown = rig.device.display().buffers.last().unwrap().upgrade();
    assert!(is_in_file(&shown.unwrap()));
}

#[test]
fn files_go_with_their_resources() {
    let mut rig = rig(Limits::default());
    for id in 1..=3 {
        rig.image(id, 16, 16, gradient);
        show(&mut rig, id);
    }

    assert_eq!(rig.unref(1), OK);
    rig.device.reset();

    let left = rig.device.display().buffers.iter();
    assert_eq!(left.filter(|buffer| buffer.strong_count() > 0).count(), 0);
}
