//! A process that may map no more memory: at whatever point that is, what needs some is refused, and all else works.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used
)]

mod support;

use std::collections::BTreeSet;
use std::os::fd::AsFd;
use std::process::Command as Program;

use conformance::daemon::Daemon;
use conformance::front_end::*;
use conformance::gpu_socket::{SCANOUT, UPDATE};
use conformance::guest::{MEMORY, owned};
use gpu_buffer::Rect;
use support::PROGRAM;
use support::drawing::*;
use virtio_gpu::protocol::{Command, ErrorCode, ResourceCreate2d};
use virtio_gpu::testing::{Driver, entry};

const MIB: u64 = 1 << 20;

/// Sets what a process may map, in bytes; everything if it is not said.
fn limit_mappings(daemon: &Daemon, bytes: Option<u64>) {
    let limit = bytes.map_or("unlimited".to_owned(), |bytes| bytes.to_string());
    let status = Program::new("prlimit")
        .arg(format!("--pid={}", daemon.pid()))
        .arg(format!("--as={limit}:"))
        .status();
    assert!(status.unwrap().success());
}

/// What a process has mapped, in bytes.
fn mapped(daemon: &Daemon) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:"));
    let number = line.unwrap().trim().trim_end_matches(" kB");
    number.parse::<u64>().unwrap() * 1024
}

/// A session of a guest with a picture of 2000x1000 pixels, 8 MB. What was refused goes to `refused`, by name; what the
/// daemon holds at its end is returned.
fn live(daemon: &Daemon, room: u64, refused: &mut BTreeSet<&'static str>) -> [usize; 3] {
    let mut front_end = FrontEnd::connect(daemon);
    front_end.realize();
    let mut gpu = front_end.send_gpu_socket();
    front_end.send(SET_FEATURES, &longs(&[ACKNOWLEDGED]), &[]);
    front_end.synchronize();
    limit_mappings(daemon, Some(mapped(daemon) + room));

    let file = owned(&front_end.guest.regions[0].file);
    let memory = region(0, MEMORY, 0);
    if front_end.acknowledged(ADD_MEM_REG, &memory, &[file.as_fd()]) != 0 {
        refused.insert("ADD_MEM_REG");
        limit_mappings(daemon, None);
        front_end.add_region(0);
    }
    front_end.start_rings();
    gpu.settle();
    let (width, height) = (2000, 1000);
    let whole = Rect::from_size(width, height);
    let entries = [entry(Driver::FREE, width * height * 4)];
    let create = ResourceCreate2d {
        resource: IMAGE,
        format: B8G8R8X8,
        width,
        height,
    };
    for command in [
        Command::ResourceCreate2d(create),
        Command::ResourceAttachBacking {
            resource: IMAGE,
            entries: &entries,
        },
        transfer(whole, width),
        set_scanout(width, height),
        flush(whole),
    ] {
        let answers = front_end.execute(std::slice::from_ref(&command));
        if let Err(code) = answers[0].outcome() {
            assert_eq!(code, ErrorCode::OutOfMemory, "{}", command.name());
            refused.insert(command.name());
            limit_mappings(daemon, None);
            front_end.succeed(&[command]);
        }
    }
    assert_eq!(gpu.message().request, SCANOUT);
    assert_eq!(gpu.message().request, UPDATE);
    limit_mappings(daemon, None);
    daemon.holdings()
}

#[test]
fn wherever_memory_runs_out_one_thing_is_refused_and_works_with_more() {
    let mut daemon = Daemon::start_with(PROGRAM, &["--persistent"]);
    let mut refused = BTreeSet::new();
    let before = live(&daemon, 1 << 40, &mut refused);
    assert!(refused.is_empty());

    // Less than a MiB may be what the daemon needs for itself.
    for room in (1..64).step_by(2).map(|room| room * MIB) {
        assert_eq!(live(&daemon, room, &mut refused), before, "{room}");
    }

    assert!(daemon.is_running());
    assert_eq!(
        refused,
        BTreeSet::from(["ADD_MEM_REG", "TRANSFER_TO_HOST_2D"])
    );
}
