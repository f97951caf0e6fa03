//! Blobs against a naive model: whatever the layout, the pieces of memory and the damage, each pixel
//! is what the guest's memory held when it was last flushed, and no other was touched.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod support;

use proptest::prelude::*;
use support::blobs::{framebuffer, new_blob, rig};
use support::{IMAGE, OK, Record, Rect, Rig};
use virtio_gpu::protocol::SetScanoutBlob;
use virtio_gpu::{GuestBlobs, Limits};

/// Bytes of a blob: room for every picture below.
const SIZE: u32 = 4096;
const SIDE: u32 = 16;

/// Where a picture is in the blob, and which part of it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    stride: u32,
    offset: u32,
    part: Rect,
}

#[derive(Debug, Clone)]
enum Step {
    /// The guest writes to its memory.
    Paint(u32, u8),
    Flush(Rect),
    Show(Place),
}

fn rect() -> impl Strategy<Value = Rect> {
    (0..20_u32, 0..20_u32, 0..20_u32, 0..20_u32).prop_map(|(x, y, w, h)| Rect::new(x, y, w, h))
}

/// A part of a picture of 16x16.
fn part() -> impl Strategy<Value = Rect> {
    (0..SIDE, 0..SIDE).prop_flat_map(|(x, y)| {
        (1..=SIDE - x, 1..=SIDE - y).prop_map(move |(w, h)| Rect::new(x, y, w, h))
    })
}

/// Rows of 64 bytes with gaps, so that the last ends at byte 4095 at most.
fn place() -> impl Strategy<Value = Place> {
    (64..200_u32, 0..900_u32, part()).prop_map(|(stride, offset, part)| Place {
        stride,
        offset,
        part,
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..SIZE - 256, any::<u8>()).prop_map(|(at, byte)| Step::Paint(at, byte)),
        3 => rect().prop_map(Step::Flush),
        1 => place().prop_map(Step::Show),
    ]
}

/// The blob's memory in pieces of these lengths, from the highest address down.
fn pieces(lengths: &[u32]) -> Vec<(u64, u32)> {
    let mut left = SIZE;
    let mut pieces = Vec::new();
    for length in lengths.iter().cycle() {
        let length = left.min(*length);
        left -= length;
        pieces.push((IMAGE + u64::from(left), length));
        if left == 0 {
            return pieces;
        }
    }
    unreachable!("lengths are positive");
}

/// What is right.
struct Model {
    /// The blob's bytes.
    memory: Vec<u8>,
    place: Place,
    /// XRGB words of the part that is shown.
    shown: Vec<u32>,
}

impl Model {
    /// The pixel at a place of the framebuffer.
    fn pixel(&self, x: u32, y: u32) -> u32 {
        let at = (self.place.offset + y * self.place.stride + x * 4) as usize;
        let byte = |index: usize| u32::from(self.memory[at + index]);
        byte(2) << 16 | byte(1) << 8 | byte(0)
    }

    fn flush(&mut self, rect: &Rect) {
        let part = self.place.part;
        for y in 0..part.height {
            for x in 0..part.width {
                let (there_x, there_y) = (part.x + x, part.y + y);
                let columns = rect.x..rect.x + rect.width;
                let rows = rect.y..rect.y + rect.height;
                if columns.contains(&there_x) && rows.contains(&there_y) {
                    self.shown[(y * part.width + x) as usize] = self.pixel(there_x, there_y);
                }
            }
        }
    }

    fn show(&mut self, place: Place) {
        if place != self.place {
            self.shown = vec![0; place.part.area() as usize];
            self.place = place;
            self.flush(&Rect::from_size(SIDE, SIDE));
        }
    }
}

/// The guest writes the blob's bytes to where they are in its memory.
fn write(rig: &Rig, pieces: &[(u64, u32)], memory: &[u8]) {
    let mut rest = memory;
    for (address, length) in pieces {
        let (now, later) = rest.split_at(*length as usize);
        rig.driver.write(*address, now);
        rest = later;
    }
}

fn request(place: &Place) -> SetScanoutBlob {
    SetScanoutBlob {
        rect: place.part,
        strides: [place.stride, 0, 0, 0],
        offsets: [place.offset, 0, 0, 0],
        ..framebuffer(1, SIDE, SIDE)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn each_pixel_is_what_was_in_memory_when_it_was_flushed(
        lengths in proptest::collection::vec(1..700_u32, 1..6),
        first in place(),
        steps in proptest::collection::vec(step(), 1..25),
        rows_at_a_time in prop_oneof![Just(1_u64 << 20), 1..300_u64],
    ) {
        let mut limits = Limits::default();
        limits.present_step_bytes = rows_at_a_time;
        let mut rig = rig(limits, GuestBlobs::Copied);
        let pieces = pieces(&lengths);
        prop_assert_eq!(rig.create_blob(new_blob(1, SIZE.into()), &pieces), OK);
        let memory: Vec<u8> = (0..SIZE).map(|at| (at % 251) as u8).collect();
        write(&rig, &pieces, &memory);
        let nowhere = Place { stride: 0, offset: 0, part: Rect::default() };
        let mut model = Model { memory, place: nowhere, shown: Vec::new() };
        prop_assert_eq!(rig.set_scanout_blob(request(&first)), OK);
        model.show(first);

        for step in steps {
            match &step {
                Step::Paint(at, byte) => {
                    let at = *at as usize;
                    for (place, target) in (0_u8..=255).zip(&mut model.memory[at..at + 256]) {
                        *target = byte.wrapping_add(place);
                    }
                    write(&rig, &pieces, &model.memory);
                }
                Step::Flush(rect) => {
                    prop_assert_eq!(rig.flush(1, *rect), OK);
                    model.flush(rect);
                }
                Step::Show(place) => {
                    prop_assert_eq!(rig.set_scanout_blob(request(place)), OK);
                    model.show(place.clone());
                }
            }
            let mut records = rig.device.display().records.iter().rev();
            let last = records.find_map(|record| match record {
                Record::Presented { pixels, .. } => Some(pixels),
                _ => None,
            });
            prop_assert_eq!(last, Some(&model.shown), "after {:?}", step);
        }
    }
}
