//! What a Wayland display takes from its process, and gives back. Its own process, and one test at a
//! time: others would open files meanwhile.
#![cfg(feature = "wayland")]
#![allow(
    dead_code,
    unused_imports,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod common;
#[path = "wayland/compositor/mod.rs"]
mod compositor;
#[path = "wayland/desk.rs"]
mod desk;
#[path = "wayland/liar.rs"]
mod liar;

use std::fs::{self, File};
use std::io::IoSlice;
use std::os::fd::AsFd;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gpu_buffer::Rect;
use gpu_display::{Display, DisplayError, Role, SurfaceId, SurfaceRequest};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use common::{BLUE, RED, Source};
use compositor::Offer;
use desk::Desk;
use liar::Liar;

/// The longest that a compositor that is back may have to wait.
const RETURN: Duration = Duration::from_millis(500);

static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open_files() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Lets the process have so many more files than it has, until this is dropped.
struct Scarcity {
    limits: (u64, u64),
    _fillers: Vec<File>,
}

impl Scarcity {
    fn new(spare: usize) -> Self {
        let limits = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        let numbers = fs::read_dir("/proc/self/fd").unwrap();
        let numbers = numbers.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let largest: u64 = numbers.map(|name| name.parse().unwrap()).max().unwrap();
        setrlimit(
            Resource::RLIMIT_NOFILE,
            largest + 1 + spare as u64,
            limits.1,
        )
        .unwrap();
        let mut fillers = Vec::new();
        while let Ok(file) = File::open("/dev/null") {
            fillers.push(file);
        }
        fillers.truncate(fillers.len() - spare);
        Self {
            limits,
            _fillers: fillers,
        }
    }
}

impl Drop for Scarcity {
    fn drop(&mut self) {
        setrlimit(Resource::RLIMIT_NOFILE, self.limits.0, self.limits.1).unwrap();
    }
}

fn mappings() -> usize {
    fs::read_to_string("/proc/self/maps")
        .unwrap()
        .lines()
        .filter(|line| line.contains("memfd"))
        .count()
}

/// How often something is done: more in a soak (`GPU_DISPLAY_SOAK=1`).
fn rounds(usually: u32, in_a_soak: u32) -> u32 {
    match std::env::var_os("GPU_DISPLAY_SOAK") {
        Some(_) => in_a_soak,
        None => usually,
    }
}

fn desk() -> (Desk, SurfaceId, Source) {
    let mut desk = Desk::new(Offer::default());
    let surface = desk.surface(0, 16, 8);
    let mut source = Source::plain(16, 8, RED);
    desk.show_all(surface, &mut source);
    (desk, surface, source)
}

#[test]
fn a_hundred_compositors_leave_nothing_behind() {
    let _alone = alone();
    let (mut desk, surface, mut source) = desk();
    desk.kill_compositor();
    let before = (open_files(), mappings());

    let restarts = rounds(100, 1000);
    for _ in 0..restarts {
        desk.start_compositor(Offer::default());
        desk.wait(RETURN);
        desk.show_all(surface, &mut source);
        desk.kill_compositor();
        desk.events();
    }

    assert_eq!((open_files(), mappings()), before);
    assert_eq!(
        desk.display.statistics().connections,
        u64::from(restarts) + 1
    );
}

#[test]
fn a_thousand_frames_and_sizes_leave_nothing_behind() {
    let _alone = alone();
    let (mut desk, surface, mut source) = desk();
    for _ in 0..4 {
        desk.show_all(surface, &mut source);
    }
    let before = (open_files(), mappings());

    for _ in 0..rounds(1000, 100_000) {
        desk.show(surface, &mut source, &[Rect::new(3, 3, 2, 2)]);
    }
    for round in 1..=rounds(1000, 10_000) {
        let mut other = Source::plain(16 + round % 32, 8, BLUE);
        let request = SurfaceRequest {
            role: Role::Scanout { output: 0 },
            width: other.layout.width(),
            height: 8,
        };
        desk.display.configure_surface(surface, &request).unwrap();
        desk.show_all(surface, &mut other);
        assert!(open_files() < before.0 + 24, "{} files", open_files());
    }
    let request = SurfaceRequest {
        role: Role::Scanout { output: 0 },
        width: 16,
        height: 8,
    };
    desk.display.configure_surface(surface, &request).unwrap();
    for _ in 0..4 {
        desk.show_all(surface, &mut source);
    }

    assert_eq!((open_files(), mappings()), before);
}

#[test]
fn descriptors_that_nobody_asked_for_end_the_connection() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let mut liar = Liar::new(directory.path());
    let files = open_files();
    let message = [1, 12 << 16 | 1, 4000_u32].map(u32::to_ne_bytes).concat();
    let file = File::open("/dev/null").unwrap();
    let fds = [file.as_fd(); 16];

    let mut messages = 0;
    while liar.stands() && messages < 100 {
        let bytes = [IoSlice::new(&message)];
        msg_socket::send_with_fds(liar.stream.as_fd(), &bytes, &fds).unwrap();
        liar.display.dispatch(Instant::now()).unwrap();
        messages += 1;
    }

    assert_eq!(messages, 5);
    // The file, and not the connection.
    assert!(open_files() <= files, "{} files", open_files());
}

#[test]
fn without_descriptors_there_is_no_new_picture_and_with_them_there_is() {
    let _alone = alone();
    for spare in 0..6 {
        let (mut desk, surface, _) = desk();
        let request = SurfaceRequest {
            role: Role::Scanout { output: 0 },
            width: 32,
            height: 8,
        };
        desk.display.configure_surface(surface, &request).unwrap();
        let mut other = Source::plain(32, 8, BLUE);
        let whole = other.layout.bounds();

        let scarcity = Scarcity::new(spare);
        let scarce = other.present(&mut desk.display, surface, whole, &[whole]);
        drop(scarcity);
        for _ in 0..4 {
            desk.wait(RETURN);
        }

        if spare == 0 {
            assert!(matches!(scarce, Err(DisplayError::Pixels(_))), "{scarce:?}");
            assert_eq!(desk.display.statistics().connections, 1);
        }
        desk.show_all(surface, &mut other);
        desk.compositor()
            .world
            .screen()
            .assert((32, 8), |_, _| BLUE);
    }
}

#[test]
fn without_descriptors_a_lost_compositor_is_found_again_when_there_are_some() {
    let _alone = alone();
    let (mut desk, surface, mut source) = desk();
    desk.kill_compositor();
    desk.start_compositor(Offer::default());

    for spare in 0..6 {
        let _scarcity = Scarcity::new(spare);
        desk.now += RETURN;
        desk.display.dispatch(desk.now).unwrap();
    }
    desk.wait(RETURN);
    desk.wait(RETURN);

    desk.show_all(surface, &mut source);
    desk.compositor().world.screen().assert((16, 8), |_, _| RED);
}
