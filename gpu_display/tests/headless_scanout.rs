//! The headless display keeps the newest picture of each output.
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

mod common;

use common::{BLACK, BLUE, GREEN, Pixel, RED, Source, assert_picture, headless, output, scanout};
use gpu_buffer::{DrmFourcc, Layout, Rect};
use gpu_display::{Display, Freshness, Presented, Query};

#[test]
fn the_outputs_are_those_it_was_made_with() {
    let mut display = headless(None);

    assert_eq!(display.outputs(), [output(640, 480), output(800, 600)]);
    assert_eq!(display.refresh(Query::Outputs), Freshness::Current);
    assert_eq!(display.edid(0), None);
    assert_eq!(display.next_event(), None);
    assert!(display.poll_fd().is_none());
    assert!(display.deadline().is_none());
}

#[test]
fn an_output_shows_nothing_before_its_first_frame() {
    let mut display = headless(None);
    assert_eq!(display.picture(0), None);

    display.create_surface(&scanout(0, 4, 4)).unwrap();

    assert_eq!(display.picture(0), None);
    assert_eq!(display.picture(2), None);
}

#[test]
fn a_frame_is_shown_whole() {
    let mut display = headless(None);
    let surface = display.create_surface(&scanout(1, 4, 3)).unwrap();
    let pixel = |x: u32, y: u32| [x as u8 * 10, y as u8 * 10, 7, 255];

    Source::new(4, 3, pixel).show(&mut display, surface);

    assert_picture(&display, 1, (4, 3), pixel);
    assert_eq!(display.picture(0), None);
}

#[test]
fn only_the_damaged_pixels_change() {
    let mut display = headless(None);
    let surface = display.create_surface(&scanout(0, 8, 8)).unwrap();
    Source::plain(8, 8, RED).show(&mut display, surface);
    let damage = [Rect::new(1, 2, 3, 2), Rect::new(7, 7, 1, 1)];

    let mut blue = Source::plain(8, 8, BLUE);
    let whole = blue.layout.bounds();
    blue.present(&mut display, surface, whole, &damage).unwrap();

    assert_picture(&display, 0, (8, 8), |x, y| {
        let pixel = Rect::new(x, y, 1, 1);
        if damage.iter().any(|rect| rect.contains(&pixel)) {
            BLUE
        } else {
            RED
        }
    });
}

#[test]
fn what_the_first_frame_does_not_damage_is_black() {
    let mut display = headless(None);
    let surface = display.create_surface(&scanout(0, 4, 4)).unwrap();

    let mut red = Source::plain(4, 4, RED);
    let whole = red.layout.bounds();
    red.present(&mut display, surface, whole, &[Rect::new(0, 0, 4, 1)])
        .unwrap();

    assert_picture(&display, 0, (4, 4), |_, y| if y == 0 { RED } else { BLACK });
}

#[test]
fn a_frame_without_damage_changes_nothing() {
    let mut display = headless(None);
    let surface = display.create_surface(&scanout(0, 4, 4)).unwrap();
    Source::plain(4, 4, RED).show(&mut display, surface);

    let mut blue = Source::plain(4, 4, BLUE);
    let whole = blue.layout.bounds();
    let presented = blue.present(&mut display, surface, whole, &[]).unwrap();

    assert_eq!(presented, Presented::Taken);
    assert_picture(&display, 0, (4, 4), |_, _| RED);
}

#[test]
fn the_crop_is_the_part_that_is_shown_and_damage_counts_from_its_corner() {
    let mut display = headless(None);
    let surface = display.create_surface(&scanout(0, 4, 4)).unwrap();
    let pixel = |x: u32, y: u32| -> Pixel { [x as u8, y as u8, 0, 255] };
    let mut large = Source::new(16, 16, pixel);
    let crop = Rect::new(5, 9, 4, 4);

    large
        .present(&mut display, surface, crop, &[Rect::new(2, 1, 2, 3)])
        .unwrap();

    assert_picture(&display, 0, (4, 4), |x, y| {
        if x >= 2 && y >= 1 {
            pixel(x + 5, y + 9)
        } else {
            BLACK
        }
    });
}

#[test]
fn a_frame_may_have_gaps_after_its_rows() {
    let mut display = headless(None);
    let surface = display.create_surface(&scanout(0, 1, 2)).unwrap();
    let mut source = Source {
        layout: Layout::with_stride(1, 2, 6, DrmFourcc::Xbgr8888).unwrap(),
        bytes: vec![1, 2, 3, 0, 99, 99, 4, 5, 6, 0, 99, 99],
    };

    source.show(&mut display, surface);

    let colors = [[1, 2, 3, 255], [4, 5, 6, 255]];
    assert_picture(&display, 0, (1, 2), |_, y| colors[y as usize]);
}

#[test]
fn each_format_is_shown_in_its_colours_and_opaque() {
    let formats = [
        (DrmFourcc::Argb8888, [30, 20, 10, 0]),
        (DrmFourcc::Xrgb8888, [30, 20, 10, 0]),
        (DrmFourcc::Bgra8888, [0, 10, 20, 30]),
        (DrmFourcc::Bgrx8888, [0, 10, 20, 30]),
        (DrmFourcc::Abgr8888, [10, 20, 30, 0]),
        (DrmFourcc::Xbgr8888, [10, 20, 30, 0]),
        (DrmFourcc::Rgba8888, [0, 30, 20, 10]),
        (DrmFourcc::Rgbx8888, [0, 30, 20, 10]),
    ];
    for (format, bytes) in formats {
        let mut display = headless(None);
        let surface = display.create_surface(&scanout(0, 1, 1)).unwrap();
        let mut source = Source {
            layout: Layout::packed(1, 1, format).unwrap(),
            bytes: bytes.to_vec(),
        };

        source.show(&mut display, surface);

        assert_picture(&display, 0, (1, 1), |_, _| [10, 20, 30, 255]);
    }
}

#[test]
fn a_resized_scanout_is_blank_until_its_next_frame() {
    let mut display = headless(None);
    let surface = display.create_surface(&scanout(0, 4, 4)).unwrap();
    Source::plain(4, 4, RED).show(&mut display, surface);

    display
        .configure_surface(surface, &scanout(0, 6, 2))
        .unwrap();
    assert_eq!(display.picture(0), None);

    Source::plain(6, 2, GREEN).show(&mut display, surface);
    assert_picture(&display, 0, (6, 2), |_, _| GREEN);
}

#[test]
fn configuring_the_same_size_keeps_the_picture() {
    let mut display = headless(None);
    let surface = display.create_surface(&scanout(0, 4, 4)).unwrap();
    Source::plain(4, 4, RED).show(&mut display, surface);

    display
        .configure_surface(surface, &scanout(0, 4, 4))
        .unwrap();

    assert_picture(&display, 0, (4, 4), |_, _| RED);
}

#[test]
fn destroying_a_scanout_blanks_its_output_alone() {
    let mut display = headless(None);
    let first = display.create_surface(&scanout(0, 4, 4)).unwrap();
    let second = display.create_surface(&scanout(1, 4, 4)).unwrap();
    Source::plain(4, 4, RED).show(&mut display, first);
    Source::plain(4, 4, BLUE).show(&mut display, second);

    display.destroy_surface(first);

    assert_eq!(display.picture(0), None);
    assert_picture(&display, 1, (4, 4), |_, _| BLUE);
}

#[test]
fn a_new_scanout_shows_nothing_of_the_one_before() {
    let mut display = headless(None);
    let first = display.create_surface(&scanout(0, 4, 4)).unwrap();
    Source::plain(4, 4, RED).show(&mut display, first);
    display.destroy_surface(first);

    let second = display.create_surface(&scanout(0, 4, 4)).unwrap();
    assert_ne!(first, second);
    assert_eq!(display.picture(0), None);
    let mut blue = Source::plain(4, 4, BLUE);
    let whole = blue.layout.bounds();
    blue.present(&mut display, second, whole, &[Rect::new(0, 0, 1, 1)])
        .unwrap();

    assert_picture(&display, 0, (4, 4), |x, y| {
        if (x, y) == (0, 0) { BLUE } else { BLACK }
    });
}
