//! Stops, starts, resets, and display sockets that come, go or stay silent.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used
)]

mod support;

use gpu_buffer::Rect;
use virtio_gpu::QueueIndex;
use virtio_gpu::protocol::{Command, ErrorCode};

use conformance::daemon::Daemon;
use conformance::front_end::{FrontEnd, Reset};
use conformance::gpu_socket::{GpuMessage, SCANOUT, UPDATE};
use conformance::wait::wait_until;
use support::PROGRAM;
use support::drawing::*;

#[test]
fn a_new_display_socket_gets_the_whole_picture_and_the_cursor_again() {
    let daemon = Daemon::start(PROGRAM);
    let (mut front_end, mut gpu) = FrontEnd::running(&daemon);
    show(&mut front_end, &mut gpu, 200, 100);

    for _ in 0..3 {
        gpu = front_end.send_gpu_socket();
        let scanout = gpu.message();
        assert_eq!(
            (scanout.request, scanout.words(3)),
            (SCANOUT, vec![0, 200, 100])
        );
        assert_update(&gpu.message(), Rect::from_size(200, 100), 1);
    }
    gpu.settle();
}

#[test]
fn stop_and_cont_keep_the_guests_resources() {
    let daemon = Daemon::start(PROGRAM);
    let (mut front_end, mut gpu) = FrontEnd::running(&daemon);
    show(&mut front_end, &mut gpu, 200, 100);

    front_end.stop(gpu);
    assert!(front_end.bases[0] > 0);
    let mut gpu = front_end.resume();

    assert_eq!(gpu.message().request, SCANOUT);
    assert_update(&gpu.message(), Rect::from_size(200, 100), 1);
    let damage = Rect::new(1, 2, 3, 4);
    front_end.succeed(&[flush(damage)]);
    assert_update(&gpu.message(), damage, 1);
}

#[test]
fn memory_that_is_mapped_anew_keeps_the_guests_backing() {
    // QEMU splits and merges regions; a front end without slots sends the whole table at each start.
    let daemon = Daemon::start(PROGRAM);
    let (mut front_end, mut gpu) = FrontEnd::running(&daemon);
    show(&mut front_end, &mut gpu, 200, 100);
    let whole = Rect::from_size(200, 100);

    front_end.remove_region(0);
    front_end.add_region(0);
    front_end.write_image(0, &picture(whole, 3));
    front_end.succeed(&[transfer(whole, 200), flush(whole)]);

    assert_update(&gpu.message(), whole, 3);
}

#[test]
fn a_reset_drops_the_guests_resources_whether_it_is_told_or_not() {
    for reset in [Reset::Told, Reset::Silent] {
        let daemon = Daemon::start(PROGRAM);
        let (mut front_end, mut gpu) = FrontEnd::running_with(&daemon, reset);
        show(&mut front_end, &mut gpu, 200, 100);

        front_end.stop(gpu);
        let mut gpu = front_end.restart();
        match reset {
            Reset::Told => gpu.settle(),
            // The new socket comes before there is a sign of the reset: it may be told what the old one showed.
            Reset::Silent => drop(gpu.settle_anyhow()),
        }

        let answers = front_end.execute(&[flush(Rect::from_size(1, 1))]);
        assert_eq!(
            answers[0].outcome(),
            Err(ErrorCode::InvalidResourceId),
            "{reset:?}"
        );
        show(&mut front_end, &mut gpu, 64, 64);
    }
}

#[test]
fn a_ring_that_is_reset_alone_keeps_the_guests_resources() {
    let daemon = Daemon::start(PROGRAM);
    let (mut front_end, mut gpu) = FrontEnd::running_with(&daemon, Reset::Told);
    show(&mut front_end, &mut gpu, 200, 100);

    front_end.stop_ring(QueueIndex::Control);
    front_end.guest.driver.ring(QueueIndex::Control).restart();
    front_end.bases[0] = 0;
    front_end.send_ring_setup(QueueIndex::Control);
    front_end.send_kick(QueueIndex::Control);

    front_end.succeed(&[flush(Rect::from_size(1, 1))]);
    assert_eq!(gpu.message().request, UPDATE);
}

#[test]
fn requests_that_wait_in_the_ring_at_a_stop_are_done_after_the_start() {
    let daemon = Daemon::start(PROGRAM);
    let (mut front_end, gpu) = FrontEnd::running(&daemon);
    front_end.stop(gpu);
    let base = front_end.bases[0];

    front_end
        .guest
        .driver
        .send(&Command::GetDisplayInfo, Some(7));
    let _gpu = front_end.resume();

    let driver = &mut front_end.guest.driver;
    let mut answers = Vec::new();
    wait_until("the answer", || {
        answers.extend(driver.take_answers(QueueIndex::Control));
        driver.in_flight() == 0
    });
    let (header, outcome) = answers[0].decode();
    assert_eq!(header.fence_id, 7);
    assert!(outcome.is_ok());
    assert_eq!(front_end.stop_ring(QueueIndex::Control), base + 1);
}

#[test]
fn the_guest_sees_the_outputs_and_edid_of_the_front_end() {
    let daemon = Daemon::start(PROGRAM);
    let (mut front_end, mut gpu) = FrontEnd::running(&daemon);
    front_end.guest.driver.send(&Command::GetDisplayInfo, None);
    front_end
        .guest
        .driver
        .send(&Command::GetEdid { scanout: SCREEN }, None);
    front_end.guest.kick(QueueIndex::Control);
    gpu.settle();

    let answers = front_end.guest.driver.take_answers(QueueIndex::Control);

    assert_eq!(answers.len(), 2);
    // The first mode of RESP_OK_DISPLAY_INFO: x, y, width, height, enabled.
    let info = GpuMessage {
        request: 0,
        payload: answers[0].bytes[24..].to_vec(),
    };
    assert_eq!(info.words(5), [0, 0, 640, 480, 1]);
    assert_eq!(answers[1].bytes[24..28], 256_u32.to_le_bytes());
    assert_eq!(answers[1].bytes[32..32 + 256], [0x40; 256]);
}

/// How long GET_DISPLAY_INFO takes, twice.
fn display_information_takes(front_end: &mut FrontEnd) -> [u128; 2] {
    [(); 2].map(|()| {
        let start = std::time::Instant::now();
        let answers = front_end.execute(&[Command::GetDisplayInfo]);
        assert!(answers[0].outcome().is_ok());
        start.elapsed().as_millis()
    })
}

#[test]
fn a_front_end_that_falls_silent_delays_display_information_by_a_second_once() {
    let daemon = Daemon::start(PROGRAM);
    let (mut front_end, _silent) = FrontEnd::running(&daemon);

    let [first, second] = display_information_takes(&mut front_end);

    assert!((900..2500).contains(&first), "{first} ms");
    assert!(second < 500, "{second} ms");
}

#[test]
fn a_front_end_that_never_spoke_is_waited_for_less_long_than_linux_does() {
    // A guest keeps the size that it is told first. Linux waits five seconds for it.
    let daemon = Daemon::start(PROGRAM);
    let mut front_end = FrontEnd::connect(&daemon);
    front_end.realize();
    let _silent = front_end.start();

    let [first, second] = display_information_takes(&mut front_end);

    assert!((3900..4900).contains(&first), "{first} ms");
    assert!(second < 500, "{second} ms");
}

#[test]
fn without_a_display_socket_the_guest_goes_on() {
    let daemon = Daemon::start(PROGRAM);
    let (mut front_end, gpu) = FrontEnd::running(&daemon);
    drop(gpu);
    let whole = Rect::from_size(200, 100);

    create(&mut front_end, IMAGE, B8G8R8X8, 200, 100);
    front_end.succeed(&[transfer(whole, 200), set_scanout(200, 100), flush(whole)]);
    front_end.succeed(&[Command::GetDisplayInfo, flush(whole)]);

    let mut gpu = front_end.send_gpu_socket();
    assert_eq!(gpu.message().request, SCANOUT);
    assert_eq!(gpu.message().request, UPDATE);
}
