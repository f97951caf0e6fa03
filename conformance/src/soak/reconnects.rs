//! Front ends that die at any moment, one after another at the same daemon.

use std::os::fd::{AsFd, BorrowedFd};

use super::machine::Machine;
use super::meter::Course;
use super::resets::draw;
use super::{Plan, Rounds, SLACK};
use crate::daemon::Daemon;
use crate::front_end::{
    ADD_MEM_REG, FrontEnd, GET_FEATURES, GPU_SET_SOCKET, SET_VRING_CALL, SET_VRING_KICK, encode,
    longs, region,
};
use crate::gpu_socket::GpuSocket;
use crate::guest::MEMORY;

pub(super) fn reconnects(plan: &Plan) -> Vec<Course> {
    let daemon = Daemon::start_with(&plan.program, &["--persistent", "--log-level", "warn"]);
    let rounds = Rounds {
        full: 10_000,
        least: 1_000,
        warm_up: 500,
        slack: SLACK,
    };
    let mut meter = plan.meter("reconnects", rounds);
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    while meter.goes_on() {
        live_and_die(&daemon, &mut dice);
        meter.advance(1);
        if meter.is_due() {
            let mut machine = Machine::start(&daemon);
            machine.measure(&daemon, &mut meter);
        }
    }
    vec![meter.finish()]
}

/// A xorshift generator: the same moments in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// A front end that gets so far and no further.
fn live_and_die(daemon: &Daemon, dice: &mut Dice) {
    match dice.below(8) {
        0 => drop(FrontEnd::connect(daemon)),
        1 => {
            let mut front_end = FrontEnd::connect(daemon);
            front_end.realize();
            cut(&front_end, dice);
        }
        2 => cut(&FrontEnd::connect(daemon), dice),
        3 => {
            let mut front_end = FrontEnd::connect(daemon);
            front_end.realize();
            let gpu = front_end.start();
            cut(&front_end, dice);
            drop(gpu);
        }
        4 => {
            // Before it has read its replies.
            let front_end = FrontEnd::connect(daemon);
            for _ in 0..dice.below(40) {
                front_end.send(GET_FEATURES, &[], &[]);
            }
        }
        5 => {
            // What ends the session on the daemon's side.
            let front_end = FrontEnd::connect(daemon);
            front_end.send_bytes(&encode(GET_FEATURES, 0x2, &[]), &[]);
        }
        6 => {
            let mut machine = Machine::start(daemon);
            draw(&mut machine);
        }
        _ => {
            let mut machine = Machine::start(daemon);
            draw(&mut machine);
            machine.rest();
            cut(&machine.front_end, dice);
        }
    }
}

/// Sends the beginning of a message, and all of its descriptors.
fn cut(front_end: &FrontEnd, dice: &mut Dice) {
    let memory = &front_end.guest.regions[0].file;
    let kick = &front_end.guest.kicks[0];
    let (_gpu, theirs) = GpuSocket::pair();
    let messages: [(u32, Vec<u8>, Option<BorrowedFd<'_>>); 5] = [
        (ADD_MEM_REG, region(0, MEMORY, 0), Some(memory.as_fd())),
        (SET_VRING_KICK, longs(&[0]), Some(kick.as_fd())),
        (SET_VRING_CALL, longs(&[1]), Some(kick.as_fd())),
        (GPU_SET_SOCKET, Vec::new(), Some(theirs.as_fd())),
        (GET_FEATURES, Vec::new(), None),
    ];
    let (request, payload, fd) = &messages[dice.below(5) as usize];
    let bytes = encode(*request, 0x1, payload);
    let length = 1 + dice.below(bytes.len() as u64 - 1) as usize;
    let fds: Vec<_> = fd.iter().copied().collect();
    front_end.send_bytes(&bytes[..length], &fds);
}
