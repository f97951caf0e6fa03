//! Windows: what they are called, and whose size follows whose.

use gpu_display::{Display, Event, Role, SurfaceId, SurfaceRequest};
use x11rb::connection::Connection;
use x11rb::protocol::xproto::{
    AtomEnum, CLIENT_MESSAGE_EVENT, ClientMessageData, ClientMessageEvent, ConfigureWindowAux,
    ConnectionExt, EventMask, Window,
};

use crate::common::{BLACK, BLUE, RED, Source, output};
use crate::desk::{Desk, desk};
use crate::xvfb::{Xvfb, is_installed};

fn atom(desk: &Desk, name: &str) -> u32 {
    let atom = desk.eye().intern_atom(false, name.as_bytes()).unwrap();
    atom.reply().unwrap().atom
}

fn property(desk: &Desk, window: Window, name: u32) -> Vec<u8> {
    let property = desk.eye().get_property(false, window, name, 0_u32, 0, 1000);
    property.unwrap().reply().unwrap().value
}

/// The user drags the edge of the only window.
fn drag(desk: &mut Desk, width: u32, height: u32) {
    let size = ConfigureWindowAux::new().width(width).height(height);
    let configured = desk.eye().configure_window(desk.window(), &size);
    configured.unwrap().check().unwrap();
}

/// The guest takes another mode.
fn change_mode(desk: &mut Desk, surface: SurfaceId, width: u32, height: u32) {
    let request = SurfaceRequest {
        role: Role::Scanout { output: 0 },
        width,
        height,
    };
    desk.display.configure_surface(surface, &request).unwrap();
    desk.show_all(surface, &mut Source::plain(width, height, BLUE));
}

fn outputs_changed(desk: &mut Desk) {
    let mut events = Vec::new();
    desk.run_until(|desk| {
        events.extend(desk.events());
        events.contains(&Event::OutputsChanged)
    });
}

/// A display may be used on another thread than it was made on.
const _: () = {
    const fn is_send<T: Send>() {}
    is_send::<gpu_display::X11Display>();
};

#[test]
fn a_window_says_what_it_is() {
    let mut desk = desk!();
    desk.surface(0, 320, 200);

    let window = desk.window();
    let name = atom(&desk, "_NET_WM_NAME");
    assert_eq!(
        property(&desk, window, name),
        "A guest \u{1f5a5}".as_bytes()
    );
    let class = property(&desk, window, AtomEnum::WM_CLASS.into());
    assert_eq!(class, b"guest\0guest\0");
    let hints = property(&desk, window, AtomEnum::WM_NORMAL_HINTS.into());
    let hint = |index: usize| u32::from_ne_bytes(hints[index * 4..][..4].try_into().unwrap());
    // Program-specified smallest size.
    assert_eq!((hint(0), hint(5), hint(6)), (16, 128, 96));
    assert_eq!(desk.window_size(), (320, 200));
}

#[test]
fn each_output_has_a_window() {
    if !is_installed() {
        eprintln!("skipped: Xvfb is not installed");
        return;
    }
    let outputs = vec![output(640, 480), output(800, 600)];
    let mut desk = Desk::with_outputs(Xvfb::start(&[]), outputs);

    let first = desk.surface(0, 4, 2);
    let second = desk.surface(1, 2, 4);
    desk.run_until(|desk| desk.windows().len() == 2);
    desk.show_all(first, &mut Source::plain(4, 2, RED));
    desk.show_all(second, &mut Source::plain(2, 4, BLUE));

    let windows = desk.windows();
    let names: Vec<_> = windows
        .iter()
        .map(|window| property(&desk, *window, AtomEnum::WM_NAME.into()))
        .collect();
    assert!(names[0].ends_with(b" (1)") && names[1].ends_with(b" (2)"));
    let whole = gpu_buffer::Rect::new(0, 0, 2, 4);
    assert_eq!(desk.pixels(windows[1], whole), [[0, 0, 255]; 8]);
}

#[test]
fn closing_a_window_is_a_request() {
    let mut desk = desk!();
    let surface = desk.surface(0, 320, 200);
    let window = desk.window();
    let data = [atom(&desk, "WM_DELETE_WINDOW"), 0, 0, 0, 0];
    let message = ClientMessageEvent {
        response_type: CLIENT_MESSAGE_EVENT,
        format: 32,
        sequence: 0,
        window,
        type_: atom(&desk, "WM_PROTOCOLS"),
        data: ClientMessageData::from(data),
    };

    let sent = desk
        .eye()
        .send_event(false, window, EventMask::NO_EVENT, message);
    sent.unwrap().check().unwrap();

    desk.settle();
    assert_eq!(desk.events(), [Event::CloseRequested { surface }]);
    assert_eq!(desk.windows().len(), 1);
}

#[test]
fn the_output_follows_the_window_and_the_guest_the_output() {
    let mut desk = desk!();
    let surface = desk.surface(0, 320, 200);
    desk.show_all(surface, &mut Source::plain(320, 200, RED));
    assert_eq!(desk.mode(), (640, 480));

    drag(&mut desk, 400, 300);
    outputs_changed(&mut desk);
    assert_eq!(desk.mode(), (400, 300));
    // Until the guest follows, its picture is in the middle.
    desk.show_all(surface, &mut Source::plain(320, 200, RED));
    desk.assert_shows((400, 300), |x, y| {
        let inside = (40..360).contains(&x) && (50..250).contains(&y);
        if inside { RED } else { BLACK }
    });

    change_mode(&mut desk, surface, 400, 300);
    desk.assert_shows((400, 300), |_, _| BLUE);
    assert!(!desk.events().contains(&Event::OutputsChanged));
}

#[test]
fn the_window_follows_a_mode_that_the_guest_chose() {
    let mut desk = desk!();
    let surface = desk.surface(0, 320, 200);
    desk.show_all(surface, &mut Source::plain(320, 200, RED));

    change_mode(&mut desk, surface, 256, 128);
    desk.run_until(|desk| desk.window_size() == (256, 128));
    let start = std::time::Instant::now();
    desk.run_until(|_| start.elapsed().as_millis() > 300);

    assert!(!desk.events().contains(&Event::OutputsChanged));
    assert_eq!(desk.mode(), (640, 480));
    change_mode(&mut desk, surface, 256, 128);
    desk.assert_shows((256, 128), |_, _| BLUE);
}

#[test]
fn the_window_follows_a_guest_back_to_the_mode_that_it_was_asked_for() {
    let mut desk = desk!();
    let surface = desk.surface(0, 640, 480);
    desk.show_all(surface, &mut Source::plain(640, 480, RED));

    change_mode(&mut desk, surface, 256, 128);
    desk.run_until(|desk| desk.window_size() == (256, 128));
    change_mode(&mut desk, surface, 640, 480);

    desk.run_until(|desk| desk.window_size() == (640, 480));
    desk.assert_shows((640, 480), |_, _| BLUE);
}

#[test]
fn a_guest_that_changes_its_mode_and_at_once_back_keeps_its_window() {
    let mut desk = desk!();
    let surface = desk.surface(0, 640, 480);
    desk.show_all(surface, &mut Source::plain(640, 480, RED));
    desk.events();

    for (width, height) in [(256, 128), (300, 200), (640, 480)] {
        let request = SurfaceRequest {
            role: Role::Scanout { output: 0 },
            width,
            height,
        };
        desk.display.configure_surface(surface, &request).unwrap();
    }
    desk.show_all(surface, &mut Source::plain(640, 480, BLUE));

    desk.run_until(|desk| desk.window_size() == (640, 480));
    desk.assert_shows((640, 480), |_, _| BLUE);
    let start = std::time::Instant::now();
    desk.run_until(|_| start.elapsed().as_millis() > 300);
    // Nobody but the guest has changed anything.
    assert!(!desk.events().contains(&Event::OutputsChanged));
    assert_eq!(desk.mode(), (640, 480));
}

#[test]
fn the_largest_and_the_smallest_window_are_outputs_that_can_be() {
    let mut desk = desk!();
    let surface = desk.surface(0, 320, 200);
    desk.show_all(surface, &mut Source::plain(320, 200, RED));

    drag(&mut desk, 65_535, 65_535);
    outputs_changed(&mut desk);
    assert_eq!(desk.mode(), (16_384, 16_384));
    drag(&mut desk, 1, 1);
    outputs_changed(&mut desk);

    assert_eq!(desk.mode(), (32, 32));
    desk.show_all(surface, &mut Source::plain(320, 200, RED));
    desk.assert_shows((1, 1), |_, _| RED);
}

#[test]
fn a_window_without_a_surface_goes_black_and_stays_for_the_next() {
    let mut desk = desk!();
    let surface = desk.surface(0, 32, 20);
    desk.show_all(surface, &mut Source::plain(32, 20, RED));
    let window = desk.window();

    desk.display.destroy_surface(surface);
    desk.run_until(|desk| desk.pixels(window, gpu_buffer::Rect::new(0, 0, 1, 1)) == [[0; 3]]);
    let next = desk.surface(0, 32, 20);
    desk.show_all(next, &mut Source::plain(32, 20, BLUE));

    assert_eq!(desk.window(), window);
    desk.assert_shows((32, 20), |_, _| BLUE);
}

#[test]
fn an_output_that_is_unplugged_loses_its_window_with_its_surface() {
    let mut desk = desk!();
    let surface = desk.surface(0, 32, 20);
    desk.show_all(surface, &mut Source::plain(32, 20, RED));
    desk.events();
    let mut output = desk.display.outputs()[0];
    output.enabled = false;

    desk.display.set_output(0, output).unwrap();
    desk.settle();
    assert_eq!(desk.events(), [Event::OutputsChanged]);
    assert_eq!(desk.windows().len(), 1);
    desk.display.destroy_surface(surface);
    desk.run_until(|desk| desk.windows().is_empty());

    output.enabled = true;
    desk.display.set_output(0, output).unwrap();
    let surface = desk.surface(0, 32, 20);
    desk.show_all(surface, &mut Source::plain(32, 20, BLUE));
    desk.assert_shows((32, 20), |_, _| BLUE);
    assert_eq!(desk.display.statistics().connections, 1);
}

#[test]
fn a_picture_that_was_covered_is_asked_for_again() {
    let mut desk = desk!();
    let surface = desk.surface(0, 32, 20);
    desk.show_all(surface, &mut Source::plain(32, 20, RED));
    desk.events();

    let eye = desk.eye();
    let window = desk.window();
    eye.unmap_window(window).unwrap().check().unwrap();
    eye.map_window(window).unwrap().check().unwrap();
    eye.flush().unwrap();
    desk.settle();

    assert_eq!(desk.events(), [Event::Redraw { surface }]);
    desk.show_all(surface, &mut Source::plain(32, 20, BLUE));
    desk.assert_shows((32, 20), |_, _| BLUE);
}

#[test]
fn nobody_is_woken_while_nothing_moves() {
    let mut desk = desk!();
    let surface = desk.surface(0, 32, 20);
    desk.show_all(surface, &mut Source::plain(32, 20, RED));
    desk.settle();

    let poll = desk.display.poll_fd().unwrap();
    let mut fds = [nix::poll::PollFd::new(
        poll.fd,
        nix::poll::PollFlags::POLLIN,
    )];
    let ready = nix::poll::poll(&mut fds, 200_u16).unwrap();

    assert_eq!((ready, desk.display.deadline()), (0, None));
}
