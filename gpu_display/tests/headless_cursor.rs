//! The headless display draws cursors over scanouts as a monitor would show them.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]

mod common;

use common::{BLUE, GREEN, Pixel, RED, Source, assert_picture, at, cursor, headless, scanout};
use gpu_buffer::Rect;
use gpu_display::{Display, Headless, SurfaceId};

/// The pixels of the cursor image.
fn image(x: u32, y: u32) -> Pixel {
    if x == y { GREEN } else { BLUE }
}

/// A red scanout of 8x8 pixels with a cursor of 2x2 whose top-left pixel is at `position`.
fn red_with_cursor(hotspot: (u32, u32), position: (i32, i32)) -> (Headless, SurfaceId, SurfaceId) {
    let mut display = headless(None);
    let parent = display.create_surface(&scanout(0, 8, 8)).unwrap();
    Source::plain(8, 8, RED).show(&mut display, parent);
    let pointer = display
        .create_surface(&cursor(parent, hotspot, position))
        .unwrap();
    Source::new(2, 2, image).show(&mut display, pointer);
    (display, parent, pointer)
}

/// Asserts a red picture with the image's top-left pixel at `(left, top)`.
#[track_caller]
fn assert_cursor_at(display: &Headless, left: i64, top: i64) {
    assert_picture(display, 0, (8, 8), |x, y| {
        let (dx, dy) = (i64::from(x) - left, i64::from(y) - top);
        match (u32::try_from(dx), u32::try_from(dy)) {
            (Ok(dx @ 0..2), Ok(dy @ 0..2)) => image(dx, dy),
            _ => RED,
        }
    });
}

#[track_caller]
fn assert_no_cursor(display: &Headless) {
    assert_picture(display, 0, (8, 8), |_, _| RED);
}

#[test]
fn the_image_s_corner_is_at_the_position_whatever_its_hotspot() {
    // As Linux sends it: the position of the plane, not of the pointer.
    for hotspot in [(0, 0), (1, 1), (5, 5), (u32::MAX, u32::MAX)] {
        let (display, ..) = red_with_cursor(hotspot, (3, 4));
        assert_cursor_at(&display, 3, 4);
    }
}

#[test]
fn a_cursor_without_a_frame_is_not_shown() {
    let mut display = headless(None);
    let parent = display.create_surface(&scanout(0, 8, 8)).unwrap();
    Source::plain(8, 8, RED).show(&mut display, parent);

    display
        .create_surface(&cursor(parent, (0, 0), (3, 3)))
        .unwrap();

    assert_no_cursor(&display);
}

#[test]
fn moving_leaves_no_trace() {
    let (mut display, _, pointer) = red_with_cursor((0, 0), (1, 1));

    display.set_position(pointer, at(5, 2)).unwrap();

    assert_cursor_at(&display, 5, 2);
}

#[test]
fn the_part_beyond_an_edge_is_not_shown() {
    let (mut display, _, pointer) = red_with_cursor((0, 0), (-1, -1));
    assert_cursor_at(&display, -1, -1);

    display.set_position(pointer, at(7, 7)).unwrap();
    assert_cursor_at(&display, 7, 7);

    display.set_position(pointer, at(-1, 7)).unwrap();
    assert_cursor_at(&display, -1, 7);
}

#[test]
fn a_position_far_outside_shows_nothing_and_the_way_back_works() {
    let (mut display, _, pointer) = red_with_cursor((0, 0), (0, 0));

    for (x, y) in [
        (8, 0),
        (0, 8),
        (-2, 0),
        (i32::MIN, i32::MIN),
        (i32::MAX, i32::MAX),
        (i32::MIN, 0),
    ] {
        display.set_position(pointer, at(x, y)).unwrap();
        assert_no_cursor(&display);
    }

    display.set_position(pointer, at(2, 2)).unwrap();
    assert_cursor_at(&display, 2, 2);
}

#[test]
fn alpha_weighs_what_is_below_colours_that_it_was_multiplied_into() {
    let (mut display, _, pointer) = red_with_cursor((0, 0), (0, 0));

    // White of three alphas, and one pixel not to be seen.
    let alphas = [[0, 51], [128, 255]];
    Source::new(2, 2, |x, y| [alphas[y as usize][x as usize]; 4]).show(&mut display, pointer);

    let picture = display.picture(0).unwrap();
    assert_eq!(picture.pixel(0, 0), Some([255, 0, 0, 255]));
    assert_eq!(picture.pixel(1, 0), Some([255, 51, 51, 255]));
    assert_eq!(picture.pixel(0, 1), Some([255, 128, 128, 255]));
    assert_eq!(picture.pixel(1, 1), Some([255, 255, 255, 255]));
}

#[test]
fn mixing_is_rounded_to_the_nearest() {
    let (mut display, parent, pointer) = red_with_cursor((0, 0), (0, 0));
    Source::plain(8, 8, [100, 3, 0, 255]).show(&mut display, parent);

    // 78 + 100 * 155 / 255 = 138.8; 0 + 3 * 155 / 255 = 1.8; 3 + 0 * 155 / 255 = 3
    Source::plain(2, 2, [78, 0, 3, 100]).show(&mut display, pointer);

    assert_eq!(
        display.picture(0).unwrap().pixel(0, 0),
        Some([139, 2, 3, 255])
    );
}

#[test]
fn a_new_image_replaces_the_old_one_and_is_mixed_with_the_scanout_alone() {
    let (mut display, _, pointer) = red_with_cursor((0, 0), (3, 3));

    for _ in 0..3 {
        Source::plain(2, 2, [0, 0, 0, 128]).show(&mut display, pointer);
    }

    // 255 * 127 / 255
    assert_eq!(
        display.picture(0).unwrap().pixel(3, 3),
        Some([127, 0, 0, 255])
    );
}

#[test]
fn drawing_below_a_cursor_keeps_it_on_top() {
    let (mut display, parent, _) = red_with_cursor((0, 0), (3, 3));

    let mut red = Source::plain(8, 8, RED);
    let whole = red.layout.bounds();
    red.present(&mut display, parent, whole, &[Rect::new(4, 0, 4, 8)])
        .unwrap();

    assert_cursor_at(&display, 3, 3);
}

#[test]
fn destroying_a_cursor_hides_it() {
    let (mut display, _, pointer) = red_with_cursor((0, 0), (3, 3));

    display.destroy_surface(pointer);

    assert_no_cursor(&display);
}

#[test]
fn a_new_hotspot_leaves_the_image_where_it_is() {
    let (mut display, parent, pointer) = red_with_cursor((0, 0), (3, 3));

    display
        .configure_surface(pointer, &cursor(parent, (1, 0), (3, 3)))
        .unwrap();

    assert_cursor_at(&display, 3, 3);
}

#[test]
fn a_cursor_of_a_new_size_is_hidden_until_its_next_frame() {
    let (mut display, parent, pointer) = red_with_cursor((0, 0), (3, 3));
    let mut request = cursor(parent, (0, 0), (3, 3));
    (request.width, request.height) = (3, 1);

    display.configure_surface(pointer, &request).unwrap();
    assert_no_cursor(&display);

    Source::plain(3, 1, BLUE).show(&mut display, pointer);
    assert_picture(&display, 0, (8, 8), |x, y| {
        if (3..6).contains(&x) && y == 3 {
            BLUE
        } else {
            RED
        }
    });
}

#[test]
fn a_cursor_outlives_its_scanout_and_takes_a_new_parent() {
    let (mut display, parent, pointer) = red_with_cursor((0, 0), (3, 3));
    display.destroy_surface(parent);
    display.set_position(pointer, at(1, 1)).unwrap();
    let next = display.create_surface(&scanout(0, 8, 8)).unwrap();
    Source::plain(8, 8, RED).show(&mut display, next);
    assert_no_cursor(&display);

    display
        .configure_surface(pointer, &cursor(next, (0, 0), (1, 1)))
        .unwrap();

    assert_cursor_at(&display, 1, 1);
}

#[test]
fn a_cursor_moves_to_another_output_with_its_parent() {
    let (mut display, _, pointer) = red_with_cursor((0, 0), (3, 3));
    let other = display.create_surface(&scanout(1, 4, 4)).unwrap();
    Source::plain(4, 4, RED).show(&mut display, other);

    display
        .configure_surface(pointer, &cursor(other, (0, 0), (0, 0)))
        .unwrap();

    assert_no_cursor(&display);
    assert_picture(&display, 1, (4, 4), |x, y| {
        if x < 2 && y < 2 { image(x, y) } else { RED }
    });
}

#[test]
fn a_cursor_that_came_before_the_first_frame_is_on_it() {
    let mut display = headless(None);
    let parent = display.create_surface(&scanout(0, 8, 8)).unwrap();
    let pointer = display
        .create_surface(&cursor(parent, (0, 0), (6, 6)))
        .unwrap();
    Source::new(2, 2, image).show(&mut display, pointer);
    assert_eq!(display.picture(0), None);

    Source::plain(8, 8, RED).show(&mut display, parent);

    assert_cursor_at(&display, 6, 6);
}
