//! Windows: when there is one, and what it is called.

use std::time::Duration;

use gpu_display::{Display, DisplayError, Event, Role, SurfaceRequest};

use crate::common::{BLACK, BLUE, RED, Source, output};
use crate::compositor::Offer;
use crate::desk::Desk;

/// A display may be used on another thread than it was made on.
const _: () = {
    const fn is_send<T: Send>() {}
    is_send::<gpu_display::WaylandDisplay>();
};

#[test]
fn a_window_says_what_it_is() {
    let mut desk = Desk::new(Offer::default());

    desk.surface(0, 640, 480);

    let window = desk.compositor().world.window();
    assert_eq!(window.title, "A guest");
    assert_eq!(window.app_id, "org.example.Guest");
    assert!(window.server_side);
    assert_eq!(window.min_size, (128, 96));
    assert_eq!(window.max_size, (0, 0));
}

#[test]
fn each_output_has_a_window_with_its_number() {
    let outputs = vec![output(640, 480), output(800, 600)];
    let mut desk = Desk::with_outputs(Offer::default(), outputs);
    assert!(desk.compositor().world.open_windows().is_empty());

    let second = desk.surface(1, 4, 2);
    let first = desk.surface(0, 2, 4);
    desk.show_all(first, &mut Source::plain(2, 4, RED));
    desk.show_all(second, &mut Source::plain(4, 2, BLUE));

    let world = &desk.compositor().world;
    let windows = world.open_windows();
    let titles: Vec<&str> = windows.iter().map(|window| &*window.title).collect();
    assert_eq!(titles, ["A guest (2)", "A guest (1)"]);
    let screen = |window: usize| {
        let surface = &world.surfaces[windows[window].surface];
        surface.screen.as_ref().unwrap()
    };
    screen(0).assert((4, 2), |_, _| BLUE);
    screen(1).assert((2, 4), |_, _| RED);
}

#[test]
fn a_window_is_shown_with_its_first_frame() {
    let mut desk = Desk::new(Offer::default());
    let surface = desk.surface(0, 4, 2);
    assert!(desk.compositor().world.surface().buffer.is_none());

    desk.show_all(surface, &mut Source::plain(4, 2, RED));

    let world = &desk.compositor().world;
    world.screen().assert((4, 2), |_, _| RED);
    assert_eq!(world.window().geometry, Some((0, 0, 4, 2)));
}

#[test]
fn a_frame_that_comes_before_the_window_is_asked_for_when_there_is_one() {
    let mut desk = Desk::new(Offer::default());
    let request = SurfaceRequest {
        role: Role::Scanout { output: 0 },
        width: 4,
        height: 2,
    };
    let surface = desk.display.create_surface(&request).unwrap();
    let mut source = Source::plain(4, 2, RED);
    let whole = source.layout.bounds();

    let early = source.present(&mut desk.display, surface, whole, &[whole]);
    desk.settle();

    assert_eq!(early.unwrap(), gpu_display::Presented::Busy);
    assert_eq!(desk.events(), [Event::Ready { surface }]);
}

#[test]
fn closing_a_window_is_a_request() {
    let mut desk = Desk::new(Offer::default());
    let surface = desk.surface(0, 4, 2);
    desk.show_all(surface, &mut Source::plain(4, 2, RED));

    let world = &desk.compositor().world;
    world.window().toplevel.as_ref().unwrap().close();
    desk.settle();

    assert_eq!(desk.events(), [Event::CloseRequested { surface }]);
    assert_eq!(desk.compositor().world.open_windows().len(), 1);
}

#[test]
fn a_window_without_a_surface_goes_black_and_stays_for_the_next() {
    let mut desk = Desk::new(Offer::default());
    let surface = desk.surface(0, 4, 2);
    desk.show_all(surface, &mut Source::plain(4, 2, RED));

    desk.display.destroy_surface(surface);
    desk.wait(Duration::from_millis(100));
    desk.compositor().world.screen().assert((4, 2), |_, _| RED);
    desk.wait(Duration::from_millis(400));

    let black = desk.compositor().world.surface();
    black.screen.as_ref().unwrap().assert((1, 1), |_, _| BLACK);
    assert_eq!(black.size(), (4, 2));

    let next = desk.surface(0, 4, 2);
    desk.show_all(next, &mut Source::plain(4, 2, BLUE));
    let world = &desk.compositor().world;
    world.screen().assert((4, 2), |_, _| BLUE);
    assert_eq!(world.windows.len(), 1);
}

#[test]
fn a_surface_that_is_replaced_at_once_does_not_blacken_its_window() {
    let mut desk = Desk::new(Offer::default());
    let surface = desk.surface(0, 4, 2);
    desk.show_all(surface, &mut Source::plain(4, 2, RED));
    let commits = desk.compositor().world.surface().damages.len();

    desk.display.destroy_surface(surface);
    let next = desk.surface(0, 8, 6);
    desk.wait(Duration::from_secs(1));
    desk.show_all(next, &mut Source::plain(8, 6, BLUE));

    let world = &desk.compositor().world;
    assert_eq!(world.surface().damages.len(), commits + 1);
    world.screen().assert((8, 6), |_, _| BLUE);
    assert_eq!(world.window().geometry, Some((0, 0, 8, 6)));
}

#[test]
fn an_output_that_is_unplugged_loses_its_window_with_its_surface() {
    let mut desk = Desk::new(Offer::default());
    let surface = desk.surface(0, 4, 2);
    desk.show_all(surface, &mut Source::plain(4, 2, RED));
    let mut output = desk.display.outputs()[0];
    output.enabled = false;

    desk.display.set_output(0, output).unwrap();
    desk.settle();
    assert_eq!(desk.events(), [Event::OutputsChanged]);
    assert_eq!(desk.compositor().world.open_windows().len(), 1);
    desk.display.destroy_surface(surface);
    desk.settle();
    assert!(desk.compositor().world.open_windows().is_empty());

    output.enabled = true;
    desk.display.set_output(0, output).unwrap();
    let surface = desk.surface(0, 4, 2);
    desk.show_all(surface, &mut Source::plain(4, 2, BLUE));
    desk.compositor().world.screen().assert((4, 2), |_, _| BLUE);
    let unknown = desk.display.set_output(1, output);
    assert!(matches!(
        unknown,
        Err(DisplayError::UnknownOutput { output: 1 })
    ));
}

#[test]
fn nobody_is_woken_while_nothing_moves() {
    let mut desk = Desk::new(Offer::default());
    let surface = desk.surface(0, 4, 2);
    desk.show_all(surface, &mut Source::plain(4, 2, RED));
    desk.settle();

    let poll = desk.display.poll_fd().unwrap();
    let mut fds = [nix::poll::PollFd::new(
        poll.fd,
        nix::poll::PollFlags::POLLIN,
    )];
    let ready = nix::poll::poll(&mut fds, 100_u16).unwrap();

    assert_eq!((ready, desk.display.deadline()), (0, None));
}

#[test]
fn text_that_no_message_could_carry_is_cut() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("wayland");
    let mut compositor = crate::compositor::Compositor::new(&socket, Offer::default());
    let config = gpu_display::WaylandConfig {
        socket: Some(socket),
        title: "\u{1f5a5}".repeat(5000),
        app_id: "a\0b".to_owned(),
        outputs: vec![output(640, 480)],
    };
    let mut display = gpu_display::WaylandDisplay::new(config).unwrap();
    let request = SurfaceRequest {
        role: Role::Scanout { output: 0 },
        width: 4,
        height: 2,
    };
    display.create_surface(&request).unwrap();

    for _ in 0..4 {
        display.dispatch(std::time::Instant::now()).unwrap();
        compositor.turn();
    }

    let window = compositor.world.window();
    assert_eq!(window.title, "\u{1f5a5}".repeat(512));
    assert_eq!(window.app_id, "a");
}
