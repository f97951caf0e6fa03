//! Device resets with everything there is to lose.

use super::machine::Machine;
use super::meter::Course;
use super::objects::picture;
use super::{Plan, Rounds, SLACK};
use crate::front_end::Reset;
use crate::message::{display_info, edid, flush, set_scanout, transfer, update_cursor, whole};

/// Resources, scanouts, a cursor, and commands in flight, at resets that are told and that are not.
pub(super) fn resets(plan: &Plan) -> Vec<Course> {
    [(Reset::Told, "told"), (Reset::Silent, "silent")]
        .into_iter()
        .map(|(how, path)| {
            let daemon = plan.daemon();
            let mut machine = Machine::start_with(&daemon, how);
            let rounds = Rounds {
                full: 10_000,
                least: 1_000,
                warm_up: 500,
                slack: SLACK,
            };
            let mut meter = plan.meter(path, rounds);
            while meter.goes_on() {
                draw(&mut machine);
                machine.reset();
                meter.advance(1);
                machine.measure(&daemon, &mut meter);
            }
            meter.finish()
        })
        .collect()
}

/// Draws, and leaves commands in flight.
pub(super) fn draw(machine: &mut Machine) {
    let mut batch = Vec::new();
    for id in 1..=8 {
        batch.extend(picture(id, 64, 32));
    }
    for (scanout, id) in [(0, 1), (1, 2), (2, 1)] {
        batch.push(set_scanout(scanout, id, whole(64, 32)));
    }
    batch.push(flush(1, whole(64, 32)));
    machine.succeed(&batch);
    machine.succeed(&[update_cursor(0, 3).room(0), update_cursor(1, 3).room(0)]);
    let mut last = vec![display_info(), edid(0)];
    last.extend((1..=8).map(|id| transfer(id, whole(64, 32), 0)));
    last.extend((1..=8).map(|id| flush(id, whole(64, 32))));
    machine.submit(&last);
}
