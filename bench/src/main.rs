#![doc = include_str!("../README.md")]
// A harness: it fails by panicking where a daemon does not do what it must.
#![forbid(unsafe_code)]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod baseline;
mod daemon;
mod front_end;
mod guest;
mod measure;
mod report;
mod ring;
mod screen;

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use daemon::Program;
use guest::Guest;
use measure::{ALL, Setting};
use report::Report;

/// Measures a vhost-user-gpu daemon over real rings
#[derive(Debug, Parser)]
struct Arguments {
    /// The daemon's program
    #[arg(long)]
    ours: PathBuf,
    /// QEMU's daemon, to compare with
    #[arg(long)]
    qemu: Option<PathBuf>,
    /// Where the libraries of QEMU's daemon are
    #[arg(long, requires = "qemu")]
    qemu_libraries: Option<PathBuf>,
    /// How often each contender is measured, in turns
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Milliseconds that each works in its turn
    #[arg(long, default_value_t = 250)]
    slice: u64,
    /// Write the numbers to this file
    #[arg(long)]
    json: Option<PathBuf>,
    /// Only these measurements
    only: Vec<String>,
}

fn main() {
    let arguments = Arguments::parse();
    let setting = Setting {
        ours: Program {
            name: "ours",
            path: arguments.ours,
            libraries: None,
        },
        qemu: arguments.qemu.map(|path| Program {
            name: "qemu",
            path,
            libraries: arguments.qemu_libraries,
        }),
        rounds: arguments.rounds.max(1),
        slice: Duration::from_millis(arguments.slice),
        guest: Guest::new(),
    };
    setting.guest.paint();
    let mut report = Report::default();
    for (name, measure) in ALL {
        if arguments.only.is_empty() || arguments.only.iter().any(|only| only == name) {
            measure(&setting, &mut report);
        }
    }
    if let Some(path) = arguments.json {
        std::fs::write(&path, format!("{:#}\n", report.to_json())).unwrap();
    }
}
