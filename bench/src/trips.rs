//! Round trips: how long one takes when there is one at a time.

use std::time::Instant;

use crate::report::{Goal, Line, Report, median};

/// A contender: its name, and one round trip of it.
pub(crate) struct Trip<'a> {
    pub(crate) name: &'a str,
    pub(crate) go: Box<dyn FnMut() + 'a>,
}

/// Round trips of several contenders, in turns.
pub(crate) struct Trips<'a> {
    pub(crate) what: &'a str,
    /// How often each is measured.
    pub(crate) rounds: usize,
    /// Round trips of one round.
    pub(crate) count: usize,
    pub(crate) contenders: Vec<Trip<'a>>,
}

impl Trips<'_> {
    /// Adds a line for each contender; the median times of its rounds in microseconds, in the contenders' order.
    pub(crate) fn run(mut self, report: &mut Report) -> Vec<Vec<f64>> {
        let mut results = vec![Vec::new(); self.contenders.len()];
        for _ in 0..self.rounds {
            for (contender, results) in self.contenders.iter_mut().zip(&mut results) {
                results.push(median_time(self.count, &mut contender.go));
            }
        }
        for (contender, values) in self.contenders.iter().zip(&results) {
            report.add(Line {
                what: format!("{}: {}", self.what, contender.name),
                unit: "us",
                values: values.clone(),
                goal: Goal::None,
            });
        }
        results
    }
}

fn median_time(count: usize, go: &mut dyn FnMut()) -> f64 {
    let times: Vec<_> = (0..count)
        .map(|_| {
            let start = Instant::now();
            go();
            start.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    median(&times)
}
