//! A front end that says the same thing a hundred thousand times: nothing grows, and the log stays readable.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used
)]

mod support;

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use conformance::daemon::Daemon;
use conformance::front_end::*;
use conformance::guest::QUEUES;
use nix::sys::eventfd::EventFd;
use support::PROGRAM;
use virtio_gpu::protocol::Command;

const TIMES: usize = 100_000;

/// `VHOST_USER_GET_INFLIGHT_FD`.
const GET_INFLIGHT_FD: u32 = 31;
/// `VHOST_USER_SET_INFLIGHT_FD`.
const SET_INFLIGHT_FD: u32 = 32;

/// Memory that a process has, in KiB.
fn resident(daemon: &Daemon) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.unwrap().trim().trim_end_matches(" kB");
    number.parse().unwrap()
}

/// The payload of the two messages about in-flight descriptors: size and offset of the area in bytes, number of queues
/// and their size.
fn inflight(size: u64, offset: u64, queues: u16, queue_size: u16) -> Vec<u8> {
    let mut payload = longs(&[size, offset]);
    payload.extend_from_slice(&queues.to_ne_bytes());
    payload.extend_from_slice(&queue_size.to_ne_bytes());
    payload.extend_from_slice(&[0; 4]);
    payload
}

/// Says each of the messages in turn, and checks what it costs.
fn flood(messages: &[(u32, Vec<u8>, Option<BorrowedFd<'_>>)]) {
    let daemon = Daemon::start_with(PROGRAM, &["--log-level", "warn"]);
    let (mut front_end, _gpu) = FrontEnd::running(&daemon);
    let mut say = |times: usize| {
        for (place, (request, payload, fd)) in messages.iter().cycle().take(times).enumerate() {
            let fds: Vec<_> = fd.iter().copied().collect();
            front_end.send(*request, payload, &fds);
            if place % 64 == 0 {
                front_end.synchronize();
            }
        }
        front_end.synchronize();
    };
    say(TIMES / 10);
    let (held, memory, start) = (daemon.holdings(), resident(&daemon), Instant::now());

    say(TIMES);

    assert_eq!(daemon.holdings(), held);
    let grown = resident(&daemon).saturating_sub(memory);
    assert!(grown < 512, "{grown} KiB more");
    let (lines, seconds) = (daemon.log().lines().count(), start.elapsed().as_secs());
    assert!(
        lines as u64 <= 3 + seconds,
        "{lines} lines:\n{}",
        daemon.log()
    );
    for queue in QUEUES {
        front_end.send_kick(queue);
    }
    front_end.succeed(&[Command::GetDisplayInfo]);
}

#[test]
fn in_flight_areas_that_nobody_offered_cost_nothing() {
    let null = File::open("/dev/null").unwrap();
    let wild = [
        inflight(0, 0, 2, 64),
        inflight(u64::MAX, u64::MAX, u16::MAX, u16::MAX),
        inflight(1 << 40, 4095, u16::MAX, 256),
        inflight(4096, 1 << 63, 2, 0),
    ];
    let messages: Vec<_> = wild
        .iter()
        .flat_map(|payload| {
            [
                (GET_INFLIGHT_FD, payload.clone(), None),
                (SET_INFLIGHT_FD, payload.clone(), Some(null.as_fd())),
            ]
        })
        .collect();
    flood(&messages);
}

#[test]
fn descriptors_that_replace_each_other_cost_nothing() {
    let event = EventFd::new().unwrap();
    let messages: Vec<_> = [SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR]
        .into_iter()
        .flat_map(|request| [0, 1].map(|ring| (request, longs(&[ring]), Some(event.as_fd()))))
        .collect();
    flood(&messages);
}
