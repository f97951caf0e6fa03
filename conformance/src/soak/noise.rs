//! Command streams that nobody wrote, at a daemon with virglrenderer: it lives, answers each of them, and keeps
//! nothing.

use gpu_renderer::testing::stream::{Target, colour_triangle, format};

use super::machine::{IMAGE, Machine};
use super::meter::Course;
use super::{Plan, Rounds};
use crate::message::attach;
use crate::message_3d::{
    attach_to, buffer, create_3d, create_context, destroy_context, submit, texture,
};

/// The library and GL keep programs and objects of their own for a while.
const NOISE: Rounds = Rounds {
    full: 20_000,
    least: 300,
    warm_up: 200,
    slack: 32 << 10,
};

const CONTEXT: u32 = 2;
const TEXTURES: [u32; 3] = [1, 2, 3];
const SIDE: u32 = 64;
const BUFFER: u32 = 4;
const BUFFER_BYTES: u32 = 4096;

/// One more than the last number of a command.
const COMMANDS: u32 = 61;
/// One more than the last number of a kind of object.
const OBJECTS: u32 = 13;

/// `VIRGL_CCMD_DRAW_VBO`.
const DRAW: u32 = 8;
/// Where it has the count of vertices, and of instances.
const DRAW_COUNTS: [usize; 2] = [1, 4];
/// A count of a draw: what a larger one takes is only time.
const DRAW_MOST: u32 = 0xfff;

/// Commands that name regions or a state that is there, and how many arguments they have.
const LIKELY: [(u32, u32); 9] = [
    (5, 3),
    (7, 8),
    (DRAW, 12),
    (9, 16),
    (16, 21),
    (17, 13),
    (43, 13),
    (45, 14),
    (47, 12),
];

/// What bounds are forgotten at.
const EDGES: [u32; 20] = [
    0,
    0,
    0,
    1,
    1,
    1,
    2,
    3,
    4,
    5,
    7,
    8,
    16,
    32,
    33,
    64,
    0x3f80_0000,
    0x7fff_ffff,
    0x8000_0000,
    u32::MAX,
];

/// Numbers that are the same in each run.
struct Numbers(u64);

impl Numbers {
    fn of(stream: u64) -> Self {
        let mut numbers = Self(stream.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for _ in 0..4 {
            numbers.next();
        }
        numbers
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: u32) -> u32 {
        ((self.next() >> 11) % u64::from(end)) as u32
    }

    fn word(&mut self) -> u32 {
        match self.below(8) {
            0 => self.next() as u32,
            1 => self.below(300),
            _ => EDGES[self.below(EDGES.len() as u32) as usize],
        }
    }

    /// One to three commands, most of them after a drawing that makes sense.
    fn stream(&mut self) -> Vec<u32> {
        let mut words = match self.below(4) {
            0 => Vec::new(),
            _ => drawing(),
        };
        for _ in 0..=self.below(3) {
            self.command(&mut words);
        }
        words
    }

    fn command(&mut self, words: &mut Vec<u32>) {
        let (number, likely) = match self.below(3) {
            0 => LIKELY[self.below(LIKELY.len() as u32) as usize],
            _ => (self.below(COMMANDS), 0),
        };
        let length = match self.below(6) {
            0 => self.below(3),
            1 => 8 + self.below(60),
            _ if likely > 0 => likely,
            _ => 1 + self.below(16),
        };
        words.push(length << 16 | self.below(OBJECTS) << 8 | number);
        let first = words.len();
        words.extend((0..length).map(|_| self.word()));
        if number == DRAW {
            for place in DRAW_COUNTS {
                if let Some(count) = words.get_mut(first + place) {
                    *count &= DRAW_MOST;
                }
            }
        }
    }
}

fn drawing() -> Vec<u32> {
    let target = Target {
        resource: TEXTURES[0],
        format: format::B8G8R8X8_UNORM,
        width: SIDE,
        height: SIDE,
    };
    let corner = |x, y| ([x, y], [0.0, 1.0, 0.0, 1.0]);
    let corners = [corner(-1.0, -1.0), corner(1.0, -1.0), corner(0.0, 1.0)];
    colour_triangle(target, BUFFER, corners).into_words()
}

/// Six streams in a context of their own, over and over.
pub(super) fn noise(plan: &Plan) -> Option<Vec<Course>> {
    let daemon = plan.rendering_daemon()?;
    let mut machine = Machine::start_in_3d(&daemon);
    let mut made = vec![create_3d(buffer(BUFFER, BUFFER_BYTES))];
    made.extend(TEXTURES.map(|id| create_3d(texture(id, SIDE, SIDE))));
    made.push(attach(BUFFER, &[(IMAGE, BUFFER_BYTES)]));
    made.extend(TEXTURES.map(|id| attach(id, &[(IMAGE, SIDE * SIDE * 4)])));
    machine.succeed(&made);

    let mut meter = plan.meter("streams of noise", NOISE);
    let mut number = 0;
    while meter.goes_on() {
        let mut numbers = Numbers::of(number);
        number += 1;
        let mut batch = vec![create_context(CONTEXT), attach_to(CONTEXT, BUFFER)];
        batch.extend(TEXTURES.map(|id| attach_to(CONTEXT, id)));
        batch.extend((0..6).map(|_| submit(CONTEXT, &numbers.stream())));
        batch.push(destroy_context(CONTEXT));
        let answers = machine.carry_out(&batch);
        assert!(!answers.contains(&0), "each is answered: {answers:x?}");
        meter.advance(1);
        machine.measure(&daemon, &mut meter);
    }
    Some(vec![meter.finish()])
}
