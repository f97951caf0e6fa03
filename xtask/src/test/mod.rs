//! `cargo xtask test`: every check there is, one line each, one summary.

pub(crate) mod buffers;
mod checks;
mod desktops;
mod gl;
mod guest;
mod modern;
mod report;
mod scenes;
mod wire;

use crate::error::Result;
use crate::rig::DeviceKind;
use crate::setup;
use crate::workspace::Workspace;

use report::Report;

/// Which checks to run.
#[derive(Debug, clap::Args)]
pub(crate) struct TestArgs {
    /// The checks to run; all when none is named
    #[arg(value_enum)]
    groups: Vec<Group>,
    /// Run only the guest, buffer and QEMU 11 tests whose names contain one of these
    #[arg(long, value_name = "TEXT")]
    only: Vec<String>,
    /// Whose virtio-gpu the guest tests use: to tell a wrong test from a wrong device
    #[arg(long, value_enum, default_value = "ours", hide = true)]
    device: DeviceKind,
}

/// A group of checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Group {
    /// The code is formatted
    Fmt,
    /// The lints are content
    Clippy,
    /// The documentation builds without a warning
    Doc,
    /// No source file is too long
    Length,
    /// Unit and integration tests
    Unit,
    /// What is done again and again leaves nothing behind
    Soak,
    /// Buffers on the device nodes of a guest
    Buffers,
    /// A real Linux guest
    Guest,
    /// A guest of QEMU 11, which sees all that the device offers
    Modern,
}

const ALL: [Group; 9] = [
    Group::Fmt,
    Group::Clippy,
    Group::Doc,
    Group::Length,
    Group::Unit,
    Group::Soak,
    Group::Buffers,
    Group::Guest,
    Group::Modern,
];

/// Runs the checks; returns whether none failed.
pub(crate) fn run(workspace: &Workspace, arguments: &TestArgs) -> Result<bool> {
    let mut report = Report::default();
    let groups: &[Group] = if arguments.groups.is_empty() {
        &ALL
    } else {
        &arguments.groups
    };
    let builds = |group: &Group| !matches!(group, Group::Fmt | Group::Length);
    if groups.iter().any(builds) {
        setup::ensure_build(workspace)?;
    }
    for group in groups {
        match group {
            Group::Fmt => checks::format(workspace, &mut report)?,
            Group::Clippy => checks::clippy(workspace, &mut report)?,
            Group::Doc => checks::documentation(workspace, &mut report)?,
            Group::Length => checks::length(workspace, &mut report),
            Group::Unit => checks::unit(workspace, &mut report)?,
            Group::Soak => checks::soak(workspace, &mut report)?,
            Group::Buffers => buffers::run(workspace, &arguments.only, &mut report)?,
            Group::Guest => {
                guest::run(workspace, arguments.device, &arguments.only, &mut report)?;
            }
            Group::Modern => modern::run(workspace, &arguments.only, &mut report)?,
        }
    }
    Ok(report.finish())
}
