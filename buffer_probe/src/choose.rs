//! Which allocator serves on this machine.

use gpu_buffer::{Places, Usage, Wanted, choose};

use crate::error::{Error, Result};

/// What an allocator is for.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Purpose {
    /// Buffers that stay mapped
    Buffers,
    /// Images that a GPU draws into and a display shows
    Rendering,
    /// Images that a CPU draws into and a display shows
    Scanout,
}

/// Chooses, prints the line, and compares.
pub(crate) fn run(purpose: Purpose, expected: Option<&str>) -> Result<()> {
    let wanted = match purpose {
        Purpose::Buffers => Wanted::Buffers,
        Purpose::Rendering => Wanted::Images(Usage::SCANOUT | Usage::RENDERING),
        Purpose::Scanout => Wanted::Images(Usage::SCANOUT | Usage::LINEAR),
    };
    let choice = choose(wanted, &Places::default()).map_err(Error::buffer("choose"))?;
    println!("{choice}");
    match expected {
        Some(expected) if expected != choice.name() => {
            Err(Error::Wrong(format!("{expected} was not chosen: {choice}")))
        }
        _ => Ok(()),
    }
}
