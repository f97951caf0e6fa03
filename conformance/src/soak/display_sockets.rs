//! Display sockets that are replaced by others, in every state that one can be in.

use std::io::{Read, Write};

use super::machine::Machine;
use super::meter::Course;
use super::objects::picture;
use super::{Plan, Rounds};
use crate::message::{Message, display_info, flush, set_scanout, update_cursor, whole};

const WIDTH: u32 = 320;
const HEIGHT: u32 = 240;

/// What becomes of a socket before the next one.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// Someone looks at it.
    Watched,
    /// Frames fill it, and nobody reads them.
    Full,
    /// It was closed before the daemon had it.
    Closed,
    /// A command waits for an answer that does not come through it.
    Asked,
    /// It brings what is no answer.
    Nonsense,
    /// It is closed in the middle of a message.
    Cut,
}

const FATES: [Fate; 6] = [
    Fate::Watched,
    Fate::Full,
    Fate::Closed,
    Fate::Asked,
    Fate::Nonsense,
    Fate::Cut,
];

pub(super) fn display_sockets(plan: &Plan) -> Vec<Course> {
    let daemon = plan.daemon();
    let mut machine = Machine::start(&daemon);
    machine.succeed(&picture(1, WIDTH, HEIGHT));
    machine.succeed(&picture(2, 64, 64));
    machine.succeed(&[set_scanout(0, 1, whole(WIDTH, HEIGHT))]);
    machine.succeed(&[update_cursor(0, 2).room(0)]);
    let rounds = Rounds {
        full: 100_000,
        least: 2_000,
        warm_up: 1_000,
        // How much of a frame waits for room in a socket is chance, and the allocator keeps room for it.
        slack: 1024,
    };
    let mut meter = plan.meter("display sockets", rounds);
    while meter.goes_on() {
        for fate in FATES {
            replace(&mut machine, fate);
        }
        meter.advance(FATES.len() as u64);
        if meter.is_due() {
            // So that each sample finds the same: a socket without a picture to send.
            machine.succeed(&[set_scanout(0, 0, whole(0, 0))]);
            machine.replace_display();
            machine.measure(&daemon, &mut meter);
            machine.succeed(&[set_scanout(0, 1, whole(WIDTH, HEIGHT))]);
        }
    }
    vec![meter.finish()]
}

fn frames() -> Vec<Message> {
    vec![flush(1, whole(WIDTH, HEIGHT))]
}

fn replace(machine: &mut Machine, fate: Fate) {
    match fate {
        Fate::Watched => {
            machine.replace_display();
            machine.succeed(&frames());
        }
        Fate::Full => {
            let _unread = machine.neglect_display();
            for _ in 0..3 {
                machine.succeed(&frames());
            }
        }
        Fate::Closed => drop(machine.neglect_display()),
        Fate::Asked => {
            let _silent = machine.neglect_display();
            machine.front_end.synchronize();
            machine.submit(&[display_info()]);
            machine.front_end.synchronize();
            machine.replace_display();
            machine.settle();
        }
        Fate::Nonsense => {
            let mut gpu = machine.neglect_display();
            // The daemon may have let go of it before all is written.
            let _ = gpu.stream.write_all(&[0xff; 64]);
            machine.front_end.synchronize();
        }
        Fate::Cut => {
            let mut gpu = machine.neglect_display();
            machine.front_end.synchronize();
            let mut some = [0; 7];
            gpu.stream.read_exact(&mut some).unwrap();
            let _ = gpu.stream.write_all(&[4]);
            drop(gpu);
            machine.succeed(&frames());
        }
    }
}
