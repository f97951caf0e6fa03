//! A guest that outlives its front end's connection: what was taken from its rings comes back, once.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used
)]

mod support;

use nix::sys::signal::Signal;
use virtio_gpu::QueueIndex;
use virtio_gpu::protocol::{Command, ErrorCode};
use virtio_gpu::testing::Answer;

use conformance::daemon::Daemon;
use conformance::front_end::{FrontEnd, Reset};
use conformance::gpu_socket::GpuSocket;
use conformance::guest::Guest;
use conformance::wait::wait_until;
use gpu_buffer::Rect;
use support::PROGRAM;
use support::drawing::*;

const CONTROL: QueueIndex = QueueIndex::Control;

/// The fence of a request that waits for the display socket, which stays silent.
const WAITING: u64 = 7;

fn persistent() -> Daemon {
    Daemon::start_with(PROGRAM, &["--persistent", "--log-level", "debug"])
}

/// A front end for a guest that goes on where it was. A dead connection is no reset.
fn reconnected(daemon: &Daemon, guest: Guest, base: u16) -> (FrontEnd, GpuSocket) {
    let mut front_end = FrontEnd::connect_for(daemon, guest);
    front_end.reset = Reset::Silent;
    front_end.bases[0] = u32::from(base);
    front_end.realize();
    let mut gpu = front_end.start();
    gpu.settle();
    (front_end, gpu)
}

/// A front end whose device has one request that waits, and has answered the next one.
fn with_a_request_that_waits(daemon: &Daemon) -> (FrontEnd, GpuSocket) {
    let (mut front_end, gpu) = FrontEnd::running(daemon);
    let driver = &mut front_end.guest.driver;
    driver.send(&Command::GetDisplayInfo, Some(WAITING));
    driver.send(&flush(Rect::from_size(1, 1)), None);
    front_end.guest.kick(CONTROL);
    let mut answers = Vec::new();
    wait_until("the answer to the request that need not wait", || {
        let told = front_end.guest.take_interrupts(CONTROL) == 1;
        answers.extend(front_end.guest.driver.take_answers(CONTROL));
        told
    });
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].outcome(), Err(ErrorCode::InvalidResourceId));
    (front_end, gpu)
}

/// The guest of a front end whose connection has broken.
fn left_behind(front_end: FrontEnd) -> Guest {
    front_end.guest
}

/// All answers that are owed. One that came twice is a panic of the driver.
fn all_answers(guest: &mut Guest) -> Vec<Answer> {
    let mut answers = Vec::new();
    wait_until("every answer", || {
        answers.extend(guest.driver.take_answers(CONTROL));
        guest.driver.in_flight() == 0
    });
    answers
}

#[test]
fn what_was_taken_is_answered_and_told_though_the_front_end_has_gone() {
    let daemon = persistent();
    let (front_end, _gpu) = with_a_request_that_waits(&daemon);
    let mut guest = left_behind(front_end);

    let answers = all_answers(&mut guest);

    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].decode().0.fence_id, WAITING);
    wait_until("the interrupt", || guest.take_interrupts(CONTROL) == 1);
}

#[test]
fn what_was_taken_is_answered_at_sigterm() {
    let mut daemon = persistent();
    let (mut front_end, _gpu) = with_a_request_that_waits(&daemon);

    daemon.signal(Signal::SIGTERM);
    assert!(daemon.wait().0.success());

    let answers = all_answers(&mut front_end.guest);
    assert_eq!(answers[0].decode().0.fence_id, WAITING);
}

#[test]
fn whatever_base_the_next_front_end_takes_nothing_is_done_twice_and_nothing_is_lost() {
    // At the break one request was answered, one waited, and one came while nobody listened.
    for (base, whose) in [
        (1, "the used index when the connection broke, as QEMU"),
        (2, "the used index when it connects again"),
        (3, "the available index"),
        (0, "the first one that there was"),
    ] {
        let daemon = persistent();
        let (front_end, _gpu) = with_a_request_that_waits(&daemon);
        let mut guest = left_behind(front_end);
        assert_eq!(all_answers(&mut guest).len(), 1);
        guest.driver.send(&Command::GetDisplayInfo, Some(9));

        let (mut front_end, mut gpu) = reconnected(&daemon, guest, base);

        let answers = all_answers(&mut front_end.guest);
        assert_eq!(answers.len(), 1, "{whose}");
        assert_eq!(answers[0].decode().0.fence_id, 9, "{whose}");
        assert!(answers[0].outcome().is_ok(), "{whose}");
        show(&mut front_end, &mut gpu, 64, 64);
    }
}

#[test]
fn what_a_killed_daemon_had_taken_is_done_by_the_next_daemon() {
    for (base, whose) in [(0, "the used index"), (2, "the available index")] {
        let mut first = persistent();
        let (mut front_end, _gpu) = FrontEnd::running(&first);
        for fence in [5, 6] {
            front_end
                .guest
                .driver
                .send(&Command::GetDisplayInfo, Some(fence));
        }
        front_end.guest.kick(CONTROL);
        front_end.synchronize();
        first.signal(Signal::SIGKILL);
        first.wait();
        let guest = left_behind(front_end);

        let second = persistent();
        let (mut front_end, _gpu) = reconnected(&second, guest, base);

        let fences: Vec<u64> = all_answers(&mut front_end.guest)
            .iter()
            .map(|answer| answer.decode().0.fence_id)
            .collect();
        assert_eq!(fences, [5, 6], "{whose}");
    }
}
