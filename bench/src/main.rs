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
mod compositor;
mod daemon;
mod direct;
mod front_end;
mod guest;
mod measure;
mod report;
mod ring;
mod screen;
mod texture;
mod trips;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Parser;
use gpu_renderer::virgl::{VirglConfig, VirglRenderer};

use daemon::Program;
use guest::Guest;
use measure::{ALL, Setting, WITHOUT_RENDERER};
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
    /// Another vhost-user-gpu daemon that renders and takes --socket-path, to compare with
    #[arg(long)]
    peer: Option<PathBuf>,
    /// What else that daemon has to be told
    #[arg(
        long,
        value_name = "ARGUMENT",
        requires = "peer",
        allow_hyphen_values = true
    )]
    peer_argument: Vec<String>,
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

/// The only argument of a process that starts a renderer and says how many milliseconds that took.
const START_RENDERER: &str = "--start-renderer";

fn main() {
    if std::env::args().nth(1).as_deref() == Some(START_RENDERER) {
        start_renderer();
        return;
    }
    daemon::remember_environment();
    let arguments = Arguments::parse();
    let program = |name, path| Program {
        name,
        path,
        arguments: Vec::new(),
        libraries: None,
    };
    let setting = Setting {
        ours: program("ours", arguments.ours).told("ours", WITHOUT_RENDERER),
        qemu: arguments.qemu.map(|path| Program {
            libraries: arguments.qemu_libraries,
            ..program("qemu", path)
        }),
        peer: arguments.peer.map(|path| Program {
            arguments: arguments.peer_argument,
            ..program("peer", path)
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

fn start_renderer() {
    let start = Instant::now();
    let renderer = VirglRenderer::new(VirglConfig::default()).unwrap();
    println!("{}", start.elapsed().as_secs_f64() * 1e3);
    drop(renderer);
}
