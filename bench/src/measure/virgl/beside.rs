//! What 2D loses on a device that can render: our daemon beside itself without a renderer.

use super::Setting;
use crate::front_end::FrontEnd;
use crate::guest::{Backing, FULL_HD, Size, attach, create, flush, transfer, unref};
use crate::report::{Contender, Goal, Race, Report};
use crate::screen::SendBuffer;
use crate::trips::{Trip, Trips};

const RESOURCE: u32 = 1;

const ICON: Size = Size {
    name: "64x64",
    width: 64,
    height: 64,
};

/// Small requests at a kick.
const MANY: u16 = 64;

/// Whole pictures at a kick.
const PICTURES: u16 = 16;

/// What is kept of the speed.
const GOAL: Goal = Goal::AtLeast(0.95);

pub(in crate::measure) fn measure(setting: &Setting, report: &mut Report) {
    if super::direct().is_none() {
        return;
    }
    let programs = [
        setting.ours.told("with 3D", super::VIRGL),
        setting.ours.told("without", super::super::WITHOUT_RENDERER),
    ];
    let mut front_ends: Vec<_> = programs
        .iter()
        .zip(0..)
        .map(|(program, area)| FrontEnd::start(program, &setting.guest, area, SendBuffer::Default))
        .collect();
    for backing in [Backing::Whole, Backing::Pages] {
        with_resource(&mut front_ends, FULL_HD, backing, |front_ends| {
            let request = transfer(RESOURCE, FULL_HD, FULL_HD.bounds());
            let requests = vec![request; usize::from(PICTURES)];
            let what = format!("2D transfer 1080p {}", backing.name());
            race(setting, report, front_ends, &what, &requests);
        });
    }
    with_resource(&mut front_ends, ICON, Backing::Whole, |front_ends| {
        let creations: Vec<_> = (0..u32::from(MANY) / 2)
            .flat_map(|place| [create(100 + place, ICON), unref(100 + place)])
            .collect();
        let many = |request| vec![request; usize::from(MANY)];
        for (what, requests) in [
            ("flushes", many(flush(RESOURCE, ICON.bounds()))),
            (
                "64x64 transfers",
                many(transfer(RESOURCE, ICON, ICON.bounds())),
            ),
            ("creations and unrefs", creations),
        ] {
            race(
                setting,
                report,
                front_ends,
                &format!("2D {what}"),
                &requests,
            );
        }
        one_at_a_time(setting, report, front_ends);
    });
}

fn with_resource(
    front_ends: &mut [FrontEnd],
    size: Size,
    backing: Backing,
    work: impl FnOnce(&mut [FrontEnd]),
) {
    for front_end in &mut *front_ends {
        front_end.control.succeed(&[
            create(RESOURCE, size),
            attach(RESOURCE, backing, size.bytes()),
        ]);
    }
    work(front_ends);
    for front_end in front_ends {
        front_end.control.succeed(&[unref(RESOURCE)]);
    }
}

fn race(
    setting: &Setting,
    report: &mut Report,
    front_ends: &mut [FrontEnd],
    what: &str,
    requests: &[Vec<u8>],
) {
    let count = requests.len() as u16;
    let mut contenders = Vec::new();
    for front_end in front_ends {
        let control = &mut front_end.control;
        control.lay_out(requests, true);
        control.round(count);
        control.check();
        contenders.push(Contender {
            name: front_end.name,
            measure: Box::new(move || setting.rate(f64::from(count), || control.round(count))),
        });
    }
    Race {
        what: format!("{what}, {count} a kick"),
        unit: "commands/s",
        rounds: setting.rounds,
        contenders,
        goals: &[GOAL],
    }
    .run(report);
}

/// The time of one flush; shown only, as the scheduler has a say in it.
fn one_at_a_time(setting: &Setting, report: &mut Report, front_ends: &mut [FrontEnd]) {
    let request = flush(RESOURCE, ICON.bounds());
    let mut contenders = Vec::new();
    for front_end in front_ends {
        let control = &mut front_end.control;
        control.lay_out(std::slice::from_ref(&request), true);
        contenders.push(Trip {
            name: front_end.name,
            go: Box::new(|| control.round(1)),
        });
    }
    Trips {
        what: "2D flush, one at a time",
        rounds: setting.rounds,
        count: 2000,
        contenders,
    }
    .run(report);
}
