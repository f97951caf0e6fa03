//! The headless display that nobody looks at.

mod common;

use common::{BLUE, RED, Source, at, cursor, output, scanout};
use gpu_display::{Display, DisplayError, Headless};

#[test]
fn an_unseen_display_takes_frames_and_cursors_and_has_no_picture() {
    let mut display = Headless::unseen(vec![output(640, 480)]);
    let surface = display.create_surface(&scanout(0, 4, 4)).unwrap();
    let pointer = display
        .create_surface(&cursor(surface, (0, 0), (1, 1)))
        .unwrap();

    Source::plain(4, 4, RED).show(&mut display, surface);
    Source::plain(2, 2, BLUE).show(&mut display, pointer);
    display.set_position(pointer, at(2, 2)).unwrap();

    assert!(display.picture(0).is_none());
    assert_eq!(display.outputs(), [output(640, 480)]);
    display.destroy_surface(pointer);
    display.destroy_surface(surface);
}

#[test]
fn an_unseen_display_refuses_what_a_seen_one_refuses() {
    let mut display = Headless::unseen(vec![output(640, 480)]);
    let surface = display.create_surface(&scanout(0, 4, 4)).unwrap();
    let mut source = Source::plain(4, 3, RED);
    let whole = source.layout.bounds();

    let presented = source.present(&mut display, surface, whole, &[whole]);

    assert!(matches!(presented, Err(DisplayError::FrameSize { .. })));
    assert!(display.create_surface(&scanout(1, 4, 4)).is_err());
}
