//! `cargo xtask guest`: one command in a fresh guest.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use crate::error::Result;
use crate::progress::Stage;
use crate::rig::Size;
use crate::rig::{DeviceKind, Display, Options, Renderer, Session};
use crate::setup::{self, Purpose};
use crate::workspace::Workspace;

/// What to boot and what to run in it.
#[derive(Debug, clap::Args)]
pub(crate) struct GuestArgs {
    /// Whose virtio-gpu the guest gets
    #[arg(long, value_enum, default_value = "ours")]
    device: DeviceKind,
    /// Where our daemon shows its screens: "frontend" (QEMU) or "headless" (PNG files)
    #[arg(long, value_enum, default_value = "frontend")]
    display: DisplayKind,
    /// What our daemon renders 3D with
    #[arg(long, value_enum, default_value = "auto")]
    renderer: Renderer,
    /// How many scanouts the device has
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=16))]
    max_outputs: u32,
    /// The first screen's preferred size
    #[arg(long, value_name = "WIDTHxHEIGHT", default_value = "1280x800")]
    size: Size,
    /// Use KVM instead of emulation
    #[arg(long)]
    kvm: bool,
    /// Give the command up after this many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    timeout: u64,
    /// The command; the guest sees this machine's programs, and `screenshot NAME [HEAD]`
    #[arg(required = true, last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum DisplayKind {
    Frontend,
    Headless,
}

/// Boots, runs the command, returns its exit code.
pub(crate) fn run(workspace: &Workspace, arguments: &GuestArgs) -> Result<i32> {
    let parts = setup::ensure(workspace, Purpose::Boot)?;
    let stage = Stage::start("build the device", Duration::from_secs(60));
    let daemon = workspace.build_programs(arguments.device)?;
    stage.done_quietly();
    let options = Options {
        device: arguments.device,
        display: match arguments.display {
            DisplayKind::Frontend => Display::Frontend,
            DisplayKind::Headless => Display::Headless(workspace.out().join("headless")),
        },
        renderer: arguments.renderer,
        max_outputs: arguments.max_outputs,
        size: arguments.size,
        kvm: arguments.kvm,
        ..Options::default()
    };
    let stage = Stage::start("boot", Duration::from_secs(10));
    let mut session = Session::boot(workspace, &parts, daemon.as_deref(), &options)?;
    // The command's output is to stand alone.
    drop(stage);
    let directory = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    let code = session.run_on_terminal(
        &arguments.command,
        &directory,
        Duration::from_secs(arguments.timeout),
        |bytes| {
            let mut stdout = std::io::stdout();
            // A reader that has gone away does not stop the guest's command.
            let _ = stdout.write_all(bytes).and_then(|()| stdout.flush());
        },
    )?;
    session.quit()?;
    Ok(code)
}
