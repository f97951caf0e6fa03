//! Pixels that the compositor reads where they were drawn.

use std::sync::Arc;

use gpu_buffer::{Allocator, AnonymousAllocator, Buffer, BufferRequest, DrmFourcc, Layout};
use gpu_buffer::{MemfdAllocator, Rect};
use gpu_display::{Display, Event, Frame, PixelSource, Presented, SurfaceId};
use vm_memory::Bytes;

use crate::common::{BLUE, RED};
use crate::compositor::{Offer, Releases};
use crate::desk::Desk;

const LAYOUT: (u32, u32) = (16, 8);

fn buffer(allocator: &mut dyn Allocator, [red, green, blue, _]: [u8; 4]) -> Arc<Buffer> {
    let layout = Layout::packed(LAYOUT.0, LAYOUT.1, DrmFourcc::Argb8888).unwrap();
    let buffer = allocator.allocate(&BufferRequest { layout }).unwrap();
    let pixels = [blue, green, red, 0].repeat(128);
    buffer.memory().write_slice(&pixels, 0).unwrap();
    Arc::new(buffer)
}

fn shared(colour: [u8; 4]) -> Arc<Buffer> {
    buffer(&mut MemfdAllocator, colour)
}

fn present(desk: &mut Desk, surface: SurfaceId, buffer: &Arc<Buffer>, damage: Rect) -> Presented {
    let frame = Frame {
        pixels: PixelSource::Buffer(buffer),
        layout: *buffer.layout(),
        crop: buffer.layout().bounds(),
        damage: &[damage],
    };
    desk.display.present(surface, &frame).unwrap()
}

fn flip(desk: &mut Desk, surface: SurfaceId, buffer: &Arc<Buffer>) {
    let whole = buffer.layout().bounds();
    assert_eq!(present(desk, surface, buffer, whole), Presented::Taken);
    desk.settle();
}

#[test]
fn flipping_between_two_buffers_copies_nothing_and_tells_each_once() {
    let mut desk = Desk::new(Offer::default());
    let surface = desk.surface(0, 16, 8);
    let (red, blue) = (shared(RED), shared(BLUE));

    for _ in 0..10 {
        flip(&mut desk, surface, &red);
        desk.compositor().world.screen().assert(LAYOUT, |_, _| RED);
        flip(&mut desk, surface, &blue);
        desk.compositor().world.screen().assert(LAYOUT, |_, _| BLUE);
    }

    let statistics = desk.display.statistics();
    assert_eq!((statistics.copied_bytes, statistics.shared_frames), (0, 20));
    assert_eq!(desk.compositor().world.pools, 2);
}

#[test]
fn a_picture_stays_as_it_is_until_the_compositor_has_done_with_it() {
    let mut desk = Desk::new(Offer::default());
    let surface = desk.surface(0, 16, 8);
    let (red, blue) = (shared(RED), shared(BLUE));

    flip(&mut desk, surface, &red);
    assert_eq!(Arc::strong_count(&red), 2);
    flip(&mut desk, surface, &blue);
    assert_eq!(Arc::strong_count(&red), 1);
    assert_eq!(Arc::strong_count(&blue), 2);

    desk.compositor().world.releases = Releases::AtOnce;
    flip(&mut desk, surface, &red);
    assert_eq!(Arc::strong_count(&red), 1);
}

#[test]
fn small_changes_are_copied_so_that_drawing_goes_on_in_place() {
    let mut desk = Desk::new(Offer::default());
    let surface = desk.surface(0, 16, 8);
    let red = shared(RED);
    flip(&mut desk, surface, &red);

    red.memory().write_slice(&[255, 0, 0, 0], 0).unwrap();
    let presented = present(&mut desk, surface, &red, Rect::new(0, 0, 1, 1));
    desk.settle();

    assert_eq!(presented, Presented::Taken);
    assert_eq!(Arc::strong_count(&red), 1);
    let pixel = |x, y| if (x, y) == (0, 0) { BLUE } else { RED };
    desk.compositor().world.screen().assert(LAYOUT, pixel);
    // All of it this time: no buffer had the picture.
    assert_eq!(desk.display.statistics().copied_bytes, 16 * 8 * 4);
}

#[test]
fn private_memory_is_copied() {
    let mut desk = Desk::new(Offer::default());
    let surface = desk.surface(0, 16, 8);
    let red = buffer(&mut AnonymousAllocator, RED);

    flip(&mut desk, surface, &red);

    desk.compositor().world.screen().assert(LAYOUT, |_, _| RED);
    assert_eq!(desk.display.statistics().shared_frames, 0);
}

#[test]
fn a_part_of_a_shared_picture_is_shared_as_well() {
    let mut desk = Desk::new(Offer::default());
    let surface = desk.surface(0, 4, 3);
    let red = shared(RED);
    // The pixel at 5,2 is the first that is seen.
    red.memory()
        .write_slice(&[255, 0, 0, 0], (2 * 16 + 5) * 4)
        .unwrap();

    let frame = Frame {
        pixels: PixelSource::Buffer(&red),
        layout: *red.layout(),
        crop: Rect::new(5, 2, 4, 3),
        damage: &[Rect::new(0, 0, 4, 3)],
    };
    desk.display.present(surface, &frame).unwrap();
    desk.settle();

    let pixel = |x, y| if (x, y) == (0, 0) { BLUE } else { RED };
    desk.compositor().world.screen().assert((4, 3), pixel);
    assert_eq!(desk.display.statistics().copied_bytes, 0);
}

#[test]
fn a_part_that_the_protocol_cannot_describe_is_copied() {
    let mut desk = Desk::new(Offer::default());
    let surface = desk.surface(0, 15, 8);
    let red = shared(RED);

    // Counted in whole rows it ends behind the picture.
    let frame = Frame {
        pixels: PixelSource::Buffer(&red),
        layout: *red.layout(),
        crop: Rect::new(1, 0, 15, 8),
        damage: &[Rect::new(0, 0, 15, 8)],
    };
    desk.display.present(surface, &frame).unwrap();
    desk.settle();

    desk.compositor().world.screen().assert((15, 8), |_, _| RED);
    assert_eq!(desk.display.statistics().copied_bytes, 15 * 8 * 4);
}

#[test]
fn a_buffer_that_is_freed_is_forgotten_by_the_compositor() {
    let mut desk = Desk::new(Offer::default());
    let surface = desk.surface(0, 16, 8);
    let blue = shared(BLUE);
    for _ in 0..8 {
        flip(&mut desk, surface, &shared(RED));
        flip(&mut desk, surface, &blue);
    }

    let buffers = desk.compositor().world.live_buffers();

    assert_eq!(buffers, 1);
}

#[test]
fn a_compositor_that_keeps_everything_gets_three_buffers_and_no_more() {
    let mut desk = Desk::new(Offer::default());
    let surface = desk.surface(0, 16, 8);
    desk.compositor().world.releases = Releases::Never;
    let pictures: Vec<_> = (0..5).map(|_| shared(RED)).collect();
    for picture in &pictures[..3] {
        flip(&mut desk, surface, picture);
    }

    let whole = pictures[3].layout().bounds();
    let fourth = present(&mut desk, surface, &pictures[3], whole);
    desk.settle();
    let events = desk.events();
    let small = present(&mut desk, surface, &pictures[3], Rect::new(0, 0, 1, 1));

    assert_eq!((fourth, small), (Presented::Busy, Presented::Busy));
    assert_eq!(events, []);
    assert_eq!(Arc::strong_count(&pictures[3]), 1);

    desk.compositor().world.release_all();
    desk.settle();
    assert_eq!(desk.events(), [Event::Ready { surface }]);
    flip(&mut desk, surface, &pictures[4]);
}
