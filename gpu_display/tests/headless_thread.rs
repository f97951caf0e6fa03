//! A system that has no thread for the headless display.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]

mod common;

use std::fs;
use std::time::{Duration, Instant};

use common::{RED, Source, headless, scanout};
use gpu_display::Display;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tempfile::tempdir;

/// Bytes of address space that this process has.
fn address_space() -> u64 {
    let sizes = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = sizes.split_whitespace().next().unwrap().parse().unwrap();
    pages * 4096
}

// One test, as the limit is of the whole process.
#[test]
fn a_picture_for_which_there_is_no_thread_is_written_when_there_is_one() {
    let directory = tempdir().unwrap();
    let mut display = headless(Some(directory.path()));
    let surface = display.create_surface(&scanout(0, 4, 4)).unwrap();
    Source::plain(4, 4, RED).show(&mut display, surface);
    let (soft, hard) = getrlimit(Resource::RLIMIT_AS).unwrap();
    let start = Instant::now();

    // No room for the stack of a thread.
    setrlimit(Resource::RLIMIT_AS, address_space() + (1 << 19), hard).unwrap();
    let failed = display.dispatch(start);
    setrlimit(Resource::RLIMIT_AS, soft, hard).unwrap();

    failed.unwrap();
    let due = start + Duration::from_secs(1);
    assert_eq!(display.deadline(), Some(due));
    display.dispatch(due).unwrap();
    drop(display);
    assert!(directory.path().join("scanout-0.png").exists());
}
