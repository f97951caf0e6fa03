//! Cursors: over the window, and as the pointer's own image.

use gpu_display::{Display, DisplayError, Hotspot, Position, Role, SurfaceId, SurfaceRequest};

use crate::common::{BLUE, GREEN, RED, Source};
use crate::compositor::{Frames, Offer, PointerCursor};
use crate::desk::Desk;

/// A window of 40x30 on a compositor with a seat.
fn desk() -> (Desk, SurfaceId) {
    desk_with(Offer {
        seats: vec![8],
        ..Offer::default()
    })
}

fn desk_with(offer: Offer) -> (Desk, SurfaceId) {
    let mut desk = Desk::new(offer);
    let surface = desk.surface(0, 40, 30);
    desk.show_all(surface, &mut Source::plain(40, 30, GREEN));
    (desk, surface)
}

fn request(parent: SurfaceId, x: i32, y: i32) -> SurfaceRequest {
    SurfaceRequest {
        role: Role::Cursor {
            parent,
            hotspot: Hotspot { x: 1, y: 2 },
            position: Position { x, y },
        },
        width: 4,
        height: 4,
    }
}

/// Four rows of four pixels: red, but for a transparent first one.
fn pixel(x: u32, y: u32) -> [u8; 4] {
    match (x, y) {
        (0, 0) => [0; 4],
        _ => RED,
    }
}

fn show(desk: &mut Desk, cursor: SurfaceId) {
    Source::new(4, 4, pixel).show(&mut desk.display, cursor);
    desk.settle();
}

fn cursor(desk: &mut Desk, parent: SurfaceId, x: i32, y: i32) -> SurfaceId {
    let cursor = desk.display.create_surface(&request(parent, x, y)).unwrap();
    show(desk, cursor);
    cursor
}

#[test]
fn without_a_pointer_the_image_is_over_the_window() {
    let (mut desk, surface) = desk();

    let cursor = cursor(&mut desk, surface, 10, 20);

    let (place, size, image) = desk.compositor().world.overlays()[0];
    assert_eq!((place, size), ((10, 20), (4, 4)));
    image.assert((4, 4), pixel);

    let position = Position { x: 11, y: 3 };
    desk.display.set_position(cursor, position).unwrap();
    desk.settle();
    assert_eq!(desk.compositor().world.overlays()[0].0, (11, 3));

    desk.display.destroy_surface(cursor);
    desk.settle();
    assert!(desk.compositor().world.overlays().is_empty());
}

#[test]
fn what_lies_beyond_the_window_is_not_seen() {
    let (mut desk, surface) = desk();
    let cursor = cursor(&mut desk, surface, -1, -2);
    let (place, size, image) = desk.compositor().world.overlays()[0];
    assert_eq!((place, size), ((0, 0), (3, 2)));
    image.assert((3, 2), |_, _| RED);

    let mut at = |x, y| {
        let position = Position { x, y };
        desk.display.set_position(cursor, position).unwrap();
        desk.settle();
        let overlays = desk.compositor().world.overlays();
        overlays.first().map(|(place, size, _)| (*place, *size))
    };

    assert_eq!(at(38, 29), Some(((38, 29), (2, 1))));
    for (x, y) in [
        (40, 0),
        (0, 30),
        (-4, 0),
        (0, -4),
        (i32::MAX, i32::MIN),
        (i32::MIN, i32::MAX),
    ] {
        assert_eq!(at(x, y), None, "{x},{y}");
    }
    assert_eq!(at(0, 0), Some(((0, 0), (4, 4))));
}

#[test]
fn a_pointer_in_the_window_looks_like_the_cursor() {
    let (mut desk, surface) = desk();
    let cursor = cursor(&mut desk, surface, 10, 20);

    desk.compositor().world.point(5.0, 5.0);
    desk.settle();
    let world = &desk.compositor().world;
    assert!(world.overlays().is_empty());
    let (image, size, hotspot) = world.pointer_image().unwrap();
    image.assert((4, 4), pixel);
    assert_eq!((size, hotspot), ((4, 4), (1, 2)));

    // The system moves it, not the guest.
    let set = world.input.cursors_set;
    let position = Position { x: 30, y: 3 };
    desk.display.set_position(cursor, position).unwrap();
    desk.settle();
    assert_eq!(desk.compositor().world.input.cursors_set, set);

    desk.compositor().world.point_away();
    desk.settle();
    let overlays = desk.compositor().world.overlays();
    assert_eq!(overlays[0].0, (30, 3));
}

#[test]
fn a_new_hotspot_comes_with_a_new_image() {
    let (mut desk, surface) = desk();
    let cursor = cursor(&mut desk, surface, 10, 20);
    desk.compositor().world.point(5.0, 5.0);
    desk.settle();

    let mut request = request(surface, 10, 20);
    if let Role::Cursor { hotspot, .. } = &mut request.role {
        *hotspot = Hotspot { x: 3, y: 99 };
    }
    desk.display.configure_surface(cursor, &request).unwrap();
    desk.settle();
    let before = desk.compositor().world.pointer_image().unwrap().2;
    Source::plain(4, 4, BLUE).show(&mut desk.display, cursor);
    desk.settle();

    assert_eq!(before, (1, 2));
    let (image, _, hotspot) = desk.compositor().world.pointer_image().unwrap();
    image.assert((4, 4), |_, _| BLUE);
    // Within the image.
    assert_eq!(hotspot, (3, 3));
}

#[test]
fn a_guest_without_a_cursor_hides_the_pointer() {
    let (mut desk, surface) = desk();
    let hidden = Some(PointerCursor {
        surface: None,
        hotspot: (0, 0),
    });

    desk.compositor().world.point(5.0, 5.0);
    desk.settle();
    assert_eq!(desk.compositor().world.input.cursor, hidden);
    let cursor = cursor(&mut desk, surface, 10, 20);
    assert!(desk.compositor().world.pointer_image().is_some());
    desk.display.destroy_surface(cursor);
    desk.settle();

    assert_eq!(desk.compositor().world.input.cursor, hidden);
}

#[test]
fn a_cursor_is_scaled_like_its_window() {
    let (mut desk, surface) = desk_with(Offer {
        fractional: Some(1),
        seats: vec![8],
        ..Offer::default()
    });
    desk.compositor().world.set_scale(240);
    desk.settle();

    cursor(&mut desk, surface, 10, 20);
    let (place, size, image) = desk.compositor().world.overlays()[0];
    assert_eq!((place, size), ((5, 10), (2, 2)));
    image.assert((4, 4), pixel);

    desk.compositor().world.point(5.0, 5.0);
    desk.settle();
    let (_, size, hotspot) = desk.compositor().world.pointer_image().unwrap();
    assert_eq!((size, hotspot), ((2, 2), (0, 1)));
}

#[test]
fn a_cursor_of_another_size_is_seen_with_its_next_image() {
    let (mut desk, surface) = desk();
    let cursor = cursor(&mut desk, surface, 10, 20);

    let mut request = request(surface, 10, 20);
    request.width = 2;
    desk.display.configure_surface(cursor, &request).unwrap();
    desk.settle();
    assert!(desk.compositor().world.overlays().is_empty());
    Source::plain(2, 4, BLUE).show(&mut desk.display, cursor);
    desk.settle();

    let (_, size, image) = desk.compositor().world.overlays()[0];
    assert_eq!(size, (2, 4));
    image.assert((2, 4), |_, _| BLUE);
}

#[test]
fn a_cursor_waits_for_its_window() {
    let mut desk = Desk::new(Offer::default());
    let surface = desk.surface(0, 40, 30);
    cursor(&mut desk, surface, 10, 20);
    assert!(desk.compositor().world.overlays().is_empty());

    desk.show_all(surface, &mut Source::plain(40, 30, GREEN));

    assert_eq!(desk.compositor().world.overlays().len(), 1);
}

#[test]
fn a_cursor_goes_with_its_scanout_and_comes_over_another() {
    let (mut desk, surface) = desk();
    let cursor = cursor(&mut desk, surface, 10, 20);

    desk.display.destroy_surface(surface);
    desk.settle();
    assert!(desk.compositor().world.overlays().is_empty());
    let next = desk.surface(0, 40, 30);
    desk.show_all(next, &mut Source::plain(40, 30, GREEN));
    desk.display
        .configure_surface(cursor, &request(next, 7, 8))
        .unwrap();
    show(&mut desk, cursor);

    assert_eq!(desk.compositor().world.overlays()[0].0, (7, 8));
}

#[test]
fn the_newest_cursor_is_the_pointer_and_others_stay_over_the_window() {
    let (mut desk, surface) = desk();
    cursor(&mut desk, surface, 1, 1);
    cursor(&mut desk, surface, 2, 2);
    assert_eq!(desk.compositor().world.overlays().len(), 2);

    desk.compositor().world.point(5.0, 5.0);
    desk.settle();

    let overlays = desk.compositor().world.overlays();
    let places: Vec<_> = overlays.iter().map(|(place, ..)| *place).collect();
    assert_eq!(places, [(1, 1)]);
}

#[test]
fn a_cursor_that_moves_ten_thousand_times_is_moved_once_a_frame() {
    let (mut desk, surface) = desk();
    let cursor = cursor(&mut desk, surface, 0, 0);
    desk.compositor().world.frames = Frames::Never;
    let commits = desk.compositor().world.surface().commits;

    for step in 0..10_000 {
        let position = Position { x: step % 36, y: 5 };
        desk.display.set_position(cursor, position).unwrap();
        show(&mut desk, cursor);
        if step % 100 == 0 {
            desk.turn();
        }
    }
    desk.settle();
    assert_eq!(desk.compositor().world.surface().commits, commits + 1);

    desk.compositor().world.frames = Frames::EveryTurn;
    desk.settle();
    assert_eq!(desk.compositor().world.overlays()[0].0, (9999 % 36, 5));
    // The picture below was not kept from changing.
    assert_eq!(desk.events(), []);
}

#[test]
fn a_new_compositor_gets_the_cursors_too() {
    let (mut desk, surface) = desk();
    cursor(&mut desk, surface, 10, 20);
    desk.kill_compositor();

    desk.start_compositor(Offer::default());
    desk.wait(std::time::Duration::from_millis(500));
    desk.show_all(surface, &mut Source::plain(40, 30, GREEN));

    let (place, _, image) = desk.compositor().world.overlays()[0];
    assert_eq!(place, (10, 20));
    image.assert((4, 4), pixel);
}

#[test]
fn only_cursors_have_a_place() {
    let (mut desk, surface) = desk();

    let placed = desk.display.set_position(surface, Position::default());

    assert!(matches!(placed, Err(DisplayError::NotACursor { .. })));
}
