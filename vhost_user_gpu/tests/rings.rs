//! Starting, serving and stopping rings.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::unwrap_used
)]

mod support;

use std::os::fd::AsFd;
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::Signal;
use virtio_gpu::QueueIndex;
use virtio_gpu::protocol::command::ResourceCreate2d;
use virtio_gpu::protocol::{Command, ResourceId};

use conformance::daemon::Daemon;
use conformance::front_end::*;
use conformance::guest::{MEMORY, USER_BASE};
use conformance::wait::wait_until;
use support::PROGRAM;

#[test]
fn a_ring_is_served_only_while_it_is_enabled() {
    let daemon = Daemon::start(PROGRAM);
    let (mut front_end, _gpu) = FrontEnd::running(&daemon);
    front_end.enable(QueueIndex::Control, 0);

    front_end.guest.driver.send(
        &Command::ResourceCreate2d(ResourceCreate2d {
            resource: ResourceId(1),
            format: 2,
            width: 8,
            height: 8,
        }),
        None,
    );
    front_end.guest.kick(QueueIndex::Control);
    std::thread::sleep(Duration::from_millis(50));
    front_end.synchronize();
    assert_eq!(front_end.guest.driver.take_answers(QueueIndex::Control), []);

    front_end.enable(QueueIndex::Control, 1);
    let driver = &mut front_end.guest.driver;
    wait_until("the answer", || {
        !driver.take_answers(QueueIndex::Control).is_empty()
    });
    let guest = &front_end.guest;
    wait_until("the interrupt", || {
        guest.take_interrupts(QueueIndex::Control) > 0
    });
}

#[test]
fn without_protocol_features_a_ring_is_served_as_soon_as_it_starts() {
    let daemon = Daemon::start(PROGRAM);
    let mut front_end = FrontEnd::connect(&daemon);
    front_end.send(SET_FEATURES, &longs(&[1 << 32]), &[]);
    let file = front_end.guest.regions[0].file.try_clone().unwrap();
    let mut table = words(&[1, 0]);
    table.extend(longs(&[0, MEMORY, USER_BASE, 0]));
    front_end.send(SET_MEM_TABLE, &table, &[file.as_fd()]);
    front_end.guest.driver.send(&Command::GetDisplayInfo, None);

    front_end.send_ring_setup(QueueIndex::Control);
    front_end.send(
        SET_VRING_KICK,
        &longs(&[0]),
        &[front_end.guest.kicks[0].as_fd()],
    );

    let driver = &mut front_end.guest.driver;
    wait_until("the answer", || {
        !driver.take_answers(QueueIndex::Control).is_empty()
    });
}

#[test]
fn a_running_ring_is_not_moved() {
    let daemon = Daemon::start(PROGRAM);
    let (mut front_end, _gpu) = FrontEnd::running(&daemon);

    for (request, payload) in [
        (SET_VRING_NUM, words(&[0, 64])),
        (SET_VRING_BASE, words(&[0, 0])),
        (
            SET_VRING_ADDR,
            [words(&[0, 0]), longs(&[USER_BASE, USER_BASE, USER_BASE, 0])].concat(),
        ),
    ] {
        assert_eq!(front_end.acknowledged(request, &payload, &[]), 1);
    }

    front_end.succeed(&[Command::GetDisplayInfo]);
}

#[test]
fn exchanged_and_broken_ring_descriptors_are_let_go() {
    let daemon = Daemon::start(PROGRAM);
    let (mut front_end, _gpu) = FrontEnd::running(&daemon);
    front_end.synchronize();
    let before = daemon.open_descriptors();

    for _ in 0..1000 {
        for request in [SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR] {
            front_end.send(request, &longs(&[0]), &[front_end.guest.kicks[0].as_fd()]);
        }
        front_end.synchronize();
    }
    assert_eq!(daemon.open_descriptors(), before);

    // A kick at its end is readable for ever.
    let (end, other) = std::os::unix::net::UnixStream::pair().unwrap();
    drop(other);
    front_end.send(SET_VRING_KICK, &longs(&[0]), &[end.as_fd()]);
    front_end.synchronize();
    std::thread::sleep(Duration::from_millis(50));
    let calm = daemon.activity();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(daemon.activity(), calm);

    front_end.send(
        SET_VRING_KICK,
        &longs(&[0]),
        &[front_end.guest.kicks[0].as_fd()],
    );
    front_end.send(
        SET_VRING_CALL,
        &longs(&[0]),
        &[front_end.guest.calls[0].as_fd()],
    );
    front_end.succeed(&[Command::GetDisplayInfo]);
}

#[test]
fn a_full_or_closed_call_descriptor_does_not_hold_the_ring_up() {
    let daemon = Daemon::start(PROGRAM);
    let (mut front_end, _gpu) = FrontEnd::running(&daemon);
    let (reader, mut writer) = std::io::pipe().unwrap();
    let set_flags = |writer: &std::io::PipeWriter, flags| {
        fcntl(writer, FcntlArg::F_SETFL(flags)).unwrap();
    };
    set_flags(&writer, OFlag::O_NONBLOCK);
    while std::io::Write::write(&mut writer, &[0; 4096]).is_ok() {}
    set_flags(&writer, OFlag::empty());

    front_end.send(SET_VRING_CALL, &longs(&[0]), &[writer.as_fd()]);
    front_end.succeed(&[Command::GetDisplayInfo]);
    front_end.succeed(&[Command::GetDisplayInfo]);
    drop(reader);
    front_end.succeed(&[Command::GetDisplayInfo]);
    front_end.send(SET_VRING_CALL, &longs(&[0x100]), &[]);
    front_end.succeed(&[Command::GetDisplayInfo]);
}

#[test]
fn a_call_descriptor_that_was_made_blocking_again_does_not_hold_the_daemon_up() {
    let mut daemon = Daemon::start(PROGRAM);
    let (mut front_end, _gpu) = FrontEnd::running(&daemon);
    front_end.synchronize();
    let call = &front_end.guest.calls[0];
    let _ = call.read();
    fcntl(call, FcntlArg::F_SETFL(OFlag::empty())).unwrap();
    call.write(u64::MAX - 1).unwrap();

    front_end.succeed(&[Command::GetDisplayInfo]);

    front_end.synchronize();
    daemon.signal(Signal::SIGTERM);
    let (status, took) = daemon.wait();
    assert!(status.success());
    assert!(took.as_secs_f64() < 1.0, "{took:?}");
}

#[test]
fn a_kick_descriptor_that_stays_readable_costs_nothing() {
    // A semaphore gives one at each read and would stay readable for 2^64 of them.
    let daemon = Daemon::start(PROGRAM);
    let (mut front_end, _gpu) = FrontEnd::running(&daemon);
    let kick = EventFd::from_flags(EfdFlags::EFD_SEMAPHORE | EfdFlags::EFD_NONBLOCK).unwrap();
    kick.write(u64::MAX - 2).unwrap();
    front_end.send(SET_VRING_KICK, &longs(&[0]), &[kick.as_fd()]);
    front_end.synchronize();
    std::thread::sleep(Duration::from_millis(50));

    let calm = daemon.activity();
    std::thread::sleep(Duration::from_millis(300));

    assert_eq!(daemon.activity(), calm);
}

#[test]
fn a_broken_ring_is_told_to_the_front_end() {
    let daemon = Daemon::start(PROGRAM);
    let (mut front_end, _gpu) = FrontEnd::running(&daemon);

    // More available entries than the ring has descriptors.
    front_end
        .guest
        .driver
        .ring(QueueIndex::Control)
        .set_avail_index(1000);
    front_end.guest.kick(QueueIndex::Control);

    wait_until("the error", || {
        front_end.ring_error(QueueIndex::Control).is_some()
    });
    front_end.synchronize();
}
