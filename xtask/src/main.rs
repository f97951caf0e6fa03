//! Build, test and demonstration commands of this workspace: `cargo xtask help`.

#![forbid(unsafe_code)]

mod bench;
mod demo;
mod error;
mod guest;
mod picture;
mod process;
mod progress;
mod rig;
mod setup;
mod soak;
mod test;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use error::{Error, Result};
use setup::Purpose;
use workspace::Workspace;

/// Build, test and demonstration commands of this workspace
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Arguments {
    #[command(subcommand)]
    command: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Fetch or install what the other commands need
    Setup,
    /// Boot a Linux guest with our device and run a command in it
    Guest(guest::GuestArgs),
    /// Show a moving picture that a Linux guest draws through our device
    Demo(demo::DemoArgs),
    /// Measure our device beside its bounds and QEMU's own daemon
    Bench(bench::BenchArgs),
    /// Repeat everything that comes and goes until a leak would show
    Soak(soak::SoakArgs),
    /// Run every check and test; the last line is the summary
    Test(test::TestArgs),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments.command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            if let Some(hint) = error.hint() {
                eprintln!("hint: {hint}");
            }
            ExitCode::from(if matches!(error, Error::Interrupted) {
                130
            } else {
                1
            })
        }
    }
}

fn run(action: Action) -> Result<ExitCode> {
    process::handle_signals()?;
    let workspace = Workspace::locate()?;
    match action {
        Action::Setup => {
            setup::ensure(&workspace, Purpose::Test)?;
            Ok(ExitCode::SUCCESS)
        }
        Action::Guest(arguments) => {
            let code = guest::run(&workspace, &arguments)?;
            Ok(ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)))
        }
        Action::Demo(arguments) => {
            demo::run(&workspace, &arguments)?;
            Ok(ExitCode::SUCCESS)
        }
        Action::Bench(arguments) => {
            bench::run(&workspace, &arguments)?;
            Ok(ExitCode::SUCCESS)
        }
        Action::Soak(arguments) => Ok(if soak::run(&workspace, &arguments)? {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }),
        Action::Test(arguments) => Ok(if test::run(&workspace, &arguments)? {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }),
    }
}
