//! Pixels that are copied into the compositor's buffers.

use gpu_buffer::{DrmFourcc, Layout, Rect};
use gpu_display::{Display, DisplayError, Frame, PixelSource, Presented};
use proptest::prelude::*;
use vm_memory::VolatileSlice;

use crate::common::{BLUE, GREEN, RED, Source};
use crate::compositor::{Offer, Releases};
use crate::desk::Desk;

#[test]
fn a_picture_is_opaque_and_has_its_colours() {
    let mut desk = Desk::new(Offer::default());
    let surface = desk.surface(0, 3, 2);
    let pixel = |x: u32, y: u32| [x as u8, 0x40 + y as u8, 0x99, x as u8];

    desk.show_all(surface, &mut Source::new(3, 2, pixel));

    desk.compositor().world.screen().assert((3, 2), |x, y| {
        let [red, green, blue, _] = pixel(x, y);
        [red, green, blue, 255]
    });
}

#[test]
fn a_format_that_the_compositor_knows_is_not_converted() {
    let xb24 = DrmFourcc::Xbgr8888 as u32;
    let mut desk = Desk::new(Offer {
        formats: vec![xb24],
        ..Offer::default()
    });
    let surface = desk.surface(0, 3, 2);

    desk.show_all(surface, &mut Source::plain(3, 2, GREEN));

    desk.compositor()
        .world
        .screen()
        .assert((3, 2), |_, _| GREEN);
}

#[test]
fn damage_is_told_in_the_pixels_of_the_buffer() {
    let mut desk = Desk::new(Offer {
        fractional: Some(1),
        ..Offer::default()
    });
    let surface = desk.surface(0, 8, 8);
    desk.compositor().world.set_scale(240);
    desk.settle();
    let mut source = Source::plain(8, 8, RED);
    desk.show_all(surface, &mut source);

    source.bytes[..].fill(0xff);
    desk.show(
        surface,
        &mut source,
        &[Rect::new(2, 3, 1, 2), Rect::new(5, 6, 3, 1)],
    );

    let surface = desk.compositor().world.surface();
    let damage = surface.damages.last().unwrap();
    assert_eq!(damage, &[(2, 3, 1, 2), (5, 6, 3, 1)]);
    assert_eq!(surface.size(), (4, 4));
    surface.screen.as_ref().unwrap().assert((8, 8), |x, y| {
        let second = (5..8).contains(&x) && y == 6;
        match second || (x == 2 && (3..5).contains(&y)) {
            true => [255; 4],
            false => RED,
        }
    });
}

#[test]
fn only_what_changed_is_copied_once_every_buffer_has_been_filled() {
    let mut desk = Desk::new(Offer::default());
    let surface = desk.surface(0, 64, 64);
    let mut source = Source::plain(64, 64, RED);
    for _ in 0..2 {
        desk.show_all(surface, &mut source);
    }
    desk.show(surface, &mut source, &[Rect::new(32, 0, 4, 4)]);
    let before = desk.display.statistics();

    desk.show(surface, &mut source, &[Rect::new(0, 0, 4, 4)]);
    desk.show(surface, &mut source, &[Rect::new(8, 8, 4, 4)]);
    desk.show(surface, &mut source, &[Rect::new(16, 8, 4, 4)]);

    // Two buffers take turns, so each frame brings in that of the frame before as well.
    let after = desk.display.statistics();
    assert_eq!(after.copied_bytes - before.copied_bytes, 6 * 4 * 4 * 4);
    assert_eq!(after.frames - before.frames, 3);
}

#[test]
fn the_part_of_a_picture_that_is_shown_is_what_the_crop_says() {
    let mut desk = Desk::new(Offer::default());
    let surface = desk.surface(0, 2, 2);
    let mut source = Source::new(4, 4, |x, y| [x as u8, y as u8, 0, 255]);

    let crop = Rect::new(1, 2, 2, 2);
    let damage = [Rect::new(0, 0, 2, 2)];
    let presented = source.present(&mut desk.display, surface, crop, &damage);
    desk.settle();

    assert_eq!(presented.unwrap(), Presented::Taken);
    let pixel = |x: u32, y: u32| [x as u8 + 1, y as u8 + 2, 0, 255];
    desk.compositor().world.screen().assert((2, 2), pixel);
}

#[test]
fn a_frame_that_breaks_its_promises_is_refused() {
    let mut desk = Desk::new(Offer::default());
    let surface = desk.surface(0, 4, 4);
    let mut source = Source::plain(4, 4, RED);
    let whole = source.layout.bounds();

    let small = source.present(&mut desk.display, surface, Rect::new(0, 0, 2, 2), &[]);
    let outside = [Rect::new(3, 3, 2, 2)];
    let outside = source.present(&mut desk.display, surface, whole, &outside);
    let frame = Frame {
        pixels: PixelSource::Memory(VolatileSlice::from(&mut source.bytes[..60])),
        layout: source.layout,
        crop: whole,
        damage: &[whole],
    };
    let short = desk.display.present(surface, &frame);

    assert!(matches!(small, Err(DisplayError::FrameSize { .. })));
    assert!(matches!(outside, Err(DisplayError::Damage { .. })));
    assert!(matches!(short, Err(DisplayError::Pixels(_))));
}

#[test]
fn a_row_may_be_longer_than_its_pixels() {
    let mut desk = Desk::new(Offer::default());
    let surface = desk.surface(0, 2, 2);
    let layout = Layout::with_stride(2, 2, 12, DrmFourcc::Xrgb8888).unwrap();
    let mut bytes = [
        255, 0, 0, 9, 255, 0, 0, 9, 1, 1, 1, 1, //
        255, 0, 0, 9, 255, 0, 0, 9, 1, 1, 1, 1,
    ];

    let frame = Frame {
        pixels: PixelSource::Memory(VolatileSlice::from(&mut bytes[..])),
        layout,
        crop: layout.bounds(),
        damage: &[layout.bounds()],
    };
    desk.display.present(surface, &frame).unwrap();
    desk.settle();

    desk.compositor().world.screen().assert((2, 2), |_, _| BLUE);
}

/// What happens to a picture.
#[derive(Clone, Debug)]
enum Step {
    /// A rectangle gets a colour, and is shown.
    Draw(Rect, u8),
    /// The compositor changes its habits.
    Release(Releases),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let rect = (0..15_u32, 0..11_u32, 1..16_u32, 1..12_u32)
        .prop_map(|(x, y, w, h)| Rect::new(x, y, w.min(16 - x), h.min(12 - y)));
    let habit = prop_oneof![
        Just(Releases::OnReplace),
        Just(Releases::AtOnce),
        Just(Releases::Twice),
    ];
    let step = prop_oneof![
        8 => (rect, any::<u8>()).prop_map(|(rect, colour)| Step::Draw(rect, colour)),
        1 => habit.prop_map(Step::Release),
    ];
    proptest::collection::vec(step, 1..24)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_is_drawn_is_what_is_seen(steps in steps()) {
        let mut desk = Desk::new(Offer::default());
        let surface = desk.surface(0, 16, 12);
        let mut source = Source::plain(16, 12, RED);
        desk.show_all(surface, &mut source);

        for step in steps {
            match step {
                Step::Draw(rect, colour) => {
                    for y in rect.y..rect.y + rect.height {
                        for x in rect.x..rect.x + rect.width {
                            let at = (y * 16 + x) as usize * 4;
                            source.bytes[at..at + 4].copy_from_slice(&[colour, 1, 2, 255]);
                        }
                    }
                    desk.show(surface, &mut source, &[rect]);
                }
                Step::Release(releases) => desk.compositor().world.releases = releases,
            }
            let screen = desk.compositor().world.screen();
            let seen: Vec<u8> = screen.pixels.concat();
            prop_assert!(seen == source.bytes, "other pixels");
        }
    }
}
