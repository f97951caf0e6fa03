//! Misuse of a display is an error, and leaves what is shown alone.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]

mod common;

use common::{BLUE, RED, Source, assert_picture, at, cursor, headless, scanout};
use gpu_buffer::{DrmFourcc, Error, Layout, Rect};
use gpu_display::{Display, DisplayError, Headless, SurfaceId, SurfaceRequest};

fn red() -> (Headless, SurfaceId) {
    let mut display = headless(None);
    let surface = display.create_surface(&scanout(0, 4, 4)).unwrap();
    Source::plain(4, 4, RED).show(&mut display, surface);
    (display, surface)
}

#[track_caller]
fn assert_red(display: &Headless) {
    assert_picture(display, 0, (4, 4), |_, _| RED);
}

#[test]
fn an_unknown_surface_is_an_error_everywhere_but_in_destroy() {
    let (mut display, _) = red();
    let gone = display.create_surface(&scanout(1, 4, 4)).unwrap();
    display.destroy_surface(gone);
    display.destroy_surface(gone);
    let mut blue = Source::plain(4, 4, BLUE);
    let whole = blue.layout.bounds();

    let results = [
        display.configure_surface(gone, &scanout(1, 4, 4)),
        blue.present(&mut display, gone, whole, &[whole]).map(drop),
        display.set_position(gone, at(0, 0)),
        display
            .create_surface(&cursor(gone, (0, 0), (0, 0)))
            .map(drop),
    ];

    for result in results {
        assert!(matches!(result, Err(DisplayError::UnknownSurface { surface }) if surface == gone));
    }
    assert_red(&display);
}

#[test]
fn an_unknown_output_has_no_scanout() {
    let (mut display, _) = red();

    for output in [2, u32::MAX] {
        let result = display.create_surface(&scanout(output, 4, 4));
        assert!(matches!(result, Err(DisplayError::UnknownOutput { output: o }) if o == output));
    }
}

#[test]
fn an_output_has_one_scanout() {
    let (mut display, surface) = red();

    let second = display.create_surface(&scanout(0, 4, 4));
    assert!(matches!(
        second,
        Err(DisplayError::OutputTaken { output: 0 })
    ));

    display.destroy_surface(surface);
    assert!(display.create_surface(&scanout(0, 4, 4)).is_ok());
}

#[test]
fn a_surface_has_pixels() {
    let (mut display, surface) = red();

    for (width, height) in [(0, 4), (4, 0)] {
        let made = display.create_surface(&scanout(1, width, height)).map(drop);
        let changed = display.configure_surface(surface, &scanout(0, width, height));
        for result in [made, changed] {
            assert!(matches!(
                result,
                Err(DisplayError::Pixels(Error::EmptyPicture { .. }))
            ));
        }
    }
    assert_red(&display);
    assert!(display.create_surface(&scanout(1, 4, 4)).is_ok());
}

#[test]
fn a_surface_beyond_memory_is_an_error() {
    let (mut display, surface) = red();

    for (width, height) in [(u32::MAX, u32::MAX), (1 << 29, u32::MAX)] {
        assert!(display.create_surface(&scanout(1, width, height)).is_err());
        assert!(
            display
                .configure_surface(surface, &scanout(0, width, height))
                .is_err()
        );
    }
    assert_red(&display);
}

#[test]
fn the_kind_of_role_and_the_output_stay() {
    let (mut display, surface) = red();
    let pointer = display
        .create_surface(&cursor(surface, (0, 0), (0, 0)))
        .unwrap();
    let changes: [(SurfaceId, SurfaceRequest); 3] = [
        (surface, cursor(surface, (0, 0), (0, 0))),
        (pointer, scanout(1, 2, 2)),
        (surface, scanout(1, 4, 4)),
    ];

    for (id, request) in changes {
        let result = display.configure_surface(id, &request);
        assert!(matches!(result, Err(DisplayError::RoleChange { surface }) if surface == id));
    }
    assert_red(&display);
}

#[test]
fn a_cursor_is_over_a_scanout_and_only_a_cursor_has_a_position() {
    let (mut display, surface) = red();
    let pointer = display
        .create_surface(&cursor(surface, (0, 0), (0, 0)))
        .unwrap();

    let over_cursor = display.create_surface(&cursor(pointer, (0, 0), (0, 0)));
    let moved = display.set_position(surface, at(1, 1));

    assert!(
        matches!(over_cursor, Err(DisplayError::NotAScanout { surface }) if surface == pointer)
    );
    assert!(matches!(moved, Err(DisplayError::NotACursor { surface: s }) if s == surface));
    assert_red(&display);
}

#[test]
fn a_frame_has_the_size_of_its_surface() {
    let (mut display, surface) = red();
    let mut blue = Source::plain(8, 8, BLUE);

    for (width, height) in [(3, 4), (4, 3), (8, 8), (0, 0)] {
        let crop = Rect::from_size(width, height);
        let result = blue.present(&mut display, surface, crop, &[Rect::new(0, 0, 1, 1)]);
        assert!(matches!(
            result,
            Err(DisplayError::FrameSize {
                surface_width: 4,
                surface_height: 4,
                ..
            })
        ));
    }
    assert_red(&display);
}

#[test]
fn the_crop_lies_in_the_layout() {
    let (mut display, surface) = red();
    let mut blue = Source::plain(8, 8, BLUE);

    for (x, y) in [(5, 0), (0, 5), (u32::MAX, 0), (0, u32::MAX)] {
        let crop = Rect::new(x, y, 4, 4);
        let result = blue.present(&mut display, surface, crop, &[Rect::new(0, 0, 1, 1)]);
        assert!(matches!(
            result,
            Err(DisplayError::Pixels(Error::OutsidePicture { rect, .. })) if rect == crop
        ));
    }
    assert_red(&display);
}

#[test]
fn the_memory_holds_the_crop() {
    let (mut display, surface) = red();
    let mut short = Source {
        layout: Layout::packed(4, 4, DrmFourcc::Xrgb8888).unwrap(),
        bytes: vec![0; 63],
    };

    let whole = short.layout.bounds();
    let result = short.present(&mut display, surface, whole, &[Rect::new(0, 0, 1, 1)]);

    assert!(matches!(
        result,
        Err(DisplayError::Pixels(Error::SourceTooShort {
            needed: 64,
            available: 63
        }))
    ));
    assert_red(&display);
}

#[test]
fn damage_lies_in_the_surface_and_one_bad_rectangle_spoils_the_frame() {
    let (mut display, surface) = red();
    let mut blue = Source::plain(4, 4, BLUE);
    let whole = blue.layout.bounds();

    for bad in [
        Rect::new(3, 0, 2, 1),
        Rect::new(0, 4, 1, 1),
        Rect::new(1, 1, 0, 1),
        Rect::new(1, 0, u32::MAX, 1),
    ] {
        let result = blue.present(&mut display, surface, whole, &[whole, bad]);
        assert!(matches!(result, Err(DisplayError::Damage { rect }) if rect == bad));
    }
    assert_red(&display);
}

#[test]
fn an_output_that_shows_nothing_has_no_picture_to_write() {
    let (display, _) = red();
    let path = std::env::temp_dir().join("gpu_display-never-written.png");

    assert!(matches!(
        display.write_png(1, &path),
        Err(DisplayError::NoPicture { output: 1 })
    ));
    assert!(matches!(
        display.write_png(7, &path),
        Err(DisplayError::UnknownOutput { output: 7 })
    ));
    assert!(!path.exists());
}
