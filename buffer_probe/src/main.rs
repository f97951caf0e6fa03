//! Makes, shares and checks pixel buffers on a machine's device nodes.

#![deny(unsafe_code)]
#![expect(
    clippy::arithmetic_side_effects,
    reason = "sizes are the probe's own, and overflow checks stay on in every profile"
)]

mod blob;
mod check;
mod choose;
mod cycle;
mod device;
mod error;
mod fence;
mod heap;
mod pages;
mod pattern;
mod share;
mod source;
mod uses;
mod window;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use error::Error;
use source::Source;

/// A machine that lacks what was asked for, as test runners say it.
const SKIPPED: u8 = 77;

/// Make, share and check pixel buffers
#[derive(Debug, Parser)]
#[command(name = "buffer-probe", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make images of every format, draw them, read them back, and have a second process check them
    Share {
        /// memfd, udmabuf, dumb@DRIVER or gbm@DRIVER
        source: Source,
    },
    /// Make, export and drop images, and count what is left of them
    Cycle {
        /// memfd, udmabuf, dumb@DRIVER or gbm@DRIVER
        source: Source,
        /// How often
        #[arg(long, default_value_t = 1000)]
        count: u32,
    },
    /// Say which allocator serves, and why no better one
    Choose {
        /// What it is for
        purpose: choose::Purpose,
        /// The allocator that it has to be
        expected: Option<String>,
    },
    /// Read a buffer only after the device that draws into it: vgem plays the device
    Fence,
    /// Import a dma-buf of the system's dma-heap
    Heap,
    /// Make a dma-buf of scattered pages, and see that it is those pages
    Pages,
    /// Show a guest's blob on a screen, and see that it is the guest's pages
    Blob,
    /// Make GBM images for each use, let them outlive their allocator, and import what is no image
    Uses {
        /// The driver
        driver: String,
    },
    /// Show dma-bufs in a window of the Wayland desktop, until somebody ends it
    Window {
        /// memfd, udmabuf, dumb@DRIVER or gbm@DRIVER
        source: Source,
        /// How many, one after the other
        #[arg(long, default_value_t = 2)]
        frames: u32,
    },
    /// Run our daemon with a window on the Wayland desktop, and draw there as its guest
    Device(device::DeviceArgs),
    /// Check the image whose memory is the standard input: the second process of `share`
    #[command(hide = true)]
    Check(check::CheckArgs),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Share { source } => share::run(&source),
        Command::Cycle { source, count } => cycle::run(&source, count),
        Command::Choose { purpose, expected } => choose::run(purpose, expected.as_deref()),
        Command::Fence => fence::run(),
        Command::Heap => heap::run(),
        Command::Pages => pages::run(),
        Command::Blob => blob::run(),
        Command::Uses { driver } => uses::run(&driver),
        Command::Window { source, frames } => window::run(&source, frames),
        Command::Device(arguments) => device::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Error::Absent(reason)) => {
            println!("absent: {reason}");
            ExitCode::from(SKIPPED)
        }
        Err(error) => {
            println!("error: {}", error::explain(&error));
            ExitCode::FAILURE
        }
    }
}
