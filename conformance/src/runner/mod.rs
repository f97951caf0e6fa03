//! The runner: every case goes through here, and after each of its steps the oracle is asked.

mod report;
mod rings;
mod sight;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use virtio_gpu::QueueIndex;
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

use crate::case::{Aftermath, Case, Outcome, Step};
use crate::exchange::Exchange;
use crate::executor::Executor;
use crate::oracle::{Watched, check_log, judge_answer, read, write, written};
use crate::violation::Violation;
pub use report::{Failure, Report};

/// How long a request may take in all before it counts as lost.
const LOST_AFTER: Duration = Duration::from_secs(3);

/// The fence that fenced requests are given; each byte differs, and no half is zero.
const FENCE: u64 = 0x8123_4567_89ab_cdef;

/// `VIRTIO_F_EVENT_IDX`.
const EVENT_IDX: u64 = 1 << 29;

/// Whether requests that have no fence of their own are given one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fencing {
    /// No.
    Off,
    /// Yes.
    On,
}

/// Runs every case without and with fences.
///
/// After each case the device is probed, reset, and compared with what it was before.
pub fn run(executor: &mut dyn Executor, cases: &[Case]) -> Report {
    let mut report = Report::default();
    for case in cases {
        for fencing in [Fencing::Off, Fencing::On] {
            let features = executor.features();
            let mut run = Run {
                executor: &mut *executor,
                fencing,
                features,
                inputs: 0,
                step: None,
            };
            let result = run.case(case);
            report.cases += 1;
            report.inputs += run.inputs;
            if let Err(violation) = result {
                report.failures.push(Failure {
                    id: case.id,
                    why: case.why.clone(),
                    fencing,
                    step: run.step,
                    violation,
                });
                // The next case starts from a clean device whatever this one left.
                let _ = executor.reset(features);
                let _ = executor.take_log();
            }
        }
    }
    report
}

/// One run of one case.
struct Run<'a> {
    executor: &'a mut dyn Executor,
    fencing: Fencing,
    /// What is negotiated now.
    features: u64,
    inputs: u64,
    step: Option<usize>,
}

impl Run<'_> {
    fn case(&mut self, case: &Case) -> Result<(), Violation> {
        let before = self.executor.footprint();
        for (place, step) in case.steps.iter().enumerate() {
            self.step = Some(place);
            self.carry_out(step)?;
        }
        self.step = None;
        self.executor.check_alive()?;
        if case.aftermath == Aftermath::Running && !self.executor.failed(QueueIndex::Control) {
            self.probe()?;
            self.legal_sequence()?;
        }
        self.reset(self.executor.features())?;
        self.probe()?;
        self.legal_sequence()?;
        self.reset(self.executor.features())?;
        let after = self.executor.footprint();
        if after != before {
            return Err(Violation::Leak {
                before: before.to_string(),
                after: after.to_string(),
            });
        }
        check_log(&self.executor.take_log())
    }

    fn reset(&mut self, features: u64) -> Result<(), Violation> {
        self.features = features;
        self.executor.reset(features)
    }

    fn carry_out(&mut self, step: &Step) -> Result<(), Violation> {
        if let Step::Exchange(_) | Step::Ring { .. } | Step::RefusedSetup { .. } = step {
            self.inputs += 1;
        }
        match step {
            Step::Exchange(exchange) => self.exchange(exchange),
            Step::Ring {
                queue,
                writes,
                expect,
            } => self.ring(*queue, writes, expect),
            Step::RefusedSetup { queue, setup } => self.refused_setup(*queue, *setup),
            Step::Holds { address, bytes } => {
                let got = read(&self.executor.memory(), *address, bytes.len());
                let place = got.iter().zip(bytes).position(|(got, bytes)| got != bytes);
                match place {
                    Some(place) => Err(Violation::Memory(address + place as u64)),
                    None => Ok(()),
                }
            }
            Step::Write { address, bytes } => {
                write(&self.executor.memory(), *address, bytes);
                Ok(())
            }
            Step::Shows { scanout, picture } => self.shows(*scanout, picture.as_ref()),
            Step::Cursor { scanout, size } => self.cursor(*scanout, *size),
            Step::Repeat { times, round } => {
                for number in 0..*times {
                    for step in round(number) {
                        self.carry_out(&step)?;
                    }
                }
                Ok(())
            }
            Step::Beside {
                writes,
                times,
                steps,
            } => self.beside(writes, *times, steps),
            Step::Reset { features } => self.reset(*features),
            Step::Unplug => {
                self.executor.unplug();
                Ok(())
            }
            Step::MovedSetup { queue, base } => self.moved_setup(*queue, *base),
            Step::Freeze => {
                self.executor.freeze();
                Ok(())
            }
            Step::Thaw => {
                self.executor.thaw();
                Ok(())
            }
        }
    }

    fn exchange(&mut self, exchange: &Exchange) -> Result<(), Violation> {
        let mut exchange = exchange.clone();
        if self.fencing == Fencing::On {
            give_fence(&mut exchange.request);
        }
        let memory = self.executor.memory();
        let watched = Watched::prepare(&memory, &exchange);
        let before = self.executor.tracker();
        let queue = exchange.queue;
        let head = self.executor.driver().ring(queue).publish(&exchange.pieces);
        self.executor.kick(queue);
        if exchange.expect.is_empty() {
            return self.let_it_be();
        }
        let content_counts = !exchange.expect.contains(&Outcome::Returned);
        let outcome = match self.wait(queue, head)? {
            Some(_) if !content_counts => Outcome::Returned,
            Some(used) => {
                let written = written(&exchange, used);
                watched.check(&memory, &written)?;
                let answer: Vec<u8> = written
                    .into_iter()
                    .flat_map(|(at, length)| read(&memory, at, length as usize))
                    .collect();
                judge_answer(
                    &answer,
                    used,
                    room(&exchange),
                    &delivered(&memory, &exchange),
                )?
            }
            None if content_counts => {
                watched.check(&memory, &[])?;
                Outcome::QueueFails
            }
            None => Outcome::QueueFails,
        };
        self.judge(&exchange, outcome)?;
        match (before, self.executor.tracker()) {
            (Some(before), Some(after)) if before != after && is_refusal(&exchange, outcome) => {
                Err(Violation::SideEffect {
                    what: summary(&exchange),
                    before: before.to_string(),
                    after: after.to_string(),
                })
            }
            _ => Ok(()),
        }
    }

    fn judge(&self, exchange: &Exchange, got: Outcome) -> Result<(), Violation> {
        if exchange.expect.contains(&got) {
            return Ok(());
        }
        Err(Violation::Outcome {
            what: summary(exchange),
            got,
            expected: exchange.expect,
        })
    }

    /// Gives the device time to do what it does with a ring that cannot be looked at any more.
    fn let_it_be(&mut self) -> Result<(), Violation> {
        for _ in 0..10 {
            self.executor.idle();
        }
        self.executor.check_alive()
    }

    /// The used length with which a head comes back, `None` if its queue failed.
    fn wait(&mut self, queue: QueueIndex, head: u16) -> Result<Option<u32>, Violation> {
        let start = Instant::now();
        loop {
            if let Some(used) = self.executor.driver().ring(queue).take_used() {
                if used.head != head {
                    return Err(Violation::NotInFlight { head: used.head });
                }
                self.wait_for_interrupt(queue)?;
                return Ok(Some(used.length));
            }
            if self.executor.failed(queue) {
                return Ok(None);
            }
            self.executor.check_alive()?;
            if start.elapsed() > LOST_AFTER {
                let within = LOST_AFTER;
                return Err(Violation::Lost { head, within });
            }
            self.executor.idle();
        }
    }

    /// What came back is told with an interrupt. With event indices the driver decides.
    fn wait_for_interrupt(&mut self, queue: QueueIndex) -> Result<(), Violation> {
        if self.features & EVENT_IDX != 0 {
            return Ok(());
        }
        let start = Instant::now();
        while !self.executor.take_interrupt(queue) {
            if start.elapsed() > LOST_AFTER {
                return Err(Violation::NoInterrupt(queue));
            }
            self.executor.idle();
        }
        Ok(())
    }

    fn beside(
        &mut self,
        writes: &[(u64, Vec<u8>)],
        times: u32,
        steps: &[Step],
    ) -> Result<(), Violation> {
        let memory = self.executor.memory();
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| scribble(&memory, writes, &stop));
            let result = (0..times)
                .flat_map(|_| steps)
                .try_for_each(|step| self.carry_out(step));
            stop.store(true, Ordering::Relaxed);
            writer.join().expect("a scribbler only writes");
            result
        })
    }
}

/// Sets the flag FENCE and a fence in a request that has a header without it.
fn give_fence(request: &mut [u8]) {
    if let Some(header) = request.get_mut(..24)
        && header[4] & 1 == 0
    {
        header[4] |= 1;
        header[8..16].copy_from_slice(&FENCE.to_le_bytes());
    }
}

/// Whether a request that ended so must have changed nothing. A cursor command without room for
/// an answer is carried out.
fn is_refusal(exchange: &Exchange, outcome: Outcome) -> bool {
    let kind = exchange.request.as_chunks::<4>().0.first();
    let cursor = kind.is_some_and(|kind| u32::from_le_bytes(*kind) & 0xff00 == 0x0300);
    match outcome {
        Outcome::Response(kind) => kind >= 0x1200,
        Outcome::Silent => !cursor,
        Outcome::Returned | Outcome::QueueFails => false,
    }
}

/// Bytes of a chain that the device may write. A table's are not looked up.
fn room(exchange: &Exchange) -> u64 {
    if exchange.is_indirect() {
        return u64::MAX;
    }
    let writable = exchange.pieces.iter().filter(|piece| piece.flags & 2 != 0);
    writable.map(|piece| u64::from(piece.length)).sum()
}

/// The bytes of the request that its descriptors give the device, none if some of them are
/// outside memory.
fn delivered(memory: &GuestMemoryMmap, exchange: &Exchange) -> Vec<u8> {
    if exchange.is_indirect() {
        return exchange.request.clone();
    }
    let mut bytes = Vec::new();
    for piece in exchange.pieces.iter().filter(|piece| piece.flags & 2 == 0) {
        let length = (piece.length as usize).min(64);
        let mut part = vec![0; length];
        let whole = GuestAddress(piece.address);
        let there = vm_memory::GuestMemoryBackend::check_range(memory, whole, length);
        if !there || memory.read_slice(&mut part, whole).is_err() {
            return Vec::new();
        }
        bytes.extend(part);
    }
    bytes
}

fn summary(exchange: &Exchange) -> String {
    let queue = exchange.queue;
    let length = exchange.request.len();
    match exchange.request.as_chunks::<4>().0.first() {
        Some(kind) => format!(
            "request {:#x} of {length} bytes on the {queue:?} queue",
            u32::from_le_bytes(*kind)
        ),
        None => format!("request of {length} bytes on the {queue:?} queue"),
    }
}

fn scribble(memory: &Arc<GuestMemoryMmap>, writes: &[(u64, Vec<u8>)], stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        for (at, bytes) in writes {
            write(memory, *at, bytes);
        }
    }
}
