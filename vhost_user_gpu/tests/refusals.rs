//! What a front end must not do, and what becomes of it.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::unwrap_used
)]

mod support;

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};

use virtio_gpu::QueueIndex;
use virtio_gpu::protocol::Command;

use conformance::daemon::Daemon;
use conformance::front_end::*;
use conformance::guest::{MEMORY, USER_BASE, shared_file};
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
fn refused_messages_change_nothing_and_close_their_descriptors() {
    let daemon = Daemon::start(PROGRAM);
    let mut front_end = realized(&daemon);
    front_end.synchronize();
    let before = daemon.open_descriptors();
    let null = File::open("/dev/null").unwrap();
    let directory = File::open("/").unwrap();
    let short = shared_file(MEMORY - 1);
    let whole = shared_file(MEMORY);
    let one: &[BorrowedFd<'_>] = &[whole.as_fd()];
    let root: &[BorrowedFd<'_>] = &[directory.as_fd()];
    let cut: &[BorrowedFd<'_>] = &[short.as_fd()];
    let many: Vec<BorrowedFd<'_>> = (0..32).map(|_| null.as_fd()).collect();
    let too_many: Vec<BorrowedFd<'_>> = (0..33).map(|_| null.as_fd()).collect();
    let table = |count: u32, regions: &[[u64; 4]]| {
        let mut payload = words(&[count, 0]);
        for region in regions {
            payload.extend(longs(region));
        }
        payload
    };
    let good = [0, MEMORY, USER_BASE, 0];
    let cases: Vec<(&str, u32, Vec<u8>, &[BorrowedFd<'_>])> = vec![
        ("request 0", 0, vec![], &[]),
        ("request 255", 255, vec![1; 100], &many),
        ("SET_STATUS, not offered", 39, longs(&[15]), &[]),
        ("SET_LOG_BASE, not offered", 6, longs(&[0, 0]), one),
        ("a payload for SET_OWNER", SET_OWNER, vec![0], &[]),
        ("no payload for SET_FEATURES", SET_FEATURES, vec![], &[]),
        (
            "a feature not offered",
            SET_FEATURES,
            longs(&[1 << 34]),
            &[],
        ),
        ("a descriptor for SET_OWNER", SET_OWNER, vec![], one),
        (
            "33 descriptors",
            ADD_MEM_REG,
            region(0, MEMORY, 0),
            &too_many,
        ),
        (
            "2 descriptors",
            ADD_MEM_REG,
            region(0, MEMORY, 0),
            &many[..2],
        ),
        ("no descriptor", ADD_MEM_REG, region(0, MEMORY, 0), &[]),
        (
            "a device as memory",
            ADD_MEM_REG,
            region(0, MEMORY, 0),
            &many[..1],
        ),
        (
            "a directory as memory",
            ADD_MEM_REG,
            region(0, 4096, 0),
            root,
        ),
        ("a short file", ADD_MEM_REG, region(0, MEMORY, 0), cut),
        (
            "an offset beyond the file",
            ADD_MEM_REG,
            region(0, MEMORY, 4096),
            one,
        ),
        ("an empty region", ADD_MEM_REG, region(0, 0, 0), one),
        (
            "a region that wraps",
            ADD_MEM_REG,
            longs(&[0, u64::MAX - 1, 4096, 0, 0]),
            one,
        ),
        ("no such region", REM_MEM_REG, region(0, 4096, 0), &[]),
        ("a table of nothing", SET_MEM_TABLE, table(0, &[]), &[]),
        (
            "a table of 33",
            SET_MEM_TABLE,
            table(33, &[good; 33]),
            &many,
        ),
        ("a short table", SET_MEM_TABLE, table(2, &[good]), one),
        (
            "a table that overlaps",
            SET_MEM_TABLE,
            table(2, &[good, good]),
            &many[..2],
        ),
        ("ring 2", SET_VRING_NUM, words(&[2, 64]), &[]),
        ("a size of 0", SET_VRING_NUM, words(&[0, 0]), &[]),
        ("a size of 3", SET_VRING_NUM, words(&[0, 3]), &[]),
        ("a size of 65536", SET_VRING_NUM, words(&[0, 65_536]), &[]),
        ("a base of 65536", SET_VRING_BASE, words(&[0, 65_536]), &[]),
        (
            "a ring enabled twice over",
            SET_VRING_ENABLE,
            words(&[0, 2]),
            &[],
        ),
        (
            "a ring outside memory",
            SET_VRING_ADDR,
            [words(&[0, 0]), longs(&[4096, 8192, 12288, 0])].concat(),
            &[],
        ),
        (
            "a ring with a log",
            SET_VRING_ADDR,
            [words(&[0, 1]), longs(&[0, 0, 0, 0])].concat(),
            &[],
        ),
        ("a kick of ring 7", SET_VRING_KICK, longs(&[7]), one),
        (
            "a kick of a ring without addresses",
            SET_VRING_KICK,
            longs(&[0]),
            one,
        ),
        ("no kick", SET_VRING_KICK, longs(&[0x100]), &[]),
        (
            "a call without its descriptor",
            SET_VRING_CALL,
            longs(&[0]),
            &[],
        ),
        ("a file as display socket", GPU_SET_SOCKET, vec![], one),
        ("no display socket", GPU_SET_SOCKET, vec![], &[]),
    ];

    for (name, request, payload, fds) in cases {
        assert_eq!(
            front_end.acknowledged(request, &payload, fds),
            1,
            "{name} was not refused"
        );
        assert_eq!(daemon.open_descriptors(), before, "after {name}");
    }

    let _gpu = front_end.start();
    front_end.succeed(&[Command::GetDisplayInfo]);
}

#[test]
fn a_refused_message_without_acknowledgement_is_passed_over() {
    let daemon = Daemon::start(PROGRAM);
    let mut front_end = realized(&daemon);

    front_end.send(255, &[1, 2, 3], &[]);
    front_end.send(SET_VRING_NUM, &words(&[9, 64]), &[]);

    front_end.synchronize();
    assert!(daemon.log().contains("request 255 is not supported"));
}

#[test]
fn a_flood_of_refused_messages_is_one_log_line_a_second() {
    let daemon = Daemon::start_with(PROGRAM, &["--log-level", "info"]);
    let mut front_end = realized(&daemon);

    for _ in 0..100 {
        front_end.send(255, &[], &[]);
    }

    front_end.synchronize();
    let lines = daemon.log().matches("refused").count();
    assert!((1..=2).contains(&lines), "{lines} lines");
}

#[test]
fn what_loses_the_framing_ends_the_session_with_a_clear_error() {
    let cases = [
        (encode(GET_FEATURES, 0x0, &[]), "version"),
        (encode(GET_FEATURES, 0x2, &[]), "version"),
        (encode(GET_FEATURES, 0x5, &[]), "version"),
        (words(&[GET_FEATURES, 0x1, 4097]), "4097 bytes"),
        (words(&[GET_FEATURES, 0x1, u32::MAX]), "at most 4096"),
        (
            encode(GET_VRING_BASE, 0x1, &words(&[2, 0])),
            "GET_VRING_BASE cannot be answered",
        ),
        (
            encode(SET_PROTOCOL_FEATURES, 0x1, &longs(&[1 << 12])),
            "protocol features",
        ),
    ];
    for (bytes, reason) in cases {
        let mut daemon = Daemon::start(PROGRAM);
        let front_end = FrontEnd::connect(&daemon);

        front_end.send_bytes(&bytes, &[]);
        let (status, _) = daemon.wait();

        assert_eq!(status.code(), Some(1), "{reason}");
        let log = daemon.log();
        let line = log.lines().find(|line| line.starts_with("error: "));
        assert!(line.unwrap().contains(reason), "{reason}: {log}");
    }
}

#[test]
fn packed_rings_are_refused_and_the_daemon_stays() {
    let daemon = Daemon::start(PROGRAM);
    let mut front_end = realized(&daemon);
    let _gpu = front_end.start();
    for queue in [QueueIndex::Control, QueueIndex::Cursor] {
        front_end.stop_ring(queue);
    }

    front_end.send(SET_FEATURES, &longs(&[ACKNOWLEDGED | 1 << 34]), &[]);
    front_end.send_ring_setup(QueueIndex::Control);
    let kick = front_end.guest.kicks[0]
        .as_fd()
        .try_clone_to_owned()
        .unwrap();
    let started = front_end.acknowledged(SET_VRING_KICK, &longs(&[0]), &[kick.as_fd()]);

    assert_eq!(started, 1);
    assert!(
        daemon.log().contains("remove packed=on"),
        "{}",
        daemon.log()
    );
    front_end.send(SET_FEATURES, &longs(&[ACKNOWLEDGED]), &[]);
    let started = front_end.acknowledged(SET_VRING_KICK, &longs(&[0]), &[kick.as_fd()]);
    assert_eq!(started, 0);
}

#[test]
fn a_senseless_configuration_question_gets_an_empty_answer() {
    let daemon = Daemon::start(PROGRAM);
    let mut front_end = realized(&daemon);

    let senseless = [
        config(0, 0, 0),
        config(0, 16, 15),
        config(0, 257, 257),
        config(u32::MAX, 16, 16),
        config(250, 16, 16),
        vec![0; 3],
    ];
    for payload in senseless {
        assert!(front_end.ask(GET_CONFIG, &payload).is_empty());
        assert_eq!(front_end.acknowledged(SET_CONFIG, &payload, &[]), 1);
    }
    assert_eq!(front_end.acknowledged(SET_CONFIG, &config(4, 4, 4), &[]), 0);
}
