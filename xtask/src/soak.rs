//! `cargo xtask soak`: the leak gates. What our device does again and again leaves nothing behind.

use std::fs;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::process::{self, Process};
use crate::progress::Stage;
use crate::setup;
use crate::test::buffers;
use crate::workspace::{Workspace, cargo};

/// One in how many iterations `cargo xtask test` does.
pub(crate) const TEST_FRACTION: u64 = 100;

const BUILD_LIMIT: Duration = Duration::from_secs(900);
const LIMIT: Duration = Duration::from_secs(3600);

/// What to repeat, and how often.
#[derive(Debug, clap::Args)]
pub(crate) struct SoakArgs {
    /// Do one in N iterations
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    fraction: u64,
    /// Run the gates that need the device nodes of a guest instead: those of the allocators
    #[arg(long)]
    guest: bool,
    /// The gates to run, by parts of their names; all when none is named
    gates: Vec<String>,
}

/// A gate that is a crate's own test, without a daemon.
struct OwnGate {
    name: &'static str,
    package: &'static str,
    features: &'static str,
    test: &'static str,
    /// What the test is told to do all iterations.
    in_full: &'static [&'static str],
}

const OWN_GATES: [OwnGate; 2] = [
    OwnGate {
        name: "windows",
        package: "gpu_display",
        features: "wayland",
        test: "wayland_leaks",
        in_full: &[],
    },
    OwnGate {
        name: "messages with descriptors",
        package: "msg_socket",
        features: "",
        test: "messages",
        in_full: &["--", "--ignored"],
    },
];

/// Runs the gates and shows a line for each; returns whether all hold.
pub(crate) fn run(workspace: &Workspace, arguments: &SoakArgs) -> Result<bool> {
    if arguments.guest {
        setup::ensure_build(workspace)?;
        return buffers::soak(workspace, arguments.fraction, &arguments.gates);
    }
    let (own, others): (Vec<_>, Vec<_>) = arguments.gates.iter().cloned().partition(|gate| {
        let mut names = OWN_GATES.iter().map(|own| own.name);
        names.any(|name| name.contains(gate.as_str()))
    });
    let all = arguments.gates.is_empty();
    let mut holds = true;
    if all || !others.is_empty() {
        let status = run_gates(workspace, arguments.fraction, &others, |line| {
            println!("{line}");
        })?;
        if !status.success() {
            let log = log(workspace);
            println!("what the gates and the daemons said: {}", log.display());
        }
        holds = status.success();
    }
    for gate in &OWN_GATES {
        if all || own.iter().any(|name| gate.name.contains(name.as_str())) {
            holds &= run_own(workspace, arguments.fraction, gate)?;
        }
    }
    Ok(holds)
}

/// Runs a crate's own gate, as often as can be wanted if all iterations are, and less often if a fraction is.
fn run_own(workspace: &Workspace, fraction: u64, gate: &OwnGate) -> Result<bool> {
    setup::ensure_build(workspace)?;
    let mut test = cargo();
    test.args(["test", "--release", "--package", gate.package])
        .args(["--features", gate.features, "--test", gate.test])
        .current_dir(workspace.root());
    if fraction == 1 {
        test.env("GPU_DISPLAY_SOAK", "1").args(gate.in_full);
    }
    let name = gate.name;
    let log = workspace.logs().join(format!("soak-{}.txt", gate.test));
    let status = Process::spawn(gate.test, test, &log)?.wait(LIMIT)?;
    match status.success() {
        true => println!("PASS {name}"),
        false => println!("FAIL {name}: {}", log.display()),
    }
    Ok(status.success())
}

/// Runs the gates and hands over the line of each as it comes: it begins with PASS or FAIL.
pub(crate) fn run_gates(
    workspace: &Workspace,
    fraction: u64,
    gates: &[String],
    show: impl FnMut(&str),
) -> Result<ExitStatus> {
    setup::ensure_build(workspace)?;
    let stage = Stage::start(
        "build the device and the leak gates",
        Duration::from_secs(60),
    );
    let mut build = cargo();
    build
        .args(["build", "--release", "--package", "conformance"])
        .args(["--package", "vhost_user_gpu", "--bins"])
        .current_dir(workspace.root());
    process::run(build, &workspace.logs().join("build.txt"), BUILD_LIMIT)?;
    stage.done_quietly();

    let mut command = process::tied_command(&workspace.programs().join("soak"));
    command
        .arg(workspace.programs().join("vhost-user-gpu"))
        .arg(fraction.to_string())
        .args(gates);
    let log = log(workspace);
    let mut gates = Process::spawn("the leak gates", command, &log)?;
    follow(&mut gates, &log, show)
}

/// Where everything is written that the gates say.
pub(crate) fn log(workspace: &Workspace) -> std::path::PathBuf {
    workspace.logs().join("soak.txt")
}

fn follow(gates: &mut Process, log: &Path, mut show: impl FnMut(&str)) -> Result<ExitStatus> {
    let mut shown = 0;
    process::wait_until("the end of the leak gates", LIMIT, || {
        // Asked first, so that nothing is written after the text was read.
        let status = gates.try_wait()?;
        let bytes = fs::read(log).map_err(Error::io("read", log))?;
        let text = String::from_utf8_lossy(&bytes);
        let lines = verdicts(&text);
        for line in lines.iter().skip(shown) {
            show(line);
        }
        shown = lines.len();
        Ok(status)
    })
}

/// The whole lines that say how a gate ended.
fn verdicts(text: &str) -> Vec<&str> {
    text.split_inclusive('\n')
        .filter_map(|line| line.strip_suffix('\n'))
        .filter(|line| line.starts_with("PASS ") || line.starts_with("FAIL "))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_lines_with_a_verdict_are_shown() {
        let text = "noise\nPASS cursors: 10 iterations\nFAIL resets: fds +1\nPASS reso";
        assert_eq!(
            verdicts(text),
            ["PASS cursors: 10 iterations", "FAIL resets: fds +1"]
        );
    }
}
