//! Every limit at one less, exactly, and one more.
#![allow(clippy::unwrap_used)]

use std::time::Instant;

use conformance::tables::{ALL, BLOBS, Rendering, Setting, limit_tables, rendering_limit_tables};
use conformance::{Executor, InProcess, run};
use virtio_gpu::protocol::Command;
use virtio_gpu::{Limits, QueueIndex};

const CONTROL: QueueIndex = QueueIndex::Control;

#[test]
fn what_is_held_ends_at_its_limit_and_all_else_goes_on() {
    for table in limit_tables() {
        let mut device = InProcess::new(4, table.limits);
        run(&mut device, &table.cases).assert_clean();
    }
}

#[test]
fn the_same_holds_for_a_device_that_renders() {
    for table in limit_tables().into_iter().chain(rendering_limit_tables()) {
        let mut device = InProcess::rendering(4, table.limits);
        run(&mut device, &table.cases).assert_clean();
    }
}

#[test]
fn no_limit_is_left_out() {
    let listed = format!("{:?}", Limits::default());
    let fields = listed
        .trim_start_matches("Limits {")
        .trim_end_matches('}')
        .split(',')
        .map(|field| field.split_once(':').unwrap().0.trim().to_owned());
    let here = [
        "turn_commands",
        "turn_micros",
        "transfer_step_bytes",
        "present_step_bytes",
        // virtio_gpu/tests/rendering/quiesce.rs
        "drain_millis",
        // virtio_gpu/tests/rendering/images.rs
        "shared_resources",
        // virtio_gpu/tests/picture_files.rs
        "picture_files",
        // virtio_gpu/tests/blobs.rs
        "blob_bytes",
    ];
    let tables = || limit_tables().into_iter().chain(rendering_limit_tables());

    for field in fields {
        let tried = tables().any(|table| table.field == field);
        assert!(tried || here.contains(&field.as_str()), "{field}");
    }
}

#[test]
fn however_small_the_steps_of_transfers_and_frames_nothing_else_differs() {
    let setting = Setting {
        scanouts: 4,
        rounds: 20,
        rendering: Rendering::Nothing,
    };
    for (step, tables) in [(1, "SF"), (700, "STFAP")] {
        let mut limits = Limits::default();
        limits.transfer_step_bytes = step;
        limits.present_step_bytes = step;
        for (_, table) in ALL.iter().filter(|(name, _)| tables.contains(name)) {
            let mut device = InProcess::new(4, limits.clone());
            run(&mut device, &table(&setting)).assert_clean();
        }
        for (_, table) in BLOBS {
            let mut device = InProcess::with_blobs(4, limits.clone());
            run(&mut device, &table(&setting)).assert_clean();
        }
    }
}

/// How many of so many waiting commands one turn handles.
fn handled(limits: Limits, waiting: u32) -> usize {
    let mut gpu = InProcess::new(1, limits);
    for _ in 0..waiting {
        gpu.driver().send(&Command::GetDisplayInfo, None);
    }
    let turn = gpu.device.process_queue(CONTROL, Instant::now());
    let answers = gpu.driver().take_answers(CONTROL).len();
    assert!(turn.more || answers == waiting as usize);
    answers
}

#[test]
fn a_turn_handles_so_many_commands_and_not_one_more() {
    let limits = || {
        let mut limits = Limits::default();
        limits.turn_commands = 8;
        limits.turn_micros = 60_000_000;
        limits
    };

    assert_eq!(handled(limits(), 7), 7);
    assert_eq!(handled(limits(), 8), 8);
    assert_eq!(handled(limits(), 9), 8);
}

#[test]
fn a_turn_out_of_time_ends_after_the_command_it_is_at() {
    let limits = |micros| {
        let mut limits = Limits::default();
        limits.turn_micros = micros;
        limits
    };

    assert_eq!(handled(limits(0), 3), 1);
    assert_eq!(handled(limits(60_000_000), 60), 60);
}
