//! Compositors that freeze, die, refuse, or break the rules.

use std::io::{ErrorKind, Write};
use std::thread;
use std::time::{Duration, Instant};

use gpu_buffer::Rect;
use gpu_display::{
    Display, DisplayError, Event, Presented, Role, SurfaceId, SurfaceRequest, WaylandConfig,
    WaylandDisplay,
};

use crate::common::{BLUE, RED, Source};
use crate::compositor::{Frames, Offer, Releases};
use crate::desk::Desk;
use crate::liar::Liar;

/// The longest that a compositor that is back may have to wait.
const RETURN: Duration = Duration::from_millis(500);

const WHOLE: Rect = Rect {
    x: 0,
    y: 0,
    width: 16,
    height: 8,
};

fn desk() -> (Desk, SurfaceId, Source) {
    let mut desk = Desk::new(Offer::default());
    let surface = desk.surface(0, 16, 8);
    let mut source = Source::plain(16, 8, RED);
    desk.show_all(surface, &mut source);
    (desk, surface, source)
}

fn present(desk: &mut Desk, surface: SurfaceId, source: &mut Source) -> Presented {
    let presented = source.present(&mut desk.display, surface, WHOLE, &[WHOLE]);
    presented.unwrap()
}

#[test]
fn without_a_compositor_there_is_no_display() {
    let directory = tempfile::tempdir().unwrap();

    let display = WaylandDisplay::new(WaylandConfig {
        socket: Some(directory.path().join("nobody")),
        ..WaylandConfig::default()
    });

    assert!(matches!(display, Err(DisplayError::Connect { .. })));
}

#[test]
fn a_compositor_that_dies_is_waited_for_and_gets_the_last_picture() {
    let (mut desk, surface, mut source) = desk();

    desk.kill_compositor();
    assert!(!desk.display.is_online());
    assert_eq!(desk.events(), []);
    // Frames go nowhere, and nobody waits.
    source.bytes = Source::plain(16, 8, BLUE).bytes;
    assert_eq!(present(&mut desk, surface, &mut source), Presented::Busy);
    desk.wait(Duration::from_secs(5));
    assert_eq!(desk.events(), []);

    desk.start_compositor(Offer::default());
    desk.wait(RETURN);

    let events = desk.events();
    assert_eq!(
        events,
        [Event::Redraw { surface }, Event::Ready { surface }]
    );
    desk.show_all(surface, &mut source);
    let world = &desk.compositor().world;
    world.screen().assert((16, 8), |_, _| BLUE);
    assert_eq!(world.window().title, "A guest");
}

#[test]
fn surfaces_that_are_made_without_a_compositor_are_shown_when_there_is_one() {
    let (mut desk, old, _) = desk();
    desk.kill_compositor();

    desk.display.destroy_surface(old);
    let surface = desk.surface(0, 4, 2);
    let mut source = Source::plain(4, 2, BLUE);
    let whole = source.layout.bounds();
    let early = source.present(&mut desk.display, surface, whole, &[whole]);
    desk.start_compositor(Offer::default());
    desk.wait(RETURN);

    assert_eq!(early.unwrap(), Presented::Busy);
    assert_eq!(desk.events(), [Event::Ready { surface }]);
    desk.show_all(surface, &mut source);
    desk.compositor().world.screen().assert((4, 2), |_, _| BLUE);
}

#[test]
fn an_empty_window_comes_back_black() {
    let (mut desk, surface, _) = desk();
    desk.display.destroy_surface(surface);
    desk.wait(Duration::from_secs(1));

    desk.kill_compositor();
    desk.start_compositor(Offer::default());
    desk.wait(RETURN);

    assert_eq!(desk.compositor().world.surface().size(), (16, 8));
    let black = crate::common::BLACK;
    desk.compositor()
        .world
        .screen()
        .assert((1, 1), |_, _| black);
}

#[test]
fn a_window_comes_back_as_large_as_its_user_made_it() {
    let (mut desk, surface, mut source) = desk();
    desk.compositor().configure((320, 160), &[]);
    desk.settle();
    desk.wait(Duration::from_secs(1));
    assert_eq!(desk.events(), [Event::OutputsChanged]);

    desk.kill_compositor();
    desk.start_compositor(Offer::default());
    desk.wait(RETURN);
    desk.show_all(surface, &mut source);

    assert_eq!(desk.compositor().world.surface().size(), (320, 160));
}

#[test]
fn a_protocol_error_ends_a_connection_and_not_the_display() {
    let (mut desk, surface, mut source) = desk();

    desk.compositor().accuse_client();
    desk.settle();
    assert!(!desk.display.is_online());
    assert_eq!(present(&mut desk, surface, &mut source), Presented::Busy);
    desk.wait(RETURN);

    assert!(desk.events().contains(&Event::Redraw { surface }));
    desk.show_all(surface, &mut source);
    desk.compositor().world.screen().assert((16, 8), |_, _| RED);
    assert_eq!(desk.display.statistics().connections, 2);
}

#[test]
fn a_compositor_without_what_a_window_needs_is_tried_again() {
    let mut desk = Desk::new(Offer {
        shell: None,
        ..Offer::default()
    });
    assert!(!desk.display.is_online());

    desk.compositor = None;
    desk.start_compositor(Offer::default());
    desk.wait(RETURN);

    assert!(desk.display.is_online());
}

#[test]
fn no_more_is_sent_than_a_compositor_shows() {
    let (mut desk, surface, mut source) = desk();
    desk.compositor().world.frames = Frames::Never;
    let shown = desk.compositor().world.surface().damages.len();

    assert_eq!(present(&mut desk, surface, &mut source), Presented::Taken);
    desk.settle();
    source.bytes = Source::plain(16, 8, BLUE).bytes;
    for _ in 0..1000 {
        assert_eq!(present(&mut desk, surface, &mut source), Presented::Busy);
        desk.turn();
    }
    let frames = desk.compositor().world.surface().damages.len();
    assert_eq!((frames, desk.events()), (shown + 1, vec![]));

    desk.compositor().world.frames = Frames::EveryTurn;
    desk.settle();
    assert_eq!(desk.events(), [Event::Ready { surface }]);
    desk.show_all(surface, &mut source);
    desk.compositor()
        .world
        .screen()
        .assert((16, 8), |_, _| BLUE);
}

#[test]
fn a_compositor_that_keeps_every_copy_gets_three() {
    let (mut desk, surface, mut source) = desk();
    desk.compositor().world.releases = Releases::Never;

    let mut taken = 1;
    while present(&mut desk, surface, &mut source) == Presented::Taken {
        taken += 1;
        desk.settle();
    }

    assert_eq!(taken, 3);
    assert_eq!(desk.compositor().world.live_buffers(), 3);
}

#[test]
fn a_frozen_compositor_costs_nothing_and_goes_on_where_it_stopped() {
    let (mut desk, surface, mut source) = desk();
    // It neither reads nor writes, while the guest does all it can.
    for round in 0..2000_u32 {
        let other = desk.display.create_surface(&SurfaceRequest {
            role: Role::Scanout { output: 0 },
            width: 16,
            height: 8,
        });
        assert!(matches!(other, Err(DisplayError::OutputTaken { .. })));
        let _ = present(&mut desk, surface, &mut source);
        for height in [9 + round % 2, 8] {
            let request = SurfaceRequest {
                role: Role::Scanout { output: 0 },
                width: 16,
                height,
            };
            desk.display.configure_surface(surface, &request).unwrap();
        }
        desk.now += Duration::from_millis(30);
        desk.display.dispatch(desk.now).unwrap();
    }
    assert!(desk.display.is_online());

    desk.settle();
    source.bytes = Source::plain(16, 8, BLUE).bytes;
    desk.show_all(surface, &mut source);
    desk.compositor()
        .world
        .screen()
        .assert((16, 8), |_, _| BLUE);
}

/// Asserts that a message ends the connection, that the display lives, and that it comes back.
#[track_caller]
fn assert_is_the_end(object: u32, opcode: u32, size: u32, body: &[u8]) {
    let directory = tempfile::tempdir().unwrap();
    let mut liar = Liar::new(directory.path());

    assert!(!liar.say(object, opcode, size, body));

    let later = Instant::now() + RETURN;
    liar.display.dispatch(later).unwrap();
    liar.listener.set_nonblocking(true).unwrap();
    assert!(liar.listener.accept().is_ok(), "it did not come back");
}

#[test]
fn messages_that_no_compositor_should_send_end_the_connection() {
    // Sizes: less than a header, not whole words, more than a buffer.
    assert_is_the_end(1, 1, 4, &[0; 4]);
    assert_is_the_end(1, 1, 13, &[0; 8]);
    assert_is_the_end(1, 1, 65_532, &[0; 8]);
    // wl_display: an event that it does not have, an error without a text, or cut short.
    assert_is_the_end(1, 9, 12, &[0; 4]);
    assert_is_the_end(1, 0, 20, &[0; 12]);
    assert_is_the_end(1, 0, 8, &[]);
    // wl_display.delete_id without an id.
    assert_is_the_end(1, 1, 8, &[]);
    // An object that there is not.
    assert_is_the_end(4000, 0, 8, &[]);
    // wl_registry.global with a name that has no end.
    assert_is_the_end(
        2,
        0,
        24,
        &[1, 0, 0, 0, 4, 0, 0, 0, 97, 97, 97, 97, 0, 0, 0, 0],
    );
}

#[test]
fn half_a_message_is_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let mut liar = Liar::new(directory.path());

    assert!(liar.say(1, 1, 12, &[]));
    liar.stream.write_all(&[200, 0]).unwrap();
    liar.display.dispatch(Instant::now()).unwrap();
    liar.stream.write_all(&[0, 0]).unwrap();
    liar.display.dispatch(Instant::now()).unwrap();

    assert!(liar.stands());
}

#[test]
fn a_flood_is_taken_in_bit_by_bit() {
    let directory = tempfile::tempdir().unwrap();
    let mut liar = Liar::new(directory.path());
    let mut stream = liar.stream.try_clone().unwrap();
    let flood = thread::spawn(move || {
        // wl_display.delete_id of an object that there is not.
        let message = [1, 12 << 16 | 1, 4000_u32].map(u32::to_ne_bytes).concat();
        let messages = message.repeat(4096);
        let end = Instant::now() + Duration::from_secs(10);
        let mut sent = 0;
        while Instant::now() < end {
            match stream.write(&messages[sent % messages.len()..]) {
                Ok(bytes) => sent += bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::yield_now(),
                Err(_) => return,
            }
        }
    });

    let start = Instant::now();
    for _ in 0..100 {
        liar.display.dispatch(start).unwrap();
    }
    let time = start.elapsed();

    assert!(liar.stands());
    drop(liar);
    flood.join().unwrap();
    assert!(time < Duration::from_secs(8), "{time:?}");
}
