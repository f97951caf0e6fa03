//! Servers that freeze, die, refuse, or break the rules.

use std::fs;
use std::io::Write;
use std::time::{Duration, Instant};

use gpu_buffer::Rect;
use gpu_display::{
    Display, DisplayError, Event, Presented, SurfaceId, X11Config, X11Display, X11Transport,
};
use x11rb::protocol::xproto::ConnectionExt;

use crate::common::{BLUE, RED, Source};
use crate::desk::{Desk, desk};
use crate::liar::Liar;
use crate::xvfb::Xvfb;

const WHOLE: Rect = Rect {
    x: 0,
    y: 0,
    width: 64,
    height: 32,
};

fn shown(mut desk: Desk) -> (Desk, SurfaceId, Source) {
    let surface = desk.surface(0, 64, 32);
    let mut source = Source::plain(64, 32, RED);
    desk.show_all(surface, &mut source);
    desk.events();
    (desk, surface, source)
}

fn present(desk: &mut Desk, surface: SurfaceId, source: &mut Source) -> Presented {
    let presented = source.present(&mut desk.display, surface, WHOLE, &[WHOLE]);
    presented.unwrap()
}

fn wait_for_redraw(desk: &mut Desk, surface: SurfaceId) {
    let mut events = Vec::new();
    desk.run_until(|desk| {
        events.extend(desk.events());
        events.contains(&Event::Redraw { surface })
    });
}

#[test]
fn without_a_server_there_is_no_display() {
    for name in [":987", "nowhere.example:0", "", "unix/x:987"] {
        let display = X11Display::new(X11Config {
            display: Some(name.to_owned()),
            ..X11Config::default()
        });

        assert!(
            matches!(display, Err(DisplayError::Connect { .. })),
            "{name}"
        );
    }
}

#[test]
fn a_server_that_dies_is_waited_for_and_gets_the_last_picture() {
    if !crate::xvfb::is_installed() {
        eprintln!("skipped: Xvfb is not installed");
        return;
    }
    // A number that no other test's server takes meanwhile: they take the first that is free.
    let number = 2000 + std::process::id() % 10_000;
    let (mut desk, surface, mut source) = shown(Desk::new(Xvfb::start_as(number)));
    (desk.eye, desk.server) = (None, None);
    desk.run_until(|desk| !desk.display.is_online());
    assert_eq!(present(&mut desk, surface, &mut source), Presented::Busy);
    desk.settle();

    desk.server = Some(Xvfb::start_as(number));
    let start = Instant::now();
    wait_for_redraw(&mut desk, surface);
    let time = start.elapsed();
    desk.eye = Some(x11rb::connect(Some(&format!(":{number}"))).unwrap().0);
    source.bytes = Source::plain(64, 32, BLUE).bytes;
    desk.show_all(surface, &mut source);

    assert!(time < Duration::from_secs(1), "{time:?}");
    desk.assert_shows((64, 32), |_, _| BLUE);
    assert_eq!(desk.display.statistics().connections, 2);
}

#[test]
fn a_display_that_is_thrown_out_comes_back() {
    let (mut desk, surface, mut source) = shown(desk!());

    // What window managers do with clients that do not answer.
    desk.eye()
        .kill_client(desk.window())
        .unwrap()
        .check()
        .unwrap();
    wait_for_redraw(&mut desk, surface);
    desk.show_all(surface, &mut source);

    desk.assert_shows((64, 32), |_, _| RED);
}

#[test]
fn a_window_that_somebody_destroys_comes_back() {
    let (mut desk, surface, mut source) = shown(desk!());

    desk.eye()
        .destroy_window(desk.window())
        .unwrap()
        .check()
        .unwrap();
    wait_for_redraw(&mut desk, surface);
    desk.show_all(surface, &mut source);

    desk.assert_shows((64, 32), |_, _| RED);
}

#[test]
fn a_frozen_server_is_not_waited_for_and_goes_on_where_it_stopped() {
    for without in [vec![], vec!["MIT-SHM"]] {
        if !crate::xvfb::is_installed() {
            eprintln!("skipped: Xvfb is not installed");
            return;
        }
        let (mut desk, surface, mut source) = shown(Desk::new(Xvfb::start(&without)));
        desk.server.as_ref().unwrap().freeze(true);
        let start = Instant::now();
        let files = fs::read_dir("/proc/self/fd").unwrap().count();

        for _ in 0..2000 {
            let _ = present(&mut desk, surface, &mut source);
            desk.display.dispatch(Instant::now()).unwrap();
        }
        let time = start.elapsed();
        desk.server.as_ref().unwrap().freeze(false);
        source.bytes = Source::plain(64, 32, BLUE).bytes;
        desk.show_all(surface, &mut source);

        assert!(time < Duration::from_secs(10), "{time:?}");
        assert!(fs::read_dir("/proc/self/fd").unwrap().count() < files + 60);
        assert_eq!(desk.display.statistics().connections, 1);
        desk.assert_shows((64, 32), |_, _| BLUE);
    }
}

#[test]
fn a_server_without_memory_gets_pixels_through_the_socket() {
    let (mut desk, surface, _) = shown(desk!());
    assert_eq!(desk.display.transport(), Some(X11Transport::Present));
    if !desk.server.as_ref().unwrap().starve(1 << 20) {
        eprintln!("skipped: there is no prlimit");
        return;
    }

    // More than it has left, and then not much.
    let mut resize = |width, height| {
        let request = gpu_display::SurfaceRequest {
            role: gpu_display::Role::Scanout { output: 0 },
            width,
            height,
        };
        desk.display.configure_surface(surface, &request).unwrap();
        let mut source = Source::plain(width, height, BLUE);
        desk.show_all(surface, &mut source);
        desk.show_all(surface, &mut source);
    };
    resize(700, 500);
    resize(100, 50);

    desk.assert_shows((100, 50), |_, _| BLUE);
    assert_eq!(desk.display.transport(), Some(X11Transport::Socket));
    assert_eq!(desk.display.statistics().connections, 1);
}

#[test]
fn no_more_is_sent_than_a_server_shows() {
    let (mut desk, surface, mut source) = shown(desk!());
    let before = desk.display.statistics().frames;
    let start = Instant::now();

    desk.run_until(|desk| {
        let _ = present(desk, surface, &mut source);
        start.elapsed() > Duration::from_secs(1)
    });

    let frames = desk.display.statistics().frames - before;
    assert!((5..=80).contains(&frames), "{frames} frames in a second");
}

#[test]
fn many_sizes_leave_nothing_behind() {
    let (mut desk, surface, mut source) = shown(desk!());
    let files = || {
        let memfds = fs::read_dir("/proc/self/fd").unwrap();
        let memfds = memfds.filter_map(|fd| fs::read_link(fd.ok()?.path()).ok());
        memfds
            .filter(|path| path.to_string_lossy().contains("gpu_buffer"))
            .count()
    };
    for _ in 0..4 {
        desk.show_all(surface, &mut source);
    }

    for round in 1..100_u32 {
        let request = gpu_display::SurfaceRequest {
            role: gpu_display::Role::Scanout { output: 0 },
            width: 64 + round % 9,
            height: 32,
        };
        desk.display.configure_surface(surface, &request).unwrap();
        let mut other = Source::plain(64 + round % 9, 32, BLUE);
        let whole = other.layout.bounds();
        desk.run_until(|desk| {
            let presented = other.present(&mut desk.display, surface, whole, &[whole]);
            presented.unwrap() == Presented::Taken
        });
    }
    desk.settle();

    // Other tests run meanwhile.
    assert!(files() < 100, "{} files", files());
    let clients = desk.eye().list_properties(desk.window()).unwrap().reply();
    assert!(clients.is_ok());
}

/// The greeting of a server with one screen, in which these bytes are others.
pub(crate) fn greeting(changes: &[(usize, u8)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Accepted, version 11.0; the length in words comes last.
    bytes.extend([1, 0, 11, 0, 0, 0, 0, 0]);
    // Release, base and mask of names, motion buffer.
    for word in [0_u32, 0x20_0000, 0x1f_ffff, 256] {
        bytes.extend(word.to_ne_bytes());
    }
    // Length of the vendor's name, longest request, screens, formats, orders, bitmaps, keycodes.
    bytes.extend([0, 0, 0xff, 0xff, 1, 1, 0, 0, 32, 32, 8, 255, 0, 0, 0, 0]);
    // Format: depth 24, 32 bits, rows of 32 bits.
    bytes.extend([24, 32, 32, 0, 0, 0, 0, 0]);
    // Screen: root, colormap, white, black, events.
    for word in [1_u32, 2, 0xff_ffff, 0, 0] {
        bytes.extend(word.to_ne_bytes());
    }
    // 800x600, millimetres, colormaps.
    for half in [800_u16, 600, 300, 200, 1, 1] {
        bytes.extend(half.to_ne_bytes());
    }
    // Visual 3, no stores, depth 24, one depth.
    bytes.extend(3_u32.to_ne_bytes());
    bytes.extend([0, 0, 24, 1]);
    // Depth 24 with one visual: 3, TrueColor, 8 bits, 256 entries, masks.
    bytes.extend([24, 0, 1, 0, 0, 0, 0, 0]);
    bytes.extend(3_u32.to_ne_bytes());
    bytes.extend([4, 8, 0, 1]);
    for mask in [0xff_0000_u32, 0xff00, 0xff, 0] {
        bytes.extend(mask.to_ne_bytes());
    }
    let words = u16::try_from((bytes.len() - 8) / 4).unwrap();
    bytes[6..8].copy_from_slice(&words.to_ne_bytes());
    for (at, byte) in changes {
        bytes[*at] = *byte;
    }
    bytes
}

/// Whether a server that says this is still listened to; the display lives in any case.
fn is_believed(sayings: &[&[u8]]) -> Option<bool> {
    let mut liar = Liar::new()?;
    let mut stands = true;
    for saying in sayings {
        stands = stands && liar.say(saying);
    }
    if !stands {
        let later = Instant::now() + Duration::from_millis(500);
        liar.display.dispatch(later).unwrap();
        liar.listener.set_nonblocking(true).unwrap();
        std::thread::sleep(Duration::from_millis(20));
        assert!(liar.listener.accept().is_ok(), "it did not come back");
    }
    Some(stands)
}

#[test]
fn servers_that_say_what_they_cannot_mean_are_left() {
    let well = greeting(&[]);
    let Some(stands) = is_believed(&[&well]) else {
        eprintln!("skipped: no port of an X server is free");
        return;
    };
    assert!(stands);
    // Refused, to be asked more, and a word that means nothing.
    for status in [0, 2, 77] {
        let mut refused = greeting(&[(0, status)]);
        refused[1] = 4;
        assert_eq!(is_believed(&[&refused]), Some(false), "{status}");
    }
    // A palette, 16 bits a pixel, no screen, more screens than there are.
    for change in [(100, 3), (41, 16), (28, 0), (28, 200)] {
        assert_eq!(
            is_believed(&[&greeting(&[change])]),
            Some(false),
            "{change:?}"
        );
    }
    // A reply of 16 GiB, one to what was not asked, and one that is too early.
    let mut reply = [0_u8; 32];
    reply[0] = 1;
    reply[2] = 9;
    assert_eq!(is_believed(&[&well, &reply]), Some(false));
    reply[2] = 1;
    reply[4..8].copy_from_slice(&u32::MAX.to_ne_bytes());
    assert_eq!(is_believed(&[&well, &reply]), Some(false));
}

#[test]
fn events_and_errors_about_nothing_are_ignored() {
    let well = greeting(&[]);
    let mut packets = Vec::new();
    for kind in (2..=34).chain([36, 64, 90, 127, 130]) {
        let mut event = [0x5a_u8; 32];
        (event[0], event[2], event[3]) = (kind, 0, 0);
        packets.extend(event);
    }
    // An error about a request that was not checked.
    let mut error = [0_u8; 32];
    (error[1], error[2], error[10]) = (3, 0, 1);
    packets.extend(error);
    // An event of an extension that is not there.
    let mut event = [0_u8; 32];
    (event[0], event[1]) = (35, 200);
    packets.extend(event);

    if let Some(stands) = is_believed(&[&well, &packets]) {
        assert!(stands);
    }
}

#[test]
fn a_flood_is_taken_in_bit_by_bit() {
    let Some(mut liar) = Liar::new() else {
        eprintln!("skipped: no port of an X server is free");
        return;
    };
    assert!(liar.say(&greeting(&[])));
    let mut stream = liar.stream.try_clone().unwrap();
    let flood = std::thread::spawn(move || {
        let mut event = [0_u8; 32];
        event[0] = 6;
        let events = event.repeat(2048);
        let end = Instant::now() + Duration::from_secs(10);
        let mut sent = 0;
        while Instant::now() < end {
            match stream.write(&events[sent % events.len()..]) {
                Ok(bytes) => sent += bytes,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    std::thread::yield_now();
                }
                Err(_) => return,
            }
        }
    });

    let start = Instant::now();
    for _ in 0..100 {
        liar.display.dispatch(start).unwrap();
    }
    let time = start.elapsed();

    drop(liar);
    flood.join().unwrap();
    assert!(time < Duration::from_secs(8), "{time:?}");
}
