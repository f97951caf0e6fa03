//! Draws a scene with OpenGL ES 3, off screen or on a display device, in a guest or on a host.
//!
//! Every command first prints `renderer: ` and GL's own name of who draws.

#![deny(unsafe_code)]
#![expect(
    clippy::arithmetic_side_effects,
    reason = "sides come from KMS modes or are checked, and overflow checks stay on in every profile"
)]

mod commands;
mod egl;
mod error;
mod gl;
mod matrix;
mod mesh;
mod paint;
mod scene;
mod screen;

use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use clap::{Parser, Subcommand};

/// Draw with OpenGL ES
#[derive(Debug, Parser)]
#[command(name = "gl-probe", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say who draws
    Info,
    /// Draw one picture off screen and write its pixels to a file
    Draw {
        /// The file to write
        file: PathBuf,
        /// The picture's size
        #[arg(long, default_value = "640x400")]
        size: Size,
        /// The moment of the scene
        #[arg(long, default_value_t = 0.0)]
        seconds: f32,
        /// Written at the lower edge; once for each line
        #[arg(long, value_name = "TEXT")]
        label: Vec<String>,
    },
    /// Draw off screen without end, each frame of it hard work
    Toil {
        /// The frames' size
        #[arg(long, default_value = "1024x768")]
        size: Size,
    },
    /// Show the scene on a screen, with a cursor, until the program is killed
    Show {
        /// The display device
        #[arg(long, value_name = "FILE", default_value = "/dev/dri/card0")]
        card: PathBuf,
        /// Show only this moment instead of letting the scene move
        #[arg(long)]
        seconds: Option<f32>,
        /// Written at the lower edge; once for each line
        #[arg(long, value_name = "TEXT")]
        label: Vec<String>,
    },
}

/// A picture's width and height.
#[derive(Debug, Clone, Copy)]
struct Size(u32, u32);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.split_once('x')
            .and_then(|(width, height)| Some(Self(width.parse().ok()?, height.parse().ok()?)))
            .filter(|Self(width, height)| (1..=8192).contains(width) && (1..=8192).contains(height))
            .ok_or_else(|| "write WIDTHxHEIGHT, each 1 to 8192, such as 640x400".to_owned())
    }
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Info => commands::info(),
        Command::Draw {
            file,
            size: Size(width, height),
            seconds,
            label,
        } => commands::draw(&file, (width, height), &label, seconds),
        Command::Toil {
            size: Size(width, height),
        } => commands::toil((width, height)),
        Command::Show {
            card,
            seconds,
            label,
        } => commands::show(&card, &label, seconds),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gl-probe: {error}");
            ExitCode::FAILURE
        }
    }
}
