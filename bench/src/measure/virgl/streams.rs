//! Small command streams: one at a time with a fence, and many at a kick.

use super::Setting;
use crate::baseline::Bare;
use crate::daemon::pin_self;
use crate::direct::Direct;
use crate::front_end::FrontEnd;
use crate::guest::Size;
use crate::report::{Goal, Line, Race, Report};
use crate::texture::{Fence, Pixels, Texture, submit};
use crate::trips::{Trip, Trips};

const SMALL: Texture = Texture {
    number: 1,
    size: Size {
        name: "64x64",
        width: 64,
        height: 64,
    },
    pixels: Pixels::Bgrx,
};

/// Small streams at a kick.
const MANY: u16 = 32;

/// Small streams of one round, one at a time.
const TRIPS: usize = 2000;

pub(in crate::measure) fn measure(setting: &Setting, report: &mut Report) {
    let Some(mut direct) = super::direct() else {
        return;
    };
    let mut front_ends = setting.start_rendering();
    direct.create(SMALL);
    for front_end in &mut front_ends {
        front_end.control.succeed(&SMALL.creation());
    }
    unpinned(setting, report, &mut front_ends, &mut direct);
    pinned(setting, report, &mut front_ends, &mut direct);
    many(setting, report, &mut front_ends, &mut direct);
}

/// A small stream and its fence, wherever the system runs whoever takes part.
fn unpinned(
    setting: &Setting,
    report: &mut Report,
    front_ends: &mut [FrontEnd],
    direct: &mut Direct,
) {
    let what = "small stream and fence";
    let times = one_at_a_time(setting, report, what, front_ends, direct, None);
    if let [ours, peer, _] = &times[..] {
        report.add(Line {
            what: format!("{what}: ratio to peer"),
            unit: "x",
            values: ours
                .iter()
                .zip(peer)
                .map(|(ours, peer)| ours / peer)
                .collect(),
            goal: Goal::AtMost(0.8),
        });
    }
}

/// Everything on one processor, so that it is not the scheduler that is measured.
fn pinned(
    setting: &Setting,
    report: &mut Report,
    front_ends: &mut [FrontEnd],
    direct: &mut Direct,
) {
    const PROCESSOR: Option<usize> = Some(0);
    let pin = |processor: Option<usize>, front_ends: &[FrontEnd]| {
        pin_self(processor);
        for front_end in front_ends {
            front_end.daemon.pin(processor);
        }
    };
    pin(PROCESSOR, front_ends);
    let what = "small stream and fence, one processor";
    let bare = Bare::start(|| ());
    let times = one_at_a_time(setting, report, what, front_ends, direct, Some(&bare));
    drop(bare);
    pin(None, front_ends);
    let [ours, .., direct, bare] = &times[..] else {
        return;
    };
    let more = ours.iter().zip(direct.iter().zip(bare));
    report.add(Line {
        what: format!("{what}: ours beyond direct and bare"),
        unit: "us",
        values: more
            .map(|(ours, (direct, bare))| ours - direct - bare)
            .collect(),
        goal: Goal::AtMost(15.0),
    });
}

/// The times of the front ends, of the direct call, and of the bare round trip.
fn one_at_a_time(
    setting: &Setting,
    report: &mut Report,
    what: &str,
    front_ends: &mut [FrontEnd],
    direct: &mut Direct,
    bare: Option<&Bare>,
) -> Vec<Vec<f64>> {
    let clear = SMALL.clear();
    let request = submit(&clear, Fence::Used);
    let mut contenders = Vec::new();
    for front_end in &mut *front_ends {
        let control = &mut front_end.control;
        control.lay_out(std::slice::from_ref(&request), true);
        control.round(1);
        control.check();
        contenders.push(Trip {
            name: front_end.name,
            go: Box::new(|| control.round(1)),
        });
    }
    contenders.push(Trip {
        name: "direct",
        go: Box::new(|| {
            direct.submit(&clear);
            direct.fence();
            direct.finish();
        }),
    });
    if let Some(bare) = bare {
        contenders.push(Trip {
            name: "bare round trip",
            go: Box::new(|| bare.round()),
        });
    }
    Trips {
        what,
        rounds: setting.rounds,
        count: TRIPS,
        contenders,
    }
    .run(report)
}

/// Small streams that nobody waits for.
fn many(setting: &Setting, report: &mut Report, front_ends: &mut [FrontEnd], direct: &mut Direct) {
    let clear = SMALL.clear();
    let requests = vec![submit(&clear, Fence::Unused); usize::from(MANY)];
    let what = format!("small streams, {MANY} a kick");
    let contenders = super::contenders(setting, front_ends, &requests, || {
        for _ in 0..MANY {
            direct.submit(&clear);
        }
    });
    Race {
        what,
        unit: "streams/s",
        rounds: setting.rounds,
        contenders,
        goals: &[Goal::None, Goal::AtLeast(1.3)],
    }
    .run(report);
    direct.fence();
    direct.finish();
}
