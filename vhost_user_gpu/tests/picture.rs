//! What a guest draws arrives at the front end's display socket.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used
)]

mod support;

use gpu_buffer::Rect;
use virtio_gpu::protocol::Command;
use virtio_gpu::protocol::command::{CursorPosition, CursorUpdate};

use conformance::daemon::Daemon;
use conformance::front_end::FrontEnd;
use conformance::gpu_socket::{CURSOR_POS, CURSOR_POS_HIDE, CURSOR_UPDATE, SCANOUT, UPDATE};
use support::PROGRAM;
use support::drawing::*;

#[test]
fn a_first_frame_arrives_as_scanout_and_then_all_its_pixels() {
    let daemon = Daemon::start(PROGRAM);
    let (mut front_end, mut gpu) = FrontEnd::running(&daemon);
    let whole = Rect::from_size(200, 100);

    create(&mut front_end, IMAGE, B8G8R8X8, 200, 100);
    front_end.write_image(0, &picture(whole, 9));
    together(
        &mut front_end,
        &[transfer(whole, 200), set_scanout(200, 100), flush(whole)],
    );

    let scanout = gpu.message();
    assert_eq!(
        (scanout.request, scanout.words(3)),
        (SCANOUT, vec![0, 200, 100])
    );
    assert_update(&gpu.message(), whole, 9);
    gpu.settle();
}

#[test]
fn only_damaged_pixels_are_sent() {
    let daemon = Daemon::start(PROGRAM);
    let (mut front_end, mut gpu) = FrontEnd::running(&daemon);
    show(&mut front_end, &mut gpu, 200, 100);
    let damage = Rect::new(30, 40, 50, 7);

    front_end.write_image(0, &picture(Rect::from_size(200, 100), 2));
    together(&mut front_end, &[transfer(damage, 200), flush(damage)]);

    assert_update(&gpu.message(), damage, 2);
    gpu.settle();
}

#[test]
fn a_disabled_scanout_is_told_with_a_size_of_zero() {
    let daemon = Daemon::start(PROGRAM);
    let (mut front_end, mut gpu) = FrontEnd::running(&daemon);
    show(&mut front_end, &mut gpu, 200, 100);

    together(
        &mut front_end,
        &[Command::SetScanout {
            rect: Rect::default(),
            scanout: SCREEN,
            resource: None,
        }],
    );

    let scanout = gpu.message();
    assert_eq!(
        (scanout.request, scanout.words(3)),
        (SCANOUT, vec![0, 0, 0])
    );
    gpu.settle();
}

#[test]
fn a_new_size_is_announced_before_its_pixels() {
    let daemon = Daemon::start(PROGRAM);
    let (mut front_end, mut gpu) = FrontEnd::running(&daemon);
    show(&mut front_end, &mut gpu, 200, 100);

    together(
        &mut front_end,
        &[set_scanout(120, 60), flush(Rect::from_size(200, 100))],
    );

    let scanout = gpu.message();
    assert_eq!(
        (scanout.request, scanout.words(3)),
        (SCANOUT, vec![0, 120, 60])
    );
    assert_update(&gpu.message(), Rect::from_size(120, 60), 1);
    gpu.settle();
}

#[test]
fn a_cursor_is_shown_moved_off_the_edge_and_hidden() {
    let daemon = Daemon::start(PROGRAM);
    let (mut front_end, mut gpu) = FrontEnd::running(&daemon);
    show(&mut front_end, &mut gpu, 200, 100);
    let square = Rect::from_size(64, 64);
    create(&mut front_end, CURSOR, B8G8R8A8, 64, 64);
    front_end.write_image(0, &picture(square, 5));
    together(
        &mut front_end,
        &[Command::TransferToHost2d {
            rect: square,
            offset: 0,
            resource: CURSOR,
        }],
    );
    let position = |x, y| CursorPosition {
        scanout: SCREEN,
        x,
        y,
    };

    together(
        &mut front_end,
        &[Command::UpdateCursor(CursorUpdate {
            position: position(17, 23),
            resource: Some(CURSOR),
            hot_x: 3,
            hot_y: 4,
        })],
    );
    let update = gpu.message();
    together(
        &mut front_end,
        &[Command::MoveCursor {
            position: position(-2, 99),
        }],
    );
    let moved = gpu.message();
    together(
        &mut front_end,
        &[Command::UpdateCursor(CursorUpdate {
            position: position(-2, 99),
            resource: None,
            hot_x: 0,
            hot_y: 0,
        })],
    );
    let hidden = gpu.message();

    assert_eq!(
        (update.request, update.words(5)),
        (CURSOR_UPDATE, vec![0, 17, 23, 3, 4])
    );
    assert_eq!(update.payload.len(), 20 + 64 * 64 * 4);
    assert!(update.payload[20..] == picture(square, 5), "alpha included");
    assert_eq!(
        (moved.request, moved.words(3)),
        (CURSOR_POS, vec![0, 0xffff_fffe, 99])
    );
    assert_eq!(
        (hidden.request, hidden.words(1)),
        (CURSOR_POS_HIDE, vec![0])
    );
    gpu.settle();
}

#[test]
fn a_full_display_socket_costs_frames_but_the_newest_arrives() {
    let daemon = Daemon::start(PROGRAM);
    let (mut front_end, mut gpu) = FrontEnd::running(&daemon);
    let (width, height) = (1024, 1024);
    let whole = Rect::from_size(width, height);
    show(&mut front_end, &mut gpu, width, height);

    // Nobody reads: all 20 flushes are answered all the same.
    for number in 2..22 {
        front_end.write_image(0, &picture(whole, number));
        together(&mut front_end, &[transfer(whole, width), flush(whole)]);
    }

    let mut frames = Vec::new();
    while frames.last() != Some(&21) {
        let update = gpu.message();
        assert_eq!(update.request, UPDATE);
        frames.push(update.payload[20 + 2]);
        assert!(frames.len() < 20, "no frame was left out: {frames:?}");
        if frames.last() == Some(&21) {
            assert_update(&update, whole, 21);
        }
    }
    gpu.settle();
}

#[test]
fn the_cursor_moves_coalesced_while_the_display_socket_is_full() {
    let daemon = Daemon::start(PROGRAM);
    let (mut front_end, mut gpu) = FrontEnd::running(&daemon);
    let whole = Rect::from_size(1024, 1024);
    show(&mut front_end, &mut gpu, 1024, 1024);
    create(&mut front_end, CURSOR, B8G8R8A8, 64, 64);
    let move_to = |x| Command::MoveCursor {
        position: CursorPosition {
            scanout: SCREEN,
            x,
            y: 0,
        },
    };
    together(
        &mut front_end,
        &[Command::UpdateCursor(CursorUpdate {
            position: CursorPosition {
                scanout: SCREEN,
                x: 1,
                y: 0,
            },
            resource: Some(CURSOR),
            hot_x: 0,
            hot_y: 0,
        })],
    );
    let shown = gpu.message().request;
    together(&mut front_end, &[flush(whole)]);
    for x in 2..500 {
        together(&mut front_end, &[move_to(x)]);
    }

    let mut moves = Vec::new();
    while moves.last() != Some(&499) {
        let message = gpu.message();
        if message.request == CURSOR_POS {
            moves.push(message.words(2)[1]);
        }
    }

    assert_eq!(shown, CURSOR_UPDATE);
    assert_eq!(moves, [499]);
}
