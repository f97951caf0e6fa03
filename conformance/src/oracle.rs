//! The checks that hold for every exchange, whatever was asked.

use std::collections::HashMap;

use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

use crate::case::Outcome;
use crate::exchange::{Exchange, INDIRECT, WRITE};
use crate::executor::Log;
use crate::map::{ANSWER, BORDER, HOLE, REQUEST};
use crate::violation::Violation;

/// What guest memory is filled with where the device is to write, and around it.
pub const CANARY: u8 = 0xa5;

/// Bytes that are watched behind the end of a request or a room.
const MARGIN: u64 = 4096;

/// FENCE.
const FENCE: u32 = 1;

/// The parts of guest memory that are watched during an exchange, as they were before it.
#[derive(Debug)]
pub struct Watched {
    windows: Vec<(u64, Vec<u8>)>,
}

impl Watched {
    /// Writes the request, and canaries around it and wherever the device may write.
    pub fn prepare(memory: &GuestMemoryMmap, exchange: &Exchange) -> Self {
        let windows = [
            (REQUEST - MARGIN, 2 * MARGIN + exchange.request.len() as u64),
            (ANSWER - MARGIN, 2 * MARGIN + answer_room(exchange)),
            (BORDER - MARGIN, 2 * MARGIN),
            (HOLE - MARGIN, MARGIN),
        ];
        for (at, length) in windows {
            write(memory, at, &vec![CANARY; length as usize]);
        }
        write(memory, REQUEST, &exchange.request);
        for (at, bytes) in &exchange.writes {
            write(memory, *at, bytes);
        }
        let windows = windows
            .into_iter()
            .map(|(at, length)| (at, read(memory, at, length as usize)))
            .collect();
        Self { windows }
    }

    /// Checks that nothing changed but what was written on purpose.
    ///
    /// # Errors
    /// [`Violation::Canary`].
    pub fn check(&self, memory: &GuestMemoryMmap, written: &[(u64, u64)]) -> Result<(), Violation> {
        for (base, before) in &self.windows {
            let mut now = read(memory, *base, before.len());
            for (at, length) in written {
                // The part of what was written that is in this window.
                let clamp = |at: u64| (at.max(*base) - base).min(before.len() as u64) as usize;
                let part = clamp(*at)..clamp(at.saturating_add(*length));
                now[part.clone()].copy_from_slice(&before[part]);
            }
            // Equality of slices is quick where the harness is not optimised.
            if now != *before {
                let at = now.iter().zip(before).position(|(now, was)| now != was);
                return Err(Violation::Canary(base + at.unwrap_or(0) as u64));
            }
        }
        Ok(())
    }
}

/// How far the room for the answer reaches at its usual place. A room that is longer than any
/// case needs is a lie of the case.
fn answer_room(exchange: &Exchange) -> u64 {
    exchange
        .pieces
        .iter()
        .filter(|piece| piece.flags & (INDIRECT | WRITE) == WRITE)
        .filter(|piece| (ANSWER..ANSWER + MARGIN).contains(&piece.address))
        .map(|piece| piece.address - ANSWER + u64::from(piece.length))
        .filter(|end| *end <= 2 << 20)
        .fold(MARGIN, u64::max)
}

/// Where the first `used` bytes of the answer lie. Descriptors in a table have the answer in one
/// piece, at its usual place.
pub fn written(exchange: &Exchange, used: u32) -> Vec<(u64, u64)> {
    if exchange.is_indirect() {
        return vec![(ANSWER, u64::from(used))];
    }
    let mut left = u64::from(used);
    let mut places = Vec::new();
    for piece in exchange
        .pieces
        .iter()
        .filter(|piece| piece.flags & WRITE != 0)
    {
        let length = left.min(u64::from(piece.length));
        places.push((piece.address, length));
        left -= length;
    }
    places
}

/// What an answer says, after the checks that hold for every answer: its length is that of its
/// type, and it repeats the request's fence and nothing else.
///
/// `answer` is what lies in the first `used` bytes of the room, `request` what the device could
/// read of the request.
///
/// # Errors
/// [`Violation::UsedLength`], [`Violation::NoResponse`], [`Violation::Fence`].
pub fn judge_answer(
    answer: &[u8],
    used: u32,
    room: u64,
    request: &[u8],
) -> Result<Outcome, Violation> {
    if u64::from(used) > room || (1..24).contains(&used) {
        let needed = 24;
        return Err(Violation::UsedLength { used, needed, room });
    }
    if used == 0 {
        return Ok(Outcome::Silent);
    }
    let kind = word(answer, 0);
    let needed = match kind {
        0x1100 | 0x1200..=0x1205 => 24,
        0x1101 => 408,
        0x1102 | 0x1105 => 40,
        0x1103 => used.max(24),
        0x1104 => 1056,
        0x1106 => 32,
        _ => return Err(Violation::NoResponse(kind)),
    };
    if used != needed {
        return Err(Violation::UsedLength { used, needed, room });
    }
    let (flags, fence) = (word(answer, 4), long(answer, 8));
    let (sent_flags, sent_fence) = match request.len() {
        0..24 => (0, 0),
        _ => (word(request, 4), long(request, 8)),
    };
    let good = if sent_flags & FENCE == 0 {
        flags == 0 && fence == 0
    } else {
        // The timeline may be repeated with the fence; nothing else may.
        flags & !0x3 == 0 && flags & FENCE != 0 && fence == sent_fence
    };
    if !good {
        return Err(Violation::Fence {
            flags,
            fence,
            sent_flags,
            sent_fence,
        });
    }
    Ok(Outcome::Response(kind))
}

/// Checks that each kind of line came at most once a second. Lines that differ only in numbers
/// are of one kind.
///
/// # Errors
/// [`Violation::LogFlood`].
pub fn check_log(log: &Log) -> Result<(), Violation> {
    let mut kinds: HashMap<String, (usize, &str)> = HashMap::new();
    for line in &log.lines {
        let kind = line.chars().filter(|c| !c.is_ascii_digit()).collect();
        kinds.entry(kind).or_insert((0, line)).0 += 1;
    }
    let most = 1 + log.span.as_secs();
    match kinds.values().find(|(count, _)| *count as u64 > most) {
        Some((count, line)) => Err(Violation::LogFlood {
            count: *count,
            span: log.span,
            line: (*line).to_owned(),
        }),
        None => Ok(()),
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4]
        .iter()
        .rev()
        .fold(0, |word, byte| word << 8 | u32::from(*byte))
}

fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from(word(bytes, at + 4)) << 32 | u64::from(word(bytes, at))
}

pub(crate) fn write(memory: &GuestMemoryMmap, at: u64, bytes: &[u8]) {
    memory
        .write_slice(bytes, GuestAddress(at))
        .expect("cases write to memory");
}

pub(crate) fn read(memory: &GuestMemoryMmap, at: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    memory
        .read_slice(&mut bytes, GuestAddress(at))
        .expect("answers are in memory");
    bytes
}
