//! Pixels, by each way to the server.

use std::sync::Arc;

use gpu_buffer::{Allocator, Buffer, BufferRequest, DrmFourcc, Layout, MemfdAllocator, Rect};
use gpu_display::{Display, DisplayError, Frame, PixelSource, Presented, SurfaceId, X11Transport};
use vm_memory::Bytes;

use crate::common::{BLUE, GREEN, RED, Source, output};
use crate::desk::{Desk, desk};
use crate::xvfb::{Xvfb, is_installed};

fn gradient(x: u32, y: u32) -> [u8; 4] {
    [x as u8, y as u8, (x * 3 + y) as u8, 7]
}

/// Draws on a picture again and again, and looks after each time.
fn draw_and_look(desk: &mut Desk) {
    let size = (300, 170);
    let surface = desk.surface(0, size.0, size.1);
    let mut source = Source::new(size.0, size.1, gradient);
    desk.show_all(surface, &mut source);
    desk.assert_shows(size, gradient);

    let mut marked: Vec<(Rect, [u8; 4])> = Vec::new();
    let colours = [RED, GREEN, BLUE, [255; 4]].into_iter().cycle();
    for (round, colour) in (0..12).zip(colours) {
        let rect = Rect::new(round * 20, round * 11, 25 + round, 30);
        marked.push((rect, colour));
        let pixel = |x: u32, y: u32| {
            let over = marked.iter().rev().find(|(rect, _)| {
                (rect.x..rect.x + rect.width).contains(&x)
                    && (rect.y..rect.y + rect.height).contains(&y)
            });
            over.map_or(gradient(x, y), |(_, colour)| *colour)
        };
        source = Source::new(size.0, size.1, pixel);
        let (left, right) = (rect.width / 2, rect.width - rect.width / 2);
        let halves = [
            Rect::new(rect.x, rect.y, left, rect.height),
            Rect::new(rect.x + left, rect.y, right, rect.height),
        ];
        desk.show(surface, &mut source, &halves);
        desk.assert_shows(size, pixel);
    }
}

#[test]
fn with_present_every_pixel_is_right() {
    let mut desk = desk!();
    assert_eq!(desk.display.transport(), Some(X11Transport::Present));
    draw_and_look(&mut desk);
}

#[test]
fn with_shared_memory_alone_every_pixel_is_right() {
    let mut desk = desk!("XFIXES");
    assert_eq!(desk.display.transport(), Some(X11Transport::SharedMemory));
    draw_and_look(&mut desk);
}

#[test]
fn through_the_socket_every_pixel_is_right() {
    let mut desk = desk!("MIT-SHM");
    assert_eq!(desk.display.transport(), Some(X11Transport::Socket));
    draw_and_look(&mut desk);
}

#[test]
fn a_remote_server_gets_its_pixels_through_the_socket() {
    if !is_installed() {
        eprintln!("skipped: Xvfb is not installed");
        return;
    }
    let server = Xvfb::start_remote();
    let name = format!("localhost:{}", server.number());
    let mut desk = Desk::at(&name, server, vec![output(640, 480)]);
    assert_eq!(desk.display.transport(), Some(X11Transport::Socket));
    draw_and_look(&mut desk);
}

#[test]
fn a_picture_longer_than_a_request_arrives_in_pieces() {
    let mut desk = desk!("MIT-SHM");
    let surface = desk.surface(0, 700, 500);

    desk.show_all(surface, &mut Source::new(700, 500, gradient));

    desk.assert_shows((700, 500), gradient);
    assert_eq!(desk.display.statistics().copied_bytes, 700 * 500 * 4);
}

fn shared(colour: [u8; 4], stride: u32) -> Arc<Buffer> {
    let layout = Layout::with_stride(64, 32, stride, DrmFourcc::Argb8888).unwrap();
    let buffer = MemfdAllocator.allocate(&BufferRequest { layout }).unwrap();
    let pixels = [colour[2], colour[1], colour[0], 0];
    let bytes = pixels.repeat(layout.size() as usize / 4);
    buffer.memory().write_slice(&bytes, 0).unwrap();
    Arc::new(buffer)
}

fn present(desk: &mut Desk, surface: SurfaceId, buffer: &Arc<Buffer>, crop: Rect) {
    let whole = Rect::new(0, 0, crop.width, crop.height);
    desk.run_until(|desk| {
        let frame = Frame {
            pixels: PixelSource::Buffer(buffer),
            layout: *buffer.layout(),
            crop,
            damage: &[whole],
        };
        desk.display.present(surface, &frame).unwrap() == Presented::Taken
    });
    desk.settle();
}

/// Flips between two pictures in shared memory.
fn flip(mut desk: Desk) {
    let surface = desk.surface(0, 64, 32);
    let (red, blue) = (shared(RED, 256), shared(BLUE, 256));
    let whole = Rect::new(0, 0, 64, 32);

    for _ in 0..4 {
        present(&mut desk, surface, &red, whole);
        desk.assert_shows((64, 32), |_, _| RED);
        present(&mut desk, surface, &blue, whole);
        desk.assert_shows((64, 32), |_, _| BLUE);
    }

    let statistics = desk.display.statistics();
    assert_eq!((statistics.copied_bytes, statistics.shared_frames), (0, 8));
    assert_eq!(Arc::strong_count(&red), 1);
}

#[test]
fn pictures_are_presented_from_where_they_were_drawn() {
    flip(desk!());
}

#[test]
fn a_picture_is_the_servers_until_it_says_that_it_is_idle() {
    let mut desk = desk!();
    let surface = desk.surface(0, 64, 32);
    let (red, blue) = (shared(RED, 256), shared(BLUE, 256));
    let whole = Rect::new(0, 0, 64, 32);
    present(&mut desk, surface, &red, whole);
    assert_eq!(Arc::strong_count(&red), 1);

    desk.server.as_ref().unwrap().freeze(true);
    present(&mut desk, surface, &blue, whole);
    assert_eq!(Arc::strong_count(&blue), 2);

    desk.server.as_ref().unwrap().freeze(false);
    desk.run_until(|_| Arc::strong_count(&blue) == 1);
    desk.assert_shows((64, 32), |_, _| BLUE);
}

#[test]
fn pictures_are_put_from_where_they_were_drawn() {
    flip(desk!("XFIXES"));
}

#[test]
fn a_part_of_a_shared_picture_is_shown_by_every_way() {
    for without in [vec![], vec!["XFIXES"], vec!["MIT-SHM"]] {
        if !is_installed() {
            eprintln!("skipped: Xvfb is not installed");
            return;
        }
        let mut desk = Desk::new(Xvfb::start(&without));
        let surface = desk.surface(0, 16, 8);
        let red = shared(RED, 320);
        // The pixel at 5,2 is the first that is seen.
        let first = 2 * 320 + 5 * 4;
        red.memory().write_slice(&[255, 0, 0, 0], first).unwrap();

        present(&mut desk, surface, &red, Rect::new(5, 2, 16, 8));

        desk.assert_shows((16, 8), |x, y| if (x, y) == (0, 0) { BLUE } else { RED });
    }
}

#[test]
fn only_what_changed_is_copied() {
    let mut desk = desk!();
    let surface = desk.surface(0, 64, 64);
    let mut source = Source::plain(64, 64, RED);
    for _ in 0..4 {
        desk.show_all(surface, &mut source);
    }
    desk.show(surface, &mut source, &[Rect::new(0, 0, 4, 4)]);
    desk.show(surface, &mut source, &[Rect::new(0, 0, 4, 4)]);
    desk.show(surface, &mut source, &[Rect::new(0, 0, 4, 4)]);
    let before = desk.display.statistics().copied_bytes;

    desk.show(surface, &mut source, &[Rect::new(8, 8, 4, 4)]);

    // That of the frames that another buffer carried may come along.
    let copied = desk.display.statistics().copied_bytes - before;
    assert!((64..=128).contains(&copied), "{copied} bytes");
}

#[test]
fn a_picture_longer_than_a_window_can_be_is_refused() {
    let mut desk = desk!();
    let request = gpu_display::SurfaceRequest {
        role: gpu_display::Role::Scanout { output: 0 },
        width: 32_768,
        height: 1,
    };

    let refused = desk.display.create_surface(&request);

    assert!(matches!(refused, Err(DisplayError::TooLarge { .. })));
}
