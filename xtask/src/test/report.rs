//! One line for each check, and the summary.

use std::time::Instant;

use crate::error::{Error, Result};

/// How a check ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// As it should.
    Passed,
    /// Not as it should, and how.
    Failed(String),
    /// It cannot run here, and why.
    Skipped(String),
}

/// Counts outcomes and prints them as they come.
#[derive(Debug, Default)]
pub(crate) struct Report {
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl Report {
    /// Runs one check. Only an interruption is an error.
    pub(crate) fn check(
        &mut self,
        name: &str,
        check: impl FnOnce() -> Result<Outcome>,
    ) -> Result<bool> {
        let start = Instant::now();
        let outcome = match check() {
            Err(Error::Interrupted) => return Err(Error::Interrupted),
            Err(Error::Unsuitable(why)) => Outcome::Skipped(why),
            Err(error) => Outcome::Failed(error.to_string()),
            Ok(outcome) => outcome,
        };
        let seconds = start.elapsed().as_secs_f32();
        let mut failed = false;
        match outcome {
            Outcome::Passed => {
                self.count(1, 0, 0);
                println!("PASS {name} ({seconds:.1} s)");
            }
            Outcome::Failed(how) => {
                failed = true;
                self.count(0, 1, 0);
                println!("FAIL {name} ({seconds:.1} s): {}", how.trim_end());
            }
            Outcome::Skipped(why) => {
                self.count(0, 0, 1);
                println!("SKIP {name}: {why}");
            }
        }
        Ok(!failed)
    }

    /// Adds outcomes that another program has counted.
    pub(crate) fn count(&mut self, passed: u64, failed: u64, skipped: u64) {
        self.passed = self.passed.saturating_add(passed);
        self.failed = self.failed.saturating_add(failed);
        self.skipped = self.skipped.saturating_add(skipped);
    }

    /// Prints the summary; returns whether nothing failed.
    pub(crate) fn finish(self) -> bool {
        println!("{}", self.summary());
        self.failed == 0
    }

    fn summary(&self) -> String {
        format!(
            "{} passed, {} failed, {} skipped",
            self.passed, self.failed, self.skipped
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_counted() {
        let mut report = Report::default();
        let mut run = |outcome: Result<Outcome>| report.check("x", || outcome);
        assert!(run(Ok(Outcome::Passed)).unwrap());
        assert!(run(Ok(Outcome::Skipped("no".to_owned()))).unwrap());
        assert!(!run(Ok(Outcome::Failed("no".to_owned()))).unwrap());
        assert!(run(Err(Error::Unsuitable("no".to_owned()))).unwrap());
        assert!(run(Err(Error::Interrupted)).is_err());
        report.count(10, 0, 1);
        assert_eq!(report.summary(), "11 passed, 1 failed, 3 skipped");
        assert!(!report.finish());
    }
}
