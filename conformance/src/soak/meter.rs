//! Counts iterations, takes samples on the way, and judges them.

use super::Rounds;
use super::interruption;
use super::sample::Sample;

/// How many samples are taken after the warm-up.
const SAMPLES: u64 = 64;

/// The most that memory may grow, in MiB per 100,000 iterations.
const STEEPEST: f64 = 1.0;

/// Counts the iterations of one course.
#[derive(Debug)]
pub(super) struct Meter {
    path: String,
    /// Iterations before the first sample: what is filled once is full then.
    warm_up: u64,
    slack: u32,
    planned: u64,
    done: u64,
    samples: Vec<(u64, Sample)>,
}

impl Meter {
    /// For so many iterations after a warm-up.
    pub(super) fn new(path: &str, rounds: Rounds, iterations: u64) -> Self {
        let Rounds { warm_up, slack, .. } = rounds;
        Self {
            path: path.to_owned(),
            warm_up,
            slack,
            planned: warm_up + iterations,
            done: 0,
            samples: Vec::new(),
        }
    }

    /// Whether there is more to do.
    pub(super) fn goes_on(&self) -> bool {
        self.done < self.planned && !interruption::came()
    }

    /// So many iterations were done.
    pub(super) fn advance(&mut self, iterations: u64) {
        self.done += iterations;
    }

    /// Whether it is time for a sample.
    pub(super) fn is_due(&self) -> bool {
        let taken = self.samples.len() as u64;
        let measured = self.planned - self.warm_up;
        self.done >= self.warm_up + measured * taken / SAMPLES
    }

    /// What the daemon holds now.
    pub(super) fn record(&mut self, sample: Sample) {
        self.samples.push((self.done, sample));
    }

    /// The course so far.
    pub(super) fn finish(self) -> Course {
        Course {
            path: self.path,
            iterations: self.done,
            slack: self.slack,
            samples: self.samples,
        }
    }
}

/// What was seen while something was repeated.
#[derive(Debug)]
pub(super) struct Course {
    path: String,
    iterations: u64,
    /// Growth in KiB that tells nothing.
    slack: u32,
    samples: Vec<(u64, Sample)>,
}

impl Course {
    /// How much the counts grew from the first sample to the last: descriptors, mappings, threads.
    fn deltas(&self) -> [i64; 3] {
        let (Some((_, first)), Some((_, last))) = (self.samples.first(), self.samples.last())
        else {
            return [0; 3];
        };
        [
            last.descriptors.cast_signed() - first.descriptors.cast_signed(),
            last.mappings.cast_signed() - first.mappings.cast_signed(),
            last.threads.cast_signed() - first.threads.cast_signed(),
        ]
    }

    /// The slope of the line through resident memory, by least squares, in KiB per iteration.
    fn growth(&self) -> f64 {
        let count = self.samples.len() as f64;
        let points = self
            .samples
            .iter()
            .map(|(at, sample)| (*at as f64, sample.resident as f64));
        let (x, y) = points
            .clone()
            .fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
        let (x, y) = (x / count, y / count);
        let spread: f64 = points.clone().map(|point| (point.0 - x).powi(2)).sum();
        let product: f64 = points.map(|point| (point.0 - x) * (point.1 - y)).sum();
        if spread > 0.0 { product / spread } else { 0.0 }
    }

    /// The slope in MiB per 100,000 iterations.
    fn slope(&self) -> f64 {
        self.growth() * 100_000.0 / 1024.0
    }

    /// Whether nothing was kept.
    pub(super) fn holds(&self) -> bool {
        let grown = self.growth() * self.iterations as f64;
        let enough = self.samples.len() >= 16;
        enough
            && self.deltas() == [0; 3]
            && (self.slope() < STEEPEST || grown < f64::from(self.slack))
    }

    fn describe(&self) -> String {
        let [descriptors, mappings, threads] = self.deltas();
        format!(
            "fds {descriptors:+}, maps {mappings:+}, threads {threads:+}, {:+.3} MiB per 10^5",
            self.slope()
        )
    }
}

/// The line of a gate that went these courses: the worst of them, and each that does not hold.
pub(super) fn line(gate: &str, courses: &[Course]) -> String {
    let verdict = if courses.iter().all(Course::holds) {
        "PASS"
    } else {
        "FAIL"
    };
    let iterations = courses.iter().map(|course| course.iterations).min();
    let iterations = iterations.unwrap_or_default();
    let worst = courses
        .iter()
        .max_by(|one, other| one.slope().total_cmp(&other.slope()));
    let Some(worst) = worst else {
        return format!("FAIL {gate}: nothing was measured,");
    };
    if courses.len() == 1 {
        return format!(
            "{verdict} {gate}: {iterations} iterations, {},",
            worst.describe()
        );
    }
    let mut line = format!(
        "{verdict} {gate}: {} paths, {iterations} iterations each",
        courses.len()
    );
    for course in courses.iter().filter(|course| !course.holds()) {
        line.push_str(&format!("; FAIL {}: {}", course.path, course.describe()));
    }
    line.push_str(&format!("; worst {}: {},", worst.path, worst.describe()));
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Sample = Sample {
        descriptors: 9,
        mappings: 40,
        threads: 1,
        resident: 5000,
    };

    /// A course of 10,000 iterations with a sample after each hundred.
    fn course(resident: impl Fn(u64) -> u64) -> Course {
        let samples = (0..=100).map(|step| {
            let resident = START.resident + resident(step * 100);
            (step * 100, Sample { resident, ..START })
        });
        Course {
            path: "path".to_owned(),
            iterations: 10_000,
            slack: 64,
            samples: samples.collect(),
        }
    }

    #[test]
    fn memory_that_grows_by_a_mebibyte_per_hundred_thousand_is_a_leak() {
        // 10 iterations a KiB are 10,000 KiB per 100,000 iterations.
        let leaking = course(|done| done / 10);
        assert!((leaking.slope() - 10_000.0 / 1024.0).abs() < 0.01);
        assert!(!leaking.holds());

        assert!(course(|done| done / 120).slope() < 1.0);
        assert!(course(|done| done / 120).holds());
    }

    #[test]
    fn memory_that_goes_up_and_down_is_no_leak() {
        let swinging = course(|done| if done / 100 % 2 == 0 { 0 } else { 200 });
        assert!(swinging.holds(), "{}", swinging.describe());
    }

    #[test]
    fn a_few_pages_are_no_leak_however_short_the_course() {
        let mut short = course(|done| done / 400);
        short.iterations = 100;
        for (at, _) in &mut short.samples {
            *at /= 100;
        }
        assert!(short.slope() > 1.0 && short.holds());
    }

    #[test]
    fn one_descriptor_mapping_or_thread_more_is_a_leak() {
        for kind in 0..3 {
            let mut course = course(|_| 0);
            assert!(course.holds());
            let (_, last) = course.samples.last_mut().unwrap();
            match kind {
                0 => last.descriptors += 1,
                1 => last.mappings += 1,
                _ => last.threads += 1,
            }
            assert!(!course.holds(), "kind {kind}");
        }
    }

    #[test]
    fn samples_are_due_after_the_warm_up_and_in_equal_steps() {
        let rounds = Rounds {
            full: 6400,
            least: 0,
            warm_up: 64,
            slack: 0,
        };
        let mut meter = Meter::new("path", rounds, 640);
        let mut taken = Vec::new();
        while meter.goes_on() {
            meter.advance(1);
            if meter.is_due() {
                taken.push(meter.done);
                meter.record(START);
            }
        }
        assert_eq!(taken[..3], [64, 74, 84]);
        assert_eq!((taken.len(), taken.last()), (65, Some(&704)));
    }
}
