//! Cursors: what the pointer looks like in a window.

use gpu_display::{Display, Hotspot, Position, Role, SurfaceId, SurfaceRequest};
use x11rb::protocol::xfixes::{ConnectionExt, GetCursorImageReply};
use x11rb::protocol::xproto::MOTION_NOTIFY_EVENT;

use crate::common::{BLUE, RED, Source};
use crate::desk::{Desk, desk};

fn request(parent: SurfaceId, hotspot: Hotspot) -> SurfaceRequest {
    let position = Position { x: 5, y: 5 };
    SurfaceRequest {
        role: Role::Cursor {
            parent,
            hotspot,
            position,
        },
        width: 4,
        height: 4,
    }
}

/// A window with the pointer in it.
fn pointed_at(mut desk: Desk) -> (Desk, SurfaceId) {
    let surface = desk.surface(0, 200, 100);
    desk.show_all(surface, &mut Source::plain(200, 100, RED));
    desk.fake(MOTION_NOTIFY_EVENT, 0, 50, 50);
    desk.settle();
    (desk, surface)
}

/// What the pointer looks like: alpha, red, green and blue.
fn look(desk: &Desk) -> GetCursorImageReply {
    desk.eye()
        .xfixes_query_version(5, 0)
        .unwrap()
        .reply()
        .unwrap();
    desk.eye()
        .xfixes_get_cursor_image()
        .unwrap()
        .reply()
        .unwrap()
}

#[test]
fn the_pointer_looks_like_the_cursor_and_points_with_its_hotspot() {
    let (mut desk, surface) = pointed_at(desk!());
    let hotspot = Hotspot { x: 1, y: 3 };
    let cursor = desk
        .display
        .create_surface(&request(surface, hotspot))
        .unwrap();
    // Half transparent, its colours multiplied by that.
    let pixel = |x: u32, _: u32| if x == 0 { [0x80, 0, 0, 0x80] } else { BLUE };

    Source::new(4, 4, pixel).show(&mut desk.display, cursor);
    desk.settle();

    let look = look(&desk);
    assert_eq!((look.width, look.height), (4, 4));
    assert_eq!((look.xhot, look.yhot), (1, 3));
    let row = [0x8080_0000, 0xff00_00ff, 0xff00_00ff, 0xff00_00ff];
    assert_eq!(look.cursor_image, row.repeat(4));
}

#[test]
fn a_guest_without_a_cursor_hides_the_pointer() {
    let (mut desk, surface) = pointed_at(desk!());
    assert!(look(&desk).cursor_image.iter().all(|pixel| *pixel == 0));

    let hotspot = Hotspot::default();
    let cursor = desk
        .display
        .create_surface(&request(surface, hotspot))
        .unwrap();
    Source::plain(4, 4, RED).show(&mut desk.display, cursor);
    desk.settle();
    assert_eq!(look(&desk).cursor_image, [0xffff_0000; 16]);
    desk.display.destroy_surface(cursor);
    desk.settle();

    assert!(look(&desk).cursor_image.iter().all(|pixel| *pixel == 0));
}

#[test]
fn many_images_are_one_at_a_time_and_the_last_stays() {
    let (mut desk, surface) = pointed_at(desk!());
    let hotspot = Hotspot { x: 99, y: 99 };
    let cursor = desk
        .display
        .create_surface(&request(surface, hotspot))
        .unwrap();

    for _ in 0..2000 {
        Source::plain(4, 4, BLUE).show(&mut desk.display, cursor);
    }
    Source::plain(4, 4, RED).show(&mut desk.display, cursor);
    desk.settle();

    let look = look(&desk);
    assert_eq!(look.cursor_image, [0xffff_0000; 16]);
    assert_eq!((look.xhot, look.yhot), (3, 3));
}

#[test]
fn a_server_without_pictures_keeps_its_pointer() {
    let (mut desk, surface) = pointed_at(desk!("RENDER"));
    let hotspot = Hotspot::default();
    let cursor = desk
        .display
        .create_surface(&request(surface, hotspot))
        .unwrap();

    Source::plain(4, 4, RED).show(&mut desk.display, cursor);
    desk.settle();

    desk.show_all(surface, &mut Source::plain(200, 100, BLUE));
    desk.assert_shows((200, 100), |_, _| BLUE);
}
