//! The vhost-user conversation, message by message.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::unwrap_used
)]

mod support;

use std::os::fd::AsFd;
use std::time::Duration;

use gpu_buffer::Rect;
use virtio_gpu::QueueIndex;
use virtio_gpu::protocol::command::ResourceCreate2d;
use virtio_gpu::protocol::{Command, ResourceId};
use virtio_gpu::testing::entry;

use conformance::daemon::Daemon;
use conformance::front_end::*;
use conformance::guest::{MEMORY, shared_file};
use support::PROGRAM;

/// A connected front end that has told what QEMU tells when the device is made.
fn realized(daemon: &Daemon) -> FrontEnd {
    let mut front_end = FrontEnd::connect(daemon);
    front_end.realize();
    front_end
}

/// The payload of GET_CONFIG and SET_CONFIG.
fn config(offset: u32, size: u32, data: usize) -> Vec<u8> {
    let mut payload = words(&[offset, size, 0]);
    payload.resize(12 + data, 0xee);
    payload
}

#[test]
fn configuration_is_read_in_any_size_and_zero_beyond_its_end() {
    let daemon = Daemon::start(PROGRAM);
    let mut front_end = realized(&daemon);
    // VIRTIO 1.4 §5.7.4: events_read, events_clear, num_scanouts, num_capsets, then nothing.
    let space = words(&[0, 0, 1, 0, 0]);

    for size in [16_u32, 20, 1, 4, 256] {
        let reply = front_end.ask(GET_CONFIG, &config(0, size, size as usize));

        assert_eq!(reply[..12], words(&[0, size, 0]));
        let mut expected = space.clone();
        expected.resize(size as usize, 0);
        assert_eq!(reply[12..], expected, "{size} bytes");
    }
    let reply = front_end.ask(GET_CONFIG, &config(8, 4, 4));
    assert_eq!(reply[12..], 1_u32.to_le_bytes());
}

#[test]
fn configuration_is_answered_while_the_display_socket_is_silent_and_a_command_waits() {
    let daemon = Daemon::start(PROGRAM);
    let mut front_end = realized(&daemon);
    let _silent = front_end.start();
    front_end.guest.driver.send(&Command::GetDisplayInfo, None);
    front_end.guest.kick(QueueIndex::Control);
    front_end.synchronize();

    let start = std::time::Instant::now();
    for _ in 0..100 {
        front_end.ask(GET_CONFIG, &config(0, 16, 16));
    }

    assert!(start.elapsed() < Duration::from_millis(500));
    assert!(
        front_end
            .guest
            .driver
            .take_answers(QueueIndex::Control)
            .is_empty()
    );
}

#[test]
fn a_message_cut_at_any_byte_is_understood() {
    let daemon = Daemon::start(PROGRAM);
    let mut front_end = realized(&daemon);
    let file = shared_file(MEMORY);
    let add = encode(ADD_MEM_REG, 0x9, &region(0, MEMORY, 0));
    let remove = encode(REM_MEM_REG, 0x9, &region(0, MEMORY, 0));

    for cut in 1..add.len() {
        for (bytes, fds) in [(&add, vec![file.as_fd()]), (&remove, Vec::new())] {
            front_end.send_bytes(&bytes[..cut], &fds);
            std::thread::sleep(Duration::from_micros(200));
            front_end.send_bytes(&bytes[cut..], &[]);
            let request = u32::from_ne_bytes(bytes[..4].try_into().unwrap());
            assert_eq!(front_end.reply(request), longs(&[0]), "cut at {cut}");
        }
    }
}

#[test]
fn messages_that_arrive_at_once_are_answered_in_order() {
    let daemon = Daemon::start(PROGRAM);
    let mut front_end = realized(&daemon);
    let mut bytes = Vec::new();
    for _ in 0..100 {
        bytes.extend(encode(GET_QUEUE_NUM, 0x1, &[]));
        bytes.extend(encode(GET_MAX_MEM_SLOTS, 0x1, &[]));
    }

    front_end.send_bytes(&bytes, &[]);

    for _ in 0..100 {
        assert_eq!(front_end.reply(GET_QUEUE_NUM), longs(&[2]));
        assert_eq!(front_end.reply(GET_MAX_MEM_SLOTS), longs(&[509]));
    }
}

#[test]
fn memory_can_be_added_and_removed_while_a_resource_lies_in_it() {
    let daemon = Daemon::start(PROGRAM);
    let (mut front_end, mut gpu) = FrontEnd::running(&daemon);
    let extra_at = 1 << 32;
    let extra = shared_file(1 << 20);
    let whole = Rect::from_size(256, 256);
    let add = |front_end: &mut FrontEnd| {
        front_end.acknowledged(ADD_MEM_REG, &region(extra_at, 1 << 20, 0), &[extra.as_fd()])
    };
    let transfer = Command::TransferToHost2d {
        rect: whole,
        offset: 0,
        resource: ResourceId(1),
    };
    let entries = [entry(extra_at, 256 * 256 * 4)];
    assert_eq!(add(&mut front_end), 0);
    front_end.succeed(&[
        Command::ResourceCreate2d(ResourceCreate2d {
            resource: ResourceId(1),
            format: 2,
            width: 256,
            height: 256,
        }),
        Command::ResourceAttachBacking {
            resource: ResourceId(1),
            entries: &entries,
        },
        transfer.clone(),
    ]);
    let maps = |daemon: &Daemon| {
        std::fs::read_to_string(format!("/proc/{}/maps", daemon.pid()))
            .unwrap()
            .matches("memfd:guest")
            .count()
    };
    assert_eq!(maps(&daemon), 2);

    let removed = front_end.acknowledged(REM_MEM_REG, &region(extra_at, 1 << 20, 0), &[]);
    assert_eq!(removed, 0);
    assert_eq!(maps(&daemon), 1, "the memory is let go before the reply");
    let answers = front_end.execute(std::slice::from_ref(&transfer));
    assert!(answers[0].outcome().is_err());
    assert_eq!(add(&mut front_end), 0);
    front_end.succeed(&[Command::GetDisplayInfo]);
    gpu.settle();
}
