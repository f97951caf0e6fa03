//! Checks that need no guest.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::process::{self, Process};
use crate::progress::Stage;
use crate::soak;
use crate::test::report::{Outcome, Report};
use crate::workspace::{self, Workspace};

/// Longer files hide more than one job.
const LONGEST_FILE: usize = 800;
const LIMIT: Duration = Duration::from_secs(1800);

/// The code is formatted.
pub(crate) fn format(workspace: &Workspace, report: &mut Report) -> Result<()> {
    let arguments = ["fmt", "--all", "--check", "--", "--color", "never"];
    cargo_check(workspace, report, "format", &arguments)
}

/// What others may take without its features, and without the C libraries behind them.
const USABLE_BARE: [&str; 7] = [
    "gpu_buffer",
    "gpu_display",
    "gpu_renderer",
    "msg_socket",
    "resource_bridge",
    "vhost_user_gpu",
    "virtio_gpu",
];

/// The lints are content, with all features and with none.
pub(crate) fn clippy(workspace: &Workspace, report: &mut Report) -> Result<()> {
    let mut bare = vec!["clippy", "--no-default-features"];
    for name in USABLE_BARE {
        bare.extend(["--package", name]);
    }
    bare.extend(["--", "-D", "warnings"]);
    cargo_check(workspace, report, "clippy without features", &bare)?;
    let arguments = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--all-features",
        "--",
        "-D",
        "warnings",
    ];
    cargo_check(workspace, report, "clippy", &arguments)
}

/// The documentation builds without a warning.
pub(crate) fn documentation(workspace: &Workspace, report: &mut Report) -> Result<()> {
    let arguments = ["doc", "--workspace", "--all-features", "--no-deps"];
    cargo_check(workspace, report, "documentation", &arguments)
}

fn cargo_check(
    workspace: &Workspace,
    report: &mut Report,
    name: &str,
    arguments: &[&str],
) -> Result<()> {
    let mut command = cargo(workspace, arguments);
    command.env("RUSTDOCFLAGS", "-D warnings");
    let log = workspace
        .logs()
        .join(format!("{}.txt", name.replace(' ', "-")));
    report.check(name, || {
        let stage = Stage::start(name, Duration::from_secs(60));
        let result = process::run(command, &log, LIMIT);
        drop(stage);
        result.map(|()| Outcome::Passed)
    })?;
    Ok(())
}

fn cargo(workspace: &Workspace, arguments: &[&str]) -> Command {
    let mut command = workspace::cargo();
    command
        .args(arguments)
        .env("CARGO_TERM_COLOR", "never")
        .current_dir(workspace.root());
    command
}

/// No source file is too long.
pub(crate) fn length(workspace: &Workspace, report: &mut Report) {
    let mut files = Vec::new();
    collect_sources(workspace.root(), &mut files);
    let long: Vec<String> = files
        .iter()
        .filter_map(|file| {
            let lines = fs::read_to_string(file).ok()?.lines().count();
            (lines > LONGEST_FILE).then(|| format!("{} has {lines} lines", file.display()))
        })
        .collect();
    let outcome = if long.is_empty() {
        Outcome::Passed
    } else {
        Outcome::Failed(format!(
            "more than {LONGEST_FILE} lines: {}",
            long.join(", ")
        ))
    };
    // A check without a wait cannot be interrupted.
    let _ = report.check("file length", || Ok(outcome));
}

fn collect_sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let skip = name == "target" || name.to_string_lossy().starts_with('.');
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && !skip => collect_sources(&path, files),
            Ok(kind) if kind.is_file() && path.extension().is_some_and(|ext| ext == "rs") => {
                files.push(path);
            }
            _ => {}
        }
    }
}

/// Unit, integration and documentation tests of all crates.
pub(crate) fn unit(workspace: &Workspace, report: &mut Report) -> Result<()> {
    let command = cargo(
        workspace,
        &["test", "--workspace", "--all-features", "--no-fail-fast"],
    );
    let log = workspace.logs().join("unit.txt");
    let stage = Stage::start("unit and integration tests", Duration::from_secs(120));
    let mut process = Process::spawn("cargo test", command, &log)?;
    let status = process.wait(LIMIT);
    drop(stage);
    let text = fs::read_to_string(&log).map_err(Error::io("read", &log))?;
    let counts = sum_results(&text);
    report.count(counts.passed, counts.failed, counts.ignored);
    println!(
        "unit and integration tests: {} passed, {} failed, {} ignored",
        counts.passed, counts.failed, counts.ignored
    );
    for line in text.lines() {
        let line = line.trim();
        if line.starts_with("test ") && (line.ends_with("FAILED") || line.contains("... ignored")) {
            println!("  {line}");
        }
    }
    match status {
        Err(Error::Interrupted) => Err(Error::Interrupted),
        // Failed tests are counted; anything else that went wrong is one failure of its own.
        Ok(status) if status.success() || counts.failed > 0 => Ok(()),
        Ok(status) => {
            let how = format!("{status}\n{}", process::tail(&log, 40));
            report.check("cargo test", || Ok(Outcome::Failed(how)))?;
            Ok(())
        }
        Err(error) => {
            report.check("cargo test", || Err(error))?;
            Ok(())
        }
    }
}

/// A small part of the leak gates; each is a check.
pub(crate) fn soak(workspace: &Workspace, report: &mut Report) -> Result<()> {
    let mut failed = 0_u64;
    let status = soak::run_gates(workspace, soak::TEST_FRACTION, &[], |line| {
        let (verdict, gate) = line.split_once(' ').unwrap_or((line, ""));
        if verdict == "PASS" {
            report.count(1, 0, 0);
        } else {
            failed = failed.saturating_add(1);
            report.count(0, 1, 0);
        }
        println!("{verdict} soak, {gate}");
    });
    let how = match status {
        Err(Error::Interrupted) => return Err(Error::Interrupted),
        Ok(status) if status.success() || failed > 0 => return Ok(()),
        Ok(status) => format!("{status}\n{}", process::tail(&soak::log(workspace), 40)),
        Err(error) => error.to_string(),
    };
    report.check("soak", || Ok(Outcome::Failed(how)))?;
    Ok(())
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: u64,
    failed: u64,
    ignored: u64,
}

/// Sums lines such as `test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; …`.
fn sum_results(text: &str) -> Counts {
    let mut counts = Counts::default();
    for line in text.lines() {
        let Some(result) = line.trim().strip_prefix("test result: ") else {
            continue;
        };
        let (_, numbers) = result.split_once(". ").unwrap_or(("", result));
        for part in numbers.split(';') {
            let Some((number, what)) = part.trim().split_once(' ') else {
                continue;
            };
            let number = number.parse::<u64>().unwrap_or(0);
            let counter = match what {
                "passed" => &mut counts.passed,
                "failed" => &mut counts.failed,
                "ignored" => &mut counts.ignored,
                _ => continue,
            };
            *counter = counter.saturating_add(number);
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines_are_summed() {
        let text = "running 2 tests\n\
                    test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
                    noise\n\
                    test result: FAILED. 2 passed; 3 failed; 0 ignored; 0 measured; 7 filtered out; finished in 1s\n";
        let expected = Counts {
            passed: 7,
            failed: 3,
            ignored: 1,
        };
        assert_eq!(sum_results(text), expected);
    }
}
