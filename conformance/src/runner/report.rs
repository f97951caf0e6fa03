//! What came of the cases.

use super::Fencing;
use crate::violation::Violation;

/// A case that failed.
#[derive(Debug)]
pub struct Failure {
    /// Its row.
    pub id: &'static str,
    /// What it tries.
    pub why: String,
    /// How it was run.
    pub fencing: Fencing,
    /// Which step failed, from 0; `None` if the oracle failed after all of them.
    pub step: Option<usize>,
    /// What the device did.
    pub violation: Violation,
}

/// What came of a table.
#[derive(Debug, Default)]
pub struct Report {
    /// How many cases were run, each fencing counted.
    pub cases: usize,
    /// How many inputs they gave the device: requests, writes into rings, setups.
    pub inputs: u64,
    /// Those that failed.
    pub failures: Vec<Failure>,
}

impl Report {
    /// Adds another table's.
    pub fn merge(&mut self, other: Self) {
        self.cases += other.cases;
        self.inputs += other.inputs;
        self.failures.extend(other.failures);
    }

    /// Fails with all failures, one a line.
    pub fn assert_clean(&self) {
        let lines: Vec<_> = self.failures.iter().map(Failure::to_string).collect();
        let (failed, all) = (lines.len(), self.cases);
        assert!(
            lines.is_empty(),
            "{failed} of {all} cases failed:\n{}",
            lines.join("\n")
        );
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            id,
            why,
            fencing,
            step,
            violation,
        } = self;
        write!(f, "{id} ({why}), fences {fencing:?}, ")?;
        match step {
            Some(step) => write!(f, "step {step}: {violation}"),
            None => write!(f, "afterwards: {violation}"),
        }
    }
}
