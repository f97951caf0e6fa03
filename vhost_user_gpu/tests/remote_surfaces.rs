//! Pictures and cursors at the front end's display socket.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used
)]

mod support;

use std::sync::Arc;
use std::time::Instant;

use gpu_buffer::{Allocator, AnonymousAllocator, BufferRequest, DrmFourcc, Layout, Rect};
use gpu_display::{
    Display, DisplayError, Event, Frame, Hotspot, PixelSource, Position, Presented, Role,
    SurfaceId, SurfaceRequest,
};
use vhost_user_gpu::remote_display::RemoteDisplay;
use vm_memory::VolatileSlice;

use conformance::gpu_socket::*;
use support::remote::*;

#[test]
fn a_frame_refused_for_a_full_socket_is_announced_when_there_is_room() {
    let (mut display, mut gpu) = greeted();
    let (width, height) = (1024, 1024);
    let surface = display.create_surface(&scanout(0, width, height)).unwrap();
    let first = present(&mut display, surface, width, height, 1);
    assert_eq!(first, Presented::Taken);
    assert_eq!(
        present(&mut display, surface, width, height, 2),
        Presented::Busy
    );
    assert_eq!(
        present(&mut display, surface, width, height, 3),
        Presented::Busy
    );

    let mut displayed = display;
    let reader = std::thread::spawn(move || {
        let scanout = gpu.read();
        let update = gpu.read();
        (gpu, scanout, update)
    });
    let mut ready = Vec::new();
    conformance::wait::wait_until("room", || {
        dispatch(&mut displayed);
        ready.extend(events(&mut displayed));
        !ready.is_empty()
    });
    let (mut gpu, told, update) = reader.join().unwrap();

    assert_eq!(ready, [Event::Ready { surface }]);
    assert_eq!(
        (told.request, told.words(3)),
        (SCANOUT, vec![0, width, height])
    );
    assert_eq!(update.request, UPDATE);
    assert!(update.payload[20..].iter().all(|byte| *byte == 1));
    assert!(gpu.is_quiet(), "nothing of the refused frames was sent");
}

#[test]
fn a_large_picture_is_kept_and_not_copied_until_it_is_sent() {
    let (mut display, mut gpu) = greeted();
    let (width, height) = (1024, 1024);
    let surface = display.create_surface(&scanout(0, width, height)).unwrap();
    let layout = Layout::packed(width, height, DrmFourcc::Xrgb8888).unwrap();
    let buffer = AnonymousAllocator.allocate(&BufferRequest { layout });
    let buffer = Arc::new(buffer.unwrap());
    let pattern: Vec<u8> = (0..=250).cycle().take(width as usize * 4096).collect();
    buffer.memory().copy_from(&pattern);
    let frame = Frame {
        pixels: PixelSource::Buffer(&buffer),
        layout,
        crop: layout.bounds(),
        damage: &[layout.bounds()],
    };

    let taken = display.present(surface, &frame).unwrap();
    let kept = Arc::strong_count(&buffer);
    let refused = display.present(surface, &frame).unwrap();

    assert_eq!((taken, kept), (Presented::Taken, 2));
    assert_eq!(refused, Presented::Busy);
    let reader = std::thread::spawn(move || {
        gpu.read();
        (gpu.read(), gpu)
    });
    conformance::wait::wait_until("the end of the picture", || {
        dispatch(&mut display);
        Arc::strong_count(&buffer) == 1
    });
    let (update, _gpu) = reader.join().unwrap();
    assert_eq!(update.request, UPDATE);
    assert!(update.payload[20..] == pattern);
}

#[test]
fn a_new_socket_asks_for_every_picture_again() {
    let (mut display, _gpu) = greeted();
    let shown = display.create_surface(&scanout(0, 8, 8)).unwrap();
    let _never_shown = display.create_surface(&scanout(1, 8, 8)).unwrap();
    present(&mut display, shown, 8, 8, 1);

    let mut gpu = attach(&mut display);

    assert!(display.deadline().unwrap() <= Instant::now(), "events wait");
    dispatch(&mut display);
    assert_eq!(events(&mut display), [Event::Redraw { surface: shown }]);
    assert_eq!(gpu.read().request, GET_PROTOCOL_FEATURES);
    assert!(gpu.is_quiet(), "no UPDATE comes before its SCANOUT");
}

#[test]
fn after_a_new_socket_even_a_partly_damaged_frame_is_sent_whole() {
    let (mut display, _gpu) = greeted();
    let surface = display.create_surface(&scanout(0, 8, 8)).unwrap();
    present(&mut display, surface, 8, 8, 1);
    let mut gpu = attach(&mut display);
    let _ = gpu.read();

    let mut pixels = [7; 8 * 8 * 4];
    let frame = Frame {
        pixels: PixelSource::Memory(VolatileSlice::from(&mut pixels[..])),
        layout: Layout::packed(8, 8, DrmFourcc::Xrgb8888).unwrap(),
        crop: Rect::from_size(8, 8),
        damage: &[Rect::new(1, 1, 1, 1)],
    };
    display.present(surface, &frame).unwrap();

    assert_eq!(gpu.read().request, SCANOUT);
    assert_eq!(gpu.read().words(5), [0, 0, 0, 8, 8]);
}

#[test]
fn pixels_arrive_as_blue_green_red_whatever_the_guests_format() {
    let (mut display, mut gpu) = greeted();
    let surface = display.create_surface(&scanout(0, 1, 1)).unwrap();
    // DRM_FORMAT_XBGR8888 is red, green, blue, unused in memory.
    let mut pixels = [0x11, 0x22, 0x33, 0x44];
    let frame = Frame {
        pixels: PixelSource::Memory(VolatileSlice::from(&mut pixels[..])),
        layout: Layout::packed(1, 1, DrmFourcc::Xbgr8888).unwrap(),
        crop: Rect::from_size(1, 1),
        damage: &[Rect::from_size(1, 1)],
    };

    display.present(surface, &frame).unwrap();

    assert_eq!(gpu.read().request, SCANOUT);
    assert_eq!(gpu.read().payload[20..23], [0x33, 0x22, 0x11]);
}

#[test]
fn a_cursor_smaller_than_64_pixels_is_padded_with_transparent_ones_and_a_larger_one_cut() {
    let (mut display, mut gpu) = greeted();
    let parent = display.create_surface(&scanout(0, 100, 100)).unwrap();
    for side in [2_u32, 65] {
        let cursor = display
            .create_surface(&SurfaceRequest {
                role: Role::Cursor {
                    parent,
                    hotspot: Hotspot { x: 1, y: 0 },
                    position: Position { x: 5, y: -6 },
                },
                width: side,
                height: side,
            })
            .unwrap();
        present(&mut display, cursor, side, side, 0xff);

        let update = gpu.read();

        assert_eq!(update.request, CURSOR_UPDATE);
        assert_eq!(update.words(5), [0, 5, 0xffff_fffa, 1, 0]);
        let opaque = update.payload[20..].iter().filter(|byte| **byte == 0xff);
        let kept = usize::try_from(side.min(64)).unwrap();
        assert_eq!(opaque.count(), kept * kept * 4);
        assert_eq!(
            update.payload[20 + 4 * (kept - 1)],
            0xff,
            "the end of row 0"
        );
        display.destroy_surface(cursor);
        assert_eq!(gpu.read().request, CURSOR_POS_HIDE);
    }
}

#[test]
fn a_cursor_over_a_scanout_that_went_away_is_hidden_and_can_get_a_new_parent() {
    let (mut display, mut gpu) = greeted();
    let first = display.create_surface(&scanout(0, 8, 8)).unwrap();
    let second = display.create_surface(&scanout(1, 8, 8)).unwrap();
    let request = |parent| SurfaceRequest {
        role: Role::Cursor {
            parent,
            hotspot: Hotspot::default(),
            position: Position::default(),
        },
        width: 64,
        height: 64,
    };
    let cursor = display.create_surface(&request(first)).unwrap();
    present(&mut display, cursor, 64, 64, 1);
    assert_eq!(gpu.read().request, CURSOR_UPDATE);

    display.destroy_surface(first);
    assert_eq!(gpu.read().request, CURSOR_POS_HIDE);
    display.configure_surface(cursor, &request(second)).unwrap();
    present(&mut display, cursor, 64, 64, 1);
    let shown = gpu.read();

    assert_eq!((shown.request, shown.words(1)), (CURSOR_UPDATE, vec![1]));
}

/// A cursor over a scanout of output 0.
fn cursor_at(parent: SurfaceId, hotspot: (u32, u32), position: (i32, i32)) -> SurfaceRequest {
    SurfaceRequest {
        role: Role::Cursor {
            parent,
            hotspot: Hotspot {
                x: hotspot.0,
                y: hotspot.1,
            },
            position: Position {
                x: position.0,
                y: position.1,
            },
        },
        width: 64,
        height: 64,
    }
}

/// A display that shows a cursor with hotspot (1, 1) at (5, 6), and its scanout and cursor.
fn with_cursor() -> (RemoteDisplay, GpuSocket, SurfaceId, SurfaceId) {
    let (mut display, mut gpu) = greeted();
    let parent = display.create_surface(&scanout(0, 100, 100)).unwrap();
    let cursor = display
        .create_surface(&cursor_at(parent, (1, 1), (5, 6)))
        .unwrap();
    present(&mut display, cursor, 64, 64, 1);
    assert_eq!(gpu.read().request, CURSOR_UPDATE);
    (display, gpu, parent, cursor)
}

#[test]
fn a_hotspot_outside_of_the_image_is_told_as_the_nearest_pixel_and_the_position_as_it_is() {
    for (hotspot, told) in [
        ((63, 64), [63, 63]),
        ((u32::MAX, 0), [63, 0]),
        ((u32::MAX, u32::MAX), [63, 63]),
    ] {
        let (mut display, mut gpu) = greeted();
        let parent = display.create_surface(&scanout(0, 100, 100)).unwrap();
        let cursor = display
            .create_surface(&cursor_at(parent, hotspot, (i32::MIN, i32::MAX)))
            .unwrap();

        present(&mut display, cursor, 64, 64, 1);

        let update = gpu.read();
        assert_eq!(
            update.words(5),
            [0, 0x8000_0000, 0x7fff_ffff, told[0], told[1]]
        );
    }
}

#[test]
fn a_new_hotspot_is_told_once_together_with_the_new_image() {
    let (mut display, mut gpu, parent, cursor) = with_cursor();

    display
        .configure_surface(cursor, &cursor_at(parent, (2, 3), (7, 8)))
        .unwrap();
    assert!(gpu.is_quiet(), "the old image has another hotspot");
    present(&mut display, cursor, 64, 64, 0x77);

    let update = gpu.read();
    assert_eq!(update.request, CURSOR_UPDATE);
    assert_eq!(update.words(5), [0, 7, 8, 2, 3]);
    assert!(update.payload[20..].iter().all(|byte| *byte == 0x77));
    assert!(gpu.is_quiet());
}

#[test]
fn a_cursor_of_a_new_size_stays_as_it_was_until_its_next_image() {
    let (mut display, mut gpu, parent, cursor) = with_cursor();
    let mut smaller = cursor_at(parent, (1, 1), (5, 6));
    (smaller.width, smaller.height) = (32, 32);

    display.configure_surface(cursor, &smaller).unwrap();
    assert!(gpu.is_quiet());
    present(&mut display, cursor, 32, 32, 0x77);

    assert_eq!(gpu.read().request, CURSOR_UPDATE);
    assert!(gpu.is_quiet());
}

#[test]
fn a_move_is_told_at_once_even_while_a_new_image_is_on_its_way() {
    let (mut display, mut gpu, parent, cursor) = with_cursor();
    let to = |x, y| Position { x, y };

    display
        .configure_surface(cursor, &cursor_at(parent, (1, 1), (10, 10)))
        .unwrap();
    let by_configuring = gpu.read();
    display
        .configure_surface(cursor, &cursor_at(parent, (2, 2), (11, 11)))
        .unwrap();
    display.set_position(cursor, to(12, 12)).unwrap();
    let by_moving = gpu.read();

    assert_eq!(
        (by_configuring.request, by_configuring.words(3)),
        (CURSOR_POS, vec![0, 10, 10])
    );
    assert_eq!(
        (by_moving.request, by_moving.words(3)),
        (CURSOR_POS, vec![0, 12, 12])
    );
    assert!(gpu.is_quiet());
}

#[test]
fn surfaces_that_cannot_be_are_refused() {
    let mut display = RemoteDisplay::new().unwrap();
    let surface = display.create_surface(&scanout(3, 8, 8)).unwrap();

    let taken = display.create_surface(&scanout(3, 8, 8));
    let unknown = display.create_surface(&scanout(16, 8, 8));
    let not_a_cursor = display.set_position(surface, Position::default());
    display.destroy_surface(surface);
    let gone = display.configure_surface(surface, &scanout(3, 8, 8));

    assert!(matches!(
        taken,
        Err(DisplayError::OutputTaken { output: 3 })
    ));
    assert!(matches!(
        unknown,
        Err(DisplayError::UnknownOutput { output: 16 })
    ));
    assert!(matches!(not_a_cursor, Err(DisplayError::NotACursor { .. })));
    assert!(matches!(gone, Err(DisplayError::UnknownSurface { .. })));
}
