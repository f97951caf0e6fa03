//! What a daemon costs that has nothing to do.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::Setting;
use crate::daemon::{Daemon, Program};
use crate::front_end::{FrontEnd, first_answer};
use crate::guest::Guest;
use crate::report::{Goal, Line, Report};
use crate::screen::SendBuffer;

const MANY: usize = 100;
const REST: Duration = Duration::from_secs(3);

pub(super) fn measure(setting: &Setting, report: &mut Report) {
    for program in setting.programs() {
        let goal = |bound| match program.name {
            "ours" => Goal::AtMost(bound),
            _ => Goal::None,
        };
        let mut add = |what: &str, unit, values, goal| {
            let what = format!("{what}: {}", program.name);
            report.add(Line {
                what,
                unit,
                values,
                goal,
            });
        };
        let front_end = FrontEnd::start(program, &setting.guest, 0, SendBuffer::Default);
        let daemon = &front_end.daemon;
        // What a new front end has to say, and the answers.
        sleep(Duration::from_secs(2));
        let wakes = wakes_a_second(daemon);
        add("wake-ups when idle", "1/s", vec![wakes], goal(0.0));
        let resident = daemon.memory("Rss:") as f64 / 1024.0;
        add(
            "resident memory when idle",
            "MiB",
            vec![resident],
            goal(12.0),
        );
        let starts = (0..setting.rounds * 4).map(|_| start_to_answer(program));
        add("start to first answer", "ms", starts.collect(), goal(5.0));
    }
    let shared: f64 = (0..MANY)
        .map(|_| FrontEnd::start(&setting.ours, &Guest::new(), 0, SendBuffer::Default))
        .collect::<Vec<_>>()
        .iter()
        .map(|front_end| front_end.daemon.memory("Pss:") as f64 / 1024.0)
        .sum();
    report.add(Line {
        what: "100 idle daemons".to_owned(),
        unit: "MiB",
        values: vec![shared],
        goal: Goal::AtMost(1024.0),
    });
}

/// How often a daemon that is left alone wakes up.
pub(super) fn wakes_a_second(daemon: &Daemon) -> f64 {
    let before = daemon.sleeps();
    sleep(REST);
    (daemon.sleeps() - before) as f64 / REST.as_secs_f64()
}

/// Milliseconds from the start of a daemon to its first answer.
pub(super) fn start_to_answer(program: &Program) -> f64 {
    let start = Instant::now();
    let mut daemon = program.start();
    first_answer(&mut daemon.connect());
    start.elapsed().as_secs_f64() * 1e3
}
