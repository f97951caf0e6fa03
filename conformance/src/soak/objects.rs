//! Resources, cursors and modesets that come and go.

use super::machine::{IMAGE, Machine};
use super::meter::Course;
use super::{Plan, Rounds, SLACK};
use crate::message::{
    Message, attach, create, flush, set_scanout, transfer, unref, update_cursor, whole,
};

/// What a guest's page holds.
const PAGE: u32 = 4096;

/// The messages that make a picture of this size: created, with backing in pages, and filled.
pub(super) fn picture(id: u32, width: u32, height: u32) -> [Message; 3] {
    let mut entries = Vec::new();
    let mut left = width * height * 4;
    let mut at = IMAGE;
    while left > 0 {
        let length = left.min(PAGE);
        entries.push((at, length));
        at += u64::from(length);
        left -= length;
    }
    [
        create(id, width, height),
        attach(id, &entries),
        transfer(id, whole(width, height), 0),
    ]
}

/// Create, attach, transfer, flush, unref; one in twelve is shown.
pub(super) fn resources(plan: &Plan) -> Vec<Course> {
    const SIZES: [(u32, u32); 12] = [
        (256, 256),
        (1, 1),
        (16, 16),
        (17, 3),
        (32, 32),
        (64, 64),
        (5, 100),
        (100, 5),
        (48, 48),
        (33, 64),
        (2, 2),
        (128, 32),
    ];
    let daemon = plan.daemon();
    let mut machine = Machine::start(&daemon);
    let mut meter = plan.meter(
        "resources",
        Rounds {
            full: 1_000_000,
            least: 50_000,
            warm_up: 10_000,
            slack: SLACK,
        },
    );
    let mut first = 1_u32;
    let mut before = Vec::new();
    while meter.goes_on() {
        let mut batch = Vec::new();
        let made: Vec<_> = (first..).zip(SIZES).collect();
        for (id, (width, height)) in &made {
            batch.extend(picture(*id, *width, *height));
        }
        let (width, height) = SIZES[0];
        batch.push(set_scanout(0, first, whole(width, height)));
        for (id, (width, height)) in &made {
            batch.push(flush(*id, whole(*width, *height)));
        }
        batch.extend(before.drain(..).map(unref));
        machine.succeed(&batch);
        before.extend(made.iter().map(|(id, _)| *id));
        first += SIZES.len() as u32;
        meter.advance(SIZES.len() as u64);
        if meter.is_due() {
            // Where the pixels of live resources are mapped is chance.
            let all: Vec<_> = before.drain(..).map(unref).collect();
            machine.succeed(&all);
            machine.measure(&daemon, &mut meter);
        }
    }
    vec![meter.finish()]
}

/// Cursor images in new resources, sixteen at a time.
pub(super) fn cursors(plan: &Plan) -> Vec<Course> {
    const SCREEN: u32 = 1;
    const SIZES: [(u32, u32); 4] = [(64, 64), (32, 32), (64, 48), (16, 16)];
    let daemon = plan.daemon();
    let mut machine = Machine::start(&daemon);
    machine.succeed(&picture(SCREEN, 128, 64));
    machine.succeed(&[set_scanout(0, SCREEN, whole(128, 64))]);
    let mut meter = plan.meter(
        "cursors",
        Rounds {
            full: 100_000,
            least: 20_000,
            warm_up: 5_000,
            slack: SLACK,
        },
    );
    let mut first = 2_u32;
    let mut before = Vec::new();
    while meter.goes_on() {
        let made: Vec<u32> = (first..first + 16).collect();
        // The last of these is the cursor on screen.
        let mut batch: Vec<_> = before.drain(..).map(unref).collect();
        for (id, (width, height)) in made.iter().zip(SIZES.iter().cycle()) {
            batch.extend(picture(*id, *width, *height));
        }
        machine.succeed(&batch);
        let updates: Vec<_> = made
            .iter()
            .map(|id| update_cursor(0, *id).room(0))
            .collect();
        machine.succeed(&updates);
        first += 16;
        before = made;
        meter.advance(16);
        machine.measure(&daemon, &mut meter);
    }
    vec![meter.finish()]
}

/// Modesets to other sizes on four scanouts, each with a resource of its own, of which a part is shown first.
pub(super) fn scanout_sizes(plan: &Plan) -> Vec<Course> {
    let daemon = plan.daemon();
    let mut machine = Machine::start(&daemon);
    let mut meter = plan.meter(
        "scanout sizes",
        Rounds {
            full: 100_000,
            least: 4_000,
            warm_up: 4_000,
            // How much of a frame waits for room in the socket is chance, and the allocator keeps room for it.
            slack: 1024,
        },
    );
    let mut id = 0_u32;
    let mut shown: Vec<u32> = Vec::new();
    while meter.goes_on() {
        let mut batch = Vec::new();
        let mut made = Vec::new();
        for scanout in 0..4 {
            id += 1;
            // Few sizes, so that the allocator has seen them all before the first sample.
            let (width, height) = (16 + id % 12 * 50, 16 + id % 8 * 60);
            batch.extend(picture(id, width, height));
            batch.push(set_scanout(scanout, id, whole(width / 2, height)));
            batch.push(flush(id, whole(width, height)));
            batch.push(set_scanout(scanout, id, whole(width, height)));
            batch.push(flush(id, whole(width, height)));
            made.push(id);
        }
        batch.extend(shown.drain(..).map(unref));
        machine.succeed(&batch);
        shown = made;
        meter.advance(4);
        if meter.is_due() {
            // What is on screen has another size each time.
            let off: Vec<_> = shown.drain(..).map(unref).collect();
            machine.succeed(&off);
            machine.replace_display();
            machine.measure(&daemon, &mut meter);
        }
    }
    vec![meter.finish()]
}
