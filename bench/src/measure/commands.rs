//! Small commands: 64 at each kick, and one at a time.

use super::Setting;
use crate::baseline::Bare;
use crate::daemon::pin_self;
use crate::front_end::FrontEnd;
use crate::guest::{Size, create, flush, transfer, unref};
use crate::report::{Contender, Goal, Line, Race, Report};
use crate::screen::SendBuffer;
use crate::trips::{Trip, Trips};

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
    pin_self(PROCESSOR);
    let bare = Bare::start(|| ());
    for front_end in &mut *front_ends {
        let request = std::slice::from_ref(request);
        front_end.control.lay_out(request, true);
        front_end.daemon.pin(PROCESSOR);
    }
    let mut contenders: Vec<_> = front_ends
        .iter_mut()
        .map(|front_end| Trip {
            name: front_end.name,
            go: Box::new(|| front_end.control.round(1)),
        })
        .collect();
    contenders.push(Trip {
        name: "bare round trip",
        go: Box::new(|| bare.round()),
    });
    let what = "one flush at a time";
    let times = Trips {
        what,
        rounds: setting.rounds,
        count: TRIPS,
        contenders,
    }
    .run(report);
    for front_end in &*front_ends {
        front_end.daemon.pin(None);
    }
    drop(bare);
    pin_self(None);
    let [ours, .., bare] = &times[..] else {
        return;
    };
    report.add(Line {
        what: format!("{what}: ours beyond the bare round trip"),
        unit: "us",
        values: ours
            .iter()
            .zip(bare)
            .map(|(ours, bare)| ours - bare)
            .collect(),
        goal: Goal::AtMost(3.0),
    });
}
