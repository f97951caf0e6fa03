//! Numbers of a run: what was measured in turns, and what a ratio must reach.

use serde_json::{Value, json};

/// What a number must be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    /// No less than this.
    AtLeast(f64),
    /// No more than this.
    AtMost(f64),
    /// Shown only.
    None,
}

impl Goal {
    fn is_met(self, value: f64) -> Option<bool> {
        match self {
            Self::AtLeast(bound) => Some(value >= bound),
            Self::AtMost(bound) => Some(value <= bound),
            Self::None => None,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtLeast(bound) => format!(">= {bound}"),
            Self::AtMost(bound) => format!("<= {bound}"),
            Self::None => String::new(),
        }
    }
}

/// A line of the table: the median of some values and how far they are spread.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    pub(crate) values: Vec<f64>,
    pub(crate) goal: Goal,
}

impl Line {
    pub(crate) fn median(&self) -> f64 {
        median(&self.values)
    }

    fn bounds(&self) -> (f64, f64) {
        let least = self.values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = self
            .values
            .iter()
            .copied()
            .fold(f64::NEG_INFINITY, f64::max);
        (least, most)
    }
}

/// The middle value.
pub(crate) fn median(values: &[f64]) -> f64 {
    percentile(values, 0.5)
}

/// The value that this share of the values does not exceed.
pub(crate) fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = ((sorted.len() as f64 - 1.0) * share).round() as usize;
    sorted[place]
}

/// All lines.
#[derive(Debug, Default)]
pub(crate) struct Report {
    lines: Vec<Line>,
}

impl Report {
    /// Adds a line and shows it.
    pub(crate) fn add(&mut self, line: Line) {
        let (least, most) = line.bounds();
        let verdict = match line.goal.is_met(line.median()) {
            Some(true) => "reached",
            Some(false) => "MISSED",
            None => "",
        };
        println!(
            "{:<66} {:>10} {:<9} {:>10} .. {:<10} {:<9} {verdict}",
            line.what,
            number(line.median()),
            line.unit,
            number(least),
            number(most),
            line.goal.text(),
        );
        self.lines.push(line);
    }

    /// Everything, for programs.
    pub(crate) fn to_json(&self) -> Value {
        let lines = self.lines.iter().map(|line| {
            let (least, most) = line.bounds();
            json!({
                "what": line.what,
                "unit": line.unit,
                "median": line.median(),
                "least": least,
                "most": most,
                "values": line.values,
                "goal": line.goal.text(),
                "met": line.goal.is_met(line.median()),
            })
        });
        json!({ "lines": lines.collect::<Vec<_>>() })
    }
}

fn number(value: f64) -> String {
    match value.abs() {
        0.0..10.0 => format!("{value:.3}"),
        10.0..1000.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// A contender: its name, and a function that measures it once and returns how much it did in a second.
pub(crate) struct Contender<'a> {
    pub(crate) name: &'a str,
    pub(crate) measure: Box<dyn FnMut() -> f64 + 'a>,
}

/// The goals for our ratio to each of the other contenders, in their order.
pub(crate) struct Race<'a> {
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    /// How often each is measured.
    pub(crate) rounds: usize,
    /// Ours first.
    pub(crate) contenders: Vec<Contender<'a>>,
    pub(crate) goals: &'a [Goal],
}

impl Race<'_> {
    /// Measures all contenders in turns and adds a line for each, and one for each of our ratios.
    pub(crate) fn run(mut self, report: &mut Report) {
        let mut results = vec![Vec::new(); self.contenders.len()];
        for _ in 0..self.rounds {
            for (contender, results) in self.contenders.iter_mut().zip(&mut results) {
                results.push((contender.measure)());
            }
        }
        for (contender, values) in self.contenders.iter().zip(&results) {
            report.add(Line {
                what: format!("{}: {}", self.what, contender.name),
                unit: self.unit,
                values: values.clone(),
                goal: Goal::None,
            });
        }
        let ours = &results[0];
        for (place, contender) in self.contenders.iter().enumerate().skip(1) {
            let ratios = ours.iter().zip(&results[place]);
            report.add(Line {
                what: format!("{}: ratio to {}", self.what, contender.name),
                unit: "x",
                values: ratios.map(|(ours, other)| ours / other).collect(),
                goal: self.goals.get(place - 1).copied().unwrap_or(Goal::None),
            });
        }
    }
}
