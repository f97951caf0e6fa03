//! Small commands: 64 at each kick, and one at a time.

use std::time::Instant;

use nix::unistd::Pid;

use super::Setting;
use crate::baseline::Bare;
use crate::daemon::pin;
use crate::front_end::FrontEnd;
use crate::guest::{Size, create, flush, transfer, unref};
use crate::report::{Contender, Goal, Line, Race, Report, median};
use crate::screen::SendBuffer;

const BATCH: u16 = 64;
const RESOURCE: u32 = 1;
const ICON: Size = Size {
    name: "64x64",
    width: 64,
    height: 64,
};

/// Round trips of one round.
const TRIPS: usize = 4000;

pub(super) fn measure(setting: &Setting, report: &mut Report) {
    let mut front_ends: Vec<_> = setting
        .programs()
        .zip(0..)
        .map(|(program, area)| FrontEnd::start(program, &setting.guest, area, SendBuffer::Default))
        .collect();
    let flushes = vec![flush(RESOURCE, ICON.bounds()); usize::from(BATCH)];
    let transfers = vec![transfer(RESOURCE, ICON, ICON.bounds()); usize::from(BATCH)];
    let creations: Vec<_> = (0..u32::from(BATCH) / 2)
        .flat_map(|place| [create(100 + place, ICON), unref(100 + place)])
        .collect();
    for front_end in &mut front_ends {
        let attach = crate::guest::attach(RESOURCE, crate::guest::Backing::Whole, ICON.bytes());
        front_end.control.succeed(&[create(RESOURCE, ICON), attach]);
    }
    for (what, batch) in [
        ("flushes, 64 a kick", &flushes),
        ("64x64 transfers, 64 a kick", &transfers),
        ("creations and unrefs, 64 a kick", &creations),
    ] {
        batches(setting, report, &mut front_ends, what, batch);
    }
    one_at_a_time(setting, report, &mut front_ends, &flushes[0]);
}

fn batches(
    setting: &Setting,
    report: &mut Report,
    front_ends: &mut [FrontEnd],
    what: &str,
    batch: &[Vec<u8>],
) {
    for front_end in &mut *front_ends {
        front_end.control.lay_out(batch, true);
        front_end.control.round(BATCH);
        front_end.control.check();
    }
    let contenders = front_ends
        .iter_mut()
        .map(|front_end| Contender {
            name: front_end.name,
            measure: Box::new(|| setting.rate(f64::from(BATCH), || front_end.control.round(BATCH))),
        })
        .collect();
    Race {
        what: what.to_owned(),
        unit: "commands/s",
        rounds: setting.rounds,
        contenders,
        goals: &[Goal::AtLeast(1.2)],
    }
    .run(report);
}

/// Everything on one processor, so that it is not the scheduler that is measured.
fn one_at_a_time(
    setting: &Setting,
    report: &mut Report,
    front_ends: &mut [FrontEnd],
    request: &Vec<u8>,
) {
    const PROCESSOR: Option<usize> = Some(0);
    pin(Pid::from_raw(0), PROCESSOR);
    let bare = Bare::start(|| ());
    let mut bare_times = Vec::new();
    let mut times = vec![Vec::new(); front_ends.len()];
    for front_end in &mut *front_ends {
        front_end
            .control
            .lay_out(std::slice::from_ref(request), true);
        front_end.daemon.pin(PROCESSOR);
    }
    for _ in 0..setting.rounds {
        bare_times.push(trip(|| bare.round()));
        for (front_end, times) in front_ends.iter_mut().zip(&mut times) {
            times.push(trip(|| front_end.control.round(1)));
        }
    }
    for front_end in &*front_ends {
        front_end.daemon.pin(None);
    }
    drop(bare);
    pin(Pid::from_raw(0), None);
    let mut add = |what: String, values, goal| {
        report.add(Line {
            what,
            unit: "us",
            values,
            goal,
        });
    };
    for (front_end, times) in front_ends.iter().zip(&times) {
        let name = front_end.name;
        add(
            format!("one flush at a time: {name}"),
            times.clone(),
            Goal::None,
        );
    }
    add(
        "one flush at a time: bare round trip".to_owned(),
        bare_times.clone(),
        Goal::None,
    );
    let more = times[0].iter().zip(&bare_times);
    add(
        "one flush at a time: ours beyond the bare round trip".to_owned(),
        more.map(|(ours, bare)| ours - bare).collect(),
        Goal::AtMost(3.0),
    );
}

/// The median time of a round trip in microseconds.
fn trip(mut round: impl FnMut()) -> f64 {
    let times: Vec<_> = (0..TRIPS)
        .map(|_| {
            let start = Instant::now();
            round();
            start.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    median(&times)
}
