//! Leak gates: a daemon does the same thing a great many times, and holds no more afterwards than before.
//!
//! `soak` is the program that runs them. Each gate drives a daemon over its sockets and rings, and reads what the
//! daemon's process holds in `/proc`: open descriptors, mappings, threads, and memory.

mod bridge;
mod chains;
mod command_errors;
mod display_sockets;
pub mod interruption;
mod machine;
mod messages;
mod meter;
mod noise;
mod objects;
mod reconnects;
mod rendering;
mod resets;
mod sample;
mod viewer;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use crate::daemon::Daemon;
use machine::Machine;
use meter::{Course, Meter};

/// What is to be run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The daemon, which takes `--socket-path` and `--persistent`.
    pub program: String,
    /// One in how many iterations is done.
    pub fraction: u64,
    /// Gates whose names contain one of these; all if there is none.
    pub only: Vec<String>,
}

/// How often each error path is gone.
const PATH_ROUNDS: Rounds = Rounds {
    full: 10_000,
    least: 1_000,
    warm_up: 1_000,
    slack: SLACK,
};

/// An allocator takes some pages more at one time than at another.
const SLACK: u32 = 64;

/// How often something is done.
#[derive(Debug, Clone, Copy)]
struct Rounds {
    /// In a full run.
    full: u64,
    /// At least, however small the fraction: fewer tell nothing.
    least: u64,
    /// Before that, until all that is filled once is full.
    warm_up: u64,
    /// Growth over a whole course in KiB that tells nothing. In a full run it is less than what the slope allows.
    slack: u32,
}

impl Plan {
    fn daemon(&self) -> Daemon {
        Daemon::start_with(&self.program, &["--log-level", "warn"])
    }

    /// A daemon with virglrenderer, `None` where that cannot be had.
    fn rendering_daemon(&self) -> Option<Daemon> {
        let arguments = ["--renderer", "auto", "--log-level", "info"];
        let daemon = Daemon::start_with(&self.program, &arguments);
        daemon
            .log()
            .contains("renderer: virgl on ")
            .then_some(daemon)
    }

    fn meter(&self, path: &str, rounds: Rounds) -> Meter {
        let iterations = (rounds.full / self.fraction.max(1)).max(rounds.least);
        Meter::new(path, rounds, iterations)
    }

    /// Repeats a step, which says how many iterations it was.
    fn course(
        &self,
        path: &str,
        daemon: &Daemon,
        machine: &mut Machine,
        mut step: impl FnMut(&mut Machine) -> u64,
    ) -> Course {
        let mut meter = self.meter(path, PATH_ROUNDS);
        while meter.goes_on() {
            let iterations = step(machine);
            meter.advance(iterations);
            machine.measure(daemon, &mut meter);
        }
        meter.finish()
    }
}

type Gate = fn(&Plan) -> Vec<Course>;

/// `None` where there is nothing to try it on.
type RenderingGate = fn(&Plan) -> Option<Vec<Course>>;

/// All gates of daemons that render.
const RENDERING_GATES: [(&str, RenderingGate); 5] = [
    ("contexts", rendering::contexts),
    ("textures", rendering::textures),
    ("promotions", rendering::promotions),
    ("resets in 3D", rendering::resets),
    ("noise", noise::noise),
];

/// All gates.
const GATES: [(&str, Gate); 11] = [
    ("resources", objects::resources),
    ("resets", resets::resets),
    ("reconnects", reconnects::reconnects),
    ("command errors", command_errors::command_errors),
    ("malformed chains", chains::malformed_chains),
    ("refused messages", messages::refused_messages),
    ("bridge questions", bridge::questions),
    ("display sockets", display_sockets::display_sockets),
    ("cursors", objects::cursors),
    ("scanout sizes", objects::scanout_sizes),
    ("3D in process", rendering::in_process),
];

/// Runs the gates and prints a line for each; returns whether all hold.
pub fn run(plan: &Plan) -> bool {
    let mut all_hold = true;
    let drawing = GATES.map(|(name, gate)| (name, Any::Drawing(gate)));
    let rendering = RENDERING_GATES.map(|(name, gate)| (name, Any::Rendering(gate)));
    for (name, gate) in drawing.into_iter().chain(rendering) {
        if !plan.only.is_empty() && !plan.only.iter().any(|part| name.contains(part.as_str())) {
            continue;
        }
        let start = Instant::now();
        // What goes wrong while a gate is driven is a panic of the harness.
        let courses = catch_unwind(AssertUnwindSafe(|| gate.run(plan)));
        if interruption::came() {
            return false;
        }
        let seconds = start.elapsed().as_secs_f64();
        let holds = match courses {
            Ok(None) => {
                println!("SKIP {name}: the daemon has no renderer here");
                true
            }
            Ok(Some(courses)) => {
                println!("{} {seconds:.1} s", meter::line(name, &courses));
                courses.iter().all(Course::holds)
            }
            Err(_) => {
                println!("FAIL {name}: it could not be driven to its end, {seconds:.1} s");
                false
            }
        };
        all_hold &= holds;
    }
    all_hold
}

/// A gate of either kind.
#[derive(Debug, Clone, Copy)]
enum Any {
    Drawing(Gate),
    Rendering(RenderingGate),
}

impl Any {
    fn run(self, plan: &Plan) -> Option<Vec<Course>> {
        match self {
            Self::Drawing(gate) => Some(gate(plan)),
            Self::Rendering(gate) => gate(plan),
        }
    }
}
