//! Draws through KMS in the guest: each subcommand is one way of using a display device.
//!
//! A command that leaves something on the screen prints `ready` when the screen must show it and
//! then stays until it is killed, because the screen is restored when the program ends.

#![forbid(unsafe_code)]
#![expect(
    clippy::arithmetic_side_effects,
    reason = "sizes come from KMS modes, and overflow checks stay on in every profile"
)]

mod card;
mod commands;
mod error;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use card::Size;

/// Draw through KMS
#[derive(Debug, Parser)]
#[command(name = "kms-probe", version)]
struct Arguments {
    /// The display device
    #[arg(long, value_name = "FILE", default_value = "/dev/dri/card0")]
    card: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write what a screen's framebuffer holds in the guest's memory to a file
    Grab {
        /// The file to write
        file: PathBuf,
        /// Which screen
        #[arg(long, default_value_t = 0)]
        head: usize,
    },
    /// Say which screens are connected and what sizes they have
    List,
    /// Show a pattern in one size
    Mode {
        /// The size, such as 1024x768; the screen's preferred one when left out
        size: Option<Size>,
        /// Which pattern
        #[arg(long, default_value_t = 1)]
        seed: u32,
    },
    /// Flip through frames, each its own pattern
    Flip {
        /// How many frames
        #[arg(long, default_value_t = 8)]
        frames: u32,
        /// The size; the screen's preferred one when left out
        #[arg(long)]
        size: Option<Size>,
    },
    /// Draw a whole picture, then announce changes of some rectangles
    Damage,
    /// Show a cursor with a hotspot
    Cursor {
        /// Left edge of its image
        #[arg(long, default_value_t = 100, allow_hyphen_values = true)]
        x: i32,
        /// Upper edge of its image
        #[arg(long, default_value_t = 100, allow_hyphen_values = true)]
        y: i32,
        /// Where in the image it points to
        #[arg(long, default_value_t = 7)]
        hot_x: i32,
        /// Where in the image it points to
        #[arg(long, default_value_t = 11)]
        hot_y: i32,
        /// Which image
        #[arg(long, default_value_t = 1)]
        seed: u32,
        /// Take the cursor away again in the end
        #[arg(long)]
        hide: bool,
    },
    /// Show a different pattern on each of two screens
    Heads,
    /// Draw a moving picture
    Animate {
        /// Written below it
        #[arg(long, default_value = "THROUGH A VIRTIO-GPU DEVICE")]
        label: String,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let path = &arguments.card;
    let result = match arguments.command {
        Command::Grab { file, head } => commands::grab(path, head, &file),
        Command::List => commands::list(path),
        Command::Mode { size, seed } => commands::mode(path, size, seed),
        Command::Flip { frames, size } => commands::flip(path, size, frames),
        Command::Damage => commands::damage(path),
        Command::Cursor {
            x,
            y,
            hot_x,
            hot_y,
            seed,
            hide,
        } => commands::cursor(path, (x, y), (hot_x, hot_y), seed, hide),
        Command::Heads => commands::heads(path),
        Command::Animate { label } => commands::animate(path, &label),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kms-probe: {error}");
            ExitCode::FAILURE
        }
    }
}
