//! A crate's own tests that need a render node: built here, run in a guest, which has one.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::process;
use crate::progress::Stage;
use crate::rig::Session;
use crate::test::buffers::LIMIT;
use crate::test::report::Outcome;
use crate::workspace::{Workspace, cargo};

const BUILD_LIMIT: Duration = Duration::from_secs(900);
/// What a test says that could not do its work.
const SKIP: &str = "SKIP: ";

/// Some of the tests of one program.
pub(super) struct GuestTests {
    /// The `[[test]]` target.
    pub(super) target: &'static str,
    /// The tests' full names.
    pub(super) names: &'static [&'static str],
}

impl GuestTests {
    /// Runs them in the guest.
    pub(super) fn run(&self, session: &mut Session, program: &Path) -> Result<Outcome> {
        let program = program.to_string_lossy();
        let mut words = vec![&*program, "--exact", "--nocapture"];
        words.extend(self.names);
        let job = session.start(&words)?;
        let (code, output) = session.wait_for_end(&job, LIMIT)?;
        verdict(self.names.len(), code, &output).map_err(|error| error.with_logs(|| session.logs()))
    }

    /// Their program, with the features of the unit tests, which have built it already.
    pub(super) fn build(&self, workspace: &Workspace) -> Result<PathBuf> {
        let stage = Stage::start(
            &format!("build the test {}", self.target),
            Duration::from_secs(20),
        );
        let log = workspace.logs().join(format!("build-{}.txt", self.target));
        let mut command = cargo();
        command
            .args(["test", "--workspace", "--all-features", "--no-run"])
            .args(["--test", self.target, "--message-format=json"])
            .current_dir(workspace.root());
        process::run(command, &log, BUILD_LIMIT)?;
        stage.done_quietly();
        let text = fs::read_to_string(&log).map_err(Error::io("read", &log))?;
        executable(&text, self.target).ok_or_else(|| Error::Protocol {
            peer: "cargo test",
            message: format!("it names no program of the test {}", self.target),
        })
    }
}

/// The program of a test, from cargo's messages, one a line.
fn executable(messages: &str, target: &str) -> Option<PathBuf> {
    messages.lines().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let is_it = message.pointer("/target/name")?.as_str()? == target;
        let program = message.get("executable")?.as_str()?;
        is_it.then(|| PathBuf::from(program))
    })
}

/// A test that did nothing, or that is not there, has not passed.
fn verdict(tests: usize, code: i32, output: &str) -> Result<Outcome> {
    let skipped = output.lines().find_map(|line| {
        let (_, why) = line.split_once(SKIP)?;
        Some(why.to_owned())
    });
    match (code, skipped) {
        (0, Some(why)) => Ok(Outcome::Skipped(why)),
        (0, None) if output.contains(&format!("test result: ok. {tests} passed")) => {
            Ok(Outcome::Passed)
        }
        _ => Err(Error::Protocol {
            peer: "test in the guest",
            message: format!("ended with {code}: {}", output.trim()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_that_of_the_target() {
        let messages = "   Compiling x v0.1.0\n\
            {\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"x\"},\"executable\":null}\n\
            {\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"y\"},\"executable\":\"/t/y-1\"}\n\
            {\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"x\"},\"executable\":\"/t/x-2\"}\n";

        assert_eq!(executable(messages, "x"), Some(PathBuf::from("/t/x-2")));
        assert_eq!(executable(messages, "z"), None);
    }

    #[test]
    fn a_test_that_skips_is_skipped_with_its_reason() {
        let output = "test a ... SKIP: there is no render node\nok\n\ntest result: ok. 1 passed;";

        match verdict(1, 0, output).unwrap() {
            Outcome::Skipped(why) => assert_eq!(why, "there is no render node"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn all_tests_must_have_passed() {
        let failure = verdict(2, 0, "test result: ok. 1 passed; 0 failed;").unwrap_err();

        assert!(failure.to_string().contains("1 passed"));
    }
}
