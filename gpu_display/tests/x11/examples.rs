//! The examples of the crate, each on a server of its own.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use gpu_buffer::Rect;
use x11rb::protocol::xfixes::ConnectionExt as _;
use x11rb::protocol::xproto::{
    BUTTON_PRESS_EVENT, ConnectionExt, ImageFormat, MOTION_NOTIFY_EVENT,
};
use x11rb::protocol::xtest::ConnectionExt as _;
use x11rb::rust_connection::RustConnection;

use crate::common::{example, keep_picture};
use crate::xvfb::{Xvfb, is_installed};

/// Starts an example on a server; `None` where there is none.
fn start(name: &str, seconds: &str) -> Option<(Xvfb, RustConnection, Child)> {
    if !is_installed() {
        eprintln!("skipped: Xvfb is not installed");
        return None;
    }
    let server = Xvfb::start(&[]);
    let child = example(name)?
        .args([format!("x11={}", server.name()), seconds.to_owned()])
        .stdout(Stdio::piped())
        .spawn();
    let eye = x11rb::connect(Some(&server.name())).unwrap().0;
    Some((server, eye, child.unwrap()))
}

/// Waits until the window's pixel at 10,10 is one that this likes.
fn wait_for_pixel(eye: &RustConnection, likes: impl Fn([u8; 3]) -> bool) {
    use x11rb::connection::Connection;
    let root = eye.setup().roots[0].root;
    let start = Instant::now();
    loop {
        let part = Rect::new(10, 10, 1, 1);
        let image = eye.get_image(
            ImageFormat::Z_PIXMAP,
            root,
            part.x as i16,
            part.y as i16,
            1,
            1,
            !0,
        );
        let pixel = image.unwrap().reply().unwrap().data;
        if likes([pixel[2], pixel[1], pixel[0]]) {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "{pixel:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// All that the server's monitor of 800x600 would show.
fn screen(eye: &RustConnection) -> Vec<[u8; 3]> {
    use x11rb::connection::Connection;
    let root = eye.setup().roots[0].root;
    let image = eye.get_image(ImageFormat::Z_PIXMAP, root, 0, 0, 800, 600, !0);
    let bytes = image.unwrap().reply().unwrap().data;
    let pixels = bytes.chunks(4).map(|pixel| [pixel[2], pixel[1], pixel[0]]);
    pixels.collect()
}

fn fake(eye: &RustConnection, kind: u8, detail: u8, at: i16) {
    use x11rb::connection::Connection;
    let root = eye.setup().roots[0].root;
    let fake = eye.xtest_fake_input(kind, detail, 0, root, at, at, 0);
    fake.unwrap().check().unwrap();
}

#[test]
fn the_gradient_moves() {
    let Some((_server, eye, child)) = start("gradient", "4") else {
        return;
    };

    // Red and green follow the place and the time, blue is their difference.
    wait_for_pixel(&eye, |[red, green, _]| red == green && red > 11);
    keep_picture("x11.png", 800, &screen(&eye));

    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let frames: u32 = text.split(' ').next().unwrap().parse().unwrap();
    assert!(output.status.success() && frames > 2, "{text}");
}

#[test]
fn the_pointer_is_a_ring() {
    let Some((_server, eye, mut child)) = start("cursor", "30") else {
        return;
    };
    wait_for_pixel(&eye, |pixel| pixel == [40, 60, 90]);
    fake(&eye, MOTION_NOTIFY_EVENT, 0, 100);
    eye.xfixes_query_version(5, 0).unwrap().reply().unwrap();

    let start = Instant::now();
    let look = loop {
        let look = eye.xfixes_get_cursor_image().unwrap().reply().unwrap();
        if look.width == 33 || start.elapsed() > Duration::from_secs(10) {
            break look;
        }
    };

    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!((look.width, look.height), (33, 33));
    assert_eq!((look.xhot, look.yhot), (16, 16));
    assert_eq!(look.cursor_image[16 * 33 + 1], 0xffff_c800);
    assert_eq!(look.cursor_image[16 * 33 + 16], 0);
}

#[test]
fn input_is_printed() {
    let Some((_server, eye, child)) = start("input", "3") else {
        return;
    };
    wait_for_pixel(&eye, |pixel| pixel == [90, 40, 60]);

    fake(&eye, MOTION_NOTIFY_EVENT, 0, 0);
    fake(&eye, BUTTON_PRESS_EVENT, 1, 0);

    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("PointerMoved { x: 0, y: 0 }"), "{text}");
    assert!(text.contains("Key { code: 272, state: Pressed }"), "{text}");
}
