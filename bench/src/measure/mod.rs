//! What is measured, one file per kind of work.

mod commands;
mod creation;
mod flood;
mod frames;
mod idle;
mod inside;
mod queue;
mod sockets;
mod storm;
mod transfer;
mod virgl;
mod windows;

use std::time::{Duration, Instant};

use crate::daemon::Program;
use crate::guest::Guest;
use crate::report::Report;

/// What a run has to work with.
#[derive(Debug)]
pub(crate) struct Setting {
    /// Ours, without a renderer.
    pub(crate) ours: Program,
    /// QEMU's daemon, if there is one.
    pub(crate) qemu: Option<Program>,
    /// Another daemon that renders, if there is one.
    pub(crate) peer: Option<Program>,
    pub(crate) rounds: usize,
    /// How long one contender works in one round.
    pub(crate) slice: Duration,
    pub(crate) guest: Guest,
}

impl Setting {
    /// Ours and QEMU's.
    fn programs(&self) -> impl Iterator<Item = &Program> {
        [Some(&self.ours), self.qemu.as_ref()].into_iter().flatten()
    }

    /// How often `work` is done in a second, times `count`.
    fn rate(&self, count: f64, mut work: impl FnMut()) -> f64 {
        let start = Instant::now();
        let mut done = 0_u32;
        while start.elapsed() < self.slice {
            work();
            done += 1;
        }
        f64::from(done) * count / start.elapsed().as_secs_f64()
    }
}

/// How our daemon is told not to render.
pub(crate) const WITHOUT_RENDERER: &[&str] = &["--renderer", "none"];

type Measure = fn(&Setting, &mut Report);

/// All measurements, by name.
pub(crate) const ALL: [(&str, Measure); 17] = [
    ("transfer", transfer::measure),
    ("frames", frames::measure),
    ("damage", frames::measure_damage),
    ("commands", commands::measure),
    ("creation", creation::measure),
    ("idle", idle::measure),
    ("storm", storm::measure),
    ("inside", inside::measure),
    ("queue", queue::measure),
    ("sockets", sockets::measure),
    ("windows", windows::measure),
    ("streams", virgl::streams),
    ("long", virgl::long),
    ("textures", virgl::textures),
    ("rendered", virgl::frames),
    ("beside", virgl::beside),
    ("start", virgl::start),
];
