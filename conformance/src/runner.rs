//! The runner: every case goes through here, and after each of its steps the oracle is asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use virtio_gpu::QueueIndex;
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

use crate::case::{
    Aftermath, Case, DISPLAY_INFO, Expect, OK, Outcome, RingWrite, SILENT, SetupFault, Step,
};
use crate::exchange::Exchange;
use crate::executor::{Executor, ShownCursor};
use crate::map::LEGAL_IMAGE;
use crate::message::{attach, create, display_info, flush, set_scanout, transfer, unref, whole};
use crate::oracle::{Watched, check_log, judge_answer, read, write, written};
use crate::picture::{Picture, gradient};
use crate::violation::Violation;

/// How long a request may take in all before it counts as lost.
const LOST_AFTER: Duration = Duration::from_secs(3);

/// How long a probe may take.
const PROBE_LIMIT: Duration = Duration::from_millis(100);

/// The fence that fenced requests are given; each byte differs, and no half is zero.
const FENCE: u64 = 0x8123_4567_89ab_cdef;

/// `VIRTIO_F_EVENT_IDX`.
const EVENT_IDX: u64 = 1 << 29;

/// Id of the resource that the closing legal sequence makes.
const LEGAL: u32 = 0x7fff_fff1;

/// Whether requests that have no fence of their own are given one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fencing {
    /// No.
    Off,
    /// Yes.
    On,
}

/// A case that failed.
#[derive(Debug)]
pub struct Failure {
    /// Its row.
    pub id: &'static str,
    /// What it tries.
    pub why: String,
    /// How it was run.
    pub fencing: Fencing,
    /// Which step failed, from 0; `None` if the oracle failed after all of them.
    pub step: Option<usize>,
    /// What the device did.
    pub violation: Violation,
}

/// What came of a table.
#[derive(Debug, Default)]
pub struct Report {
    /// How many cases were run, each fencing counted.
    pub cases: usize,
    /// How many inputs they gave the device: requests, writes into rings, setups.
    pub inputs: u64,
    /// Those that failed.
    pub failures: Vec<Failure>,
}

impl Report {
    /// Adds another table's.
    pub fn merge(&mut self, other: Self) {
        self.cases += other.cases;
        self.inputs += other.inputs;
        self.failures.extend(other.failures);
    }

    /// Fails with all failures, one a line.
    pub fn assert_clean(&self) {
        let lines: Vec<_> = self.failures.iter().map(Failure::to_string).collect();
        let (failed, all) = (lines.len(), self.cases);
        assert!(
            lines.is_empty(),
            "{failed} of {all} cases failed:\n{}",
            lines.join("\n")
        );
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            id,
            why,
            fencing,
            step,
            violation,
        } = self;
        write!(f, "{id} ({why}), fences {fencing:?}, ")?;
        match step {
            Some(step) => write!(f, "step {step}: {violation}"),
            None => write!(f, "afterwards: {violation}"),
        }
    }
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

    fn ring(
        &mut self,
        queue: QueueIndex,
        writes: &[RingWrite],
        expect: Expect,
    ) -> Result<(), Violation> {
        let mut heads = Vec::new();
        for write in writes {
            let ring = self.executor.driver().ring(queue);
            match *write {
                RingWrite::Descriptor { index, piece, next } => {
                    ring.write_descriptor(index, piece, next);
                }
                RingWrite::Available(head) => {
                    ring.make_available(head);
                    heads.push(head);
                }
                RingWrite::JumpAvailable(by) => ring.jump_available(by),
            }
        }
        self.executor.kick(queue);
        if expect.is_empty() {
            return self.let_it_be();
        }
        let start = Instant::now();
        let mut told = false;
        let mut outcome = (writes.is_empty() && expect == SILENT).then_some(Outcome::Silent);
        while outcome.is_none() {
            if let Some(used) = self.executor.driver().ring(queue).take_used() {
                if !told {
                    // One interrupt may tell of all of them.
                    self.wait_for_interrupt(queue)?;
                    told = true;
                }
                let place = heads.iter().position(|head| *head == used.head);
                let place = place.ok_or(Violation::NotInFlight { head: used.head })?;
                heads.swap_remove(place);
                if used.length != 0 {
                    let (used, needed, room) = (used.length, 0, 0);
                    return Err(Violation::UsedLength { used, needed, room });
                }
                if heads.is_empty() {
                    outcome = Some(Outcome::Silent);
                }
            } else if self.executor.failed(queue) {
                outcome = Some(Outcome::QueueFails);
            } else if start.elapsed() > LOST_AFTER {
                let (head, within) = (heads.first().copied().unwrap_or(u16::MAX), LOST_AFTER);
                return Err(Violation::Lost { head, within });
            } else {
                self.executor.check_alive()?;
                self.executor.idle();
            }
        }
        match outcome {
            Some(got) if !expect.contains(&got) => Err(Violation::Outcome {
                what: format!("{writes:?}"),
                got,
                expected: expect,
            }),
            _ => Ok(()),
        }
    }

    fn refused_setup(&mut self, queue: QueueIndex, fault: SetupFault) -> Result<(), Violation> {
        let mut setup = self.executor.driver().ring(queue).setup();
        match fault {
            SetupFault::Size(size) => setup.size = size,
            SetupFault::DescriptorTable(at) => setup.descriptor_table = GuestAddress(at),
            SetupFault::AvailRing(at) => setup.avail_ring = GuestAddress(at),
            SetupFault::UsedRing(at) => setup.used_ring = GuestAddress(at),
        }
        if self.executor.set_up(queue, &setup) {
            return Err(Violation::SetupAccepted);
        }
        Ok(())
    }

    /// The parts of the ring keep their distances.
    fn moved_setup(&mut self, queue: QueueIndex, base: u64) -> Result<(), Violation> {
        let mut setup = self.executor.driver().ring(queue).setup();
        let by = base.wrapping_sub(setup.descriptor_table.0);
        for part in [
            &mut setup.descriptor_table,
            &mut setup.avail_ring,
            &mut setup.used_ring,
        ] {
            part.0 = part.0.wrapping_add(by);
        }
        if self.executor.set_up(queue, &setup) {
            Ok(())
        } else {
            Err(Violation::SetupRefused)
        }
    }

    fn shows(&mut self, scanout: u32, expected: Option<&Picture>) -> Result<(), Violation> {
        let start = Instant::now();
        loop {
            let got = self.executor.shown(scanout);
            if got.as_ref() == expected {
                return Ok(());
            }
            // A picture may take a moment to get to where it is seen.
            if start.elapsed() > PROBE_LIMIT * 5 {
                let at = match (&got, expected) {
                    (Some(got), Some(expected)) => got.first_difference(expected),
                    _ => None,
                };
                return Err(Violation::Shows {
                    scanout,
                    got,
                    expected: expected.cloned(),
                    at,
                });
            }
            self.executor.idle();
        }
    }

    fn cursor(&mut self, scanout: u32, expected: Option<(u32, u32)>) -> Result<(), Violation> {
        let start = Instant::now();
        loop {
            let got = self.executor.cursor(scanout);
            match (got, expected) {
                (ShownCursor::Hidden, None) | (ShownCursor::OfSomeSize, Some(_)) => return Ok(()),
                (ShownCursor::OfSize(width, height), Some(size)) if size == (width, height) => {
                    return Ok(());
                }
                _ => {}
            }
            if start.elapsed() > PROBE_LIMIT * 5 {
                return Err(Violation::Cursor {
                    scanout,
                    got,
                    expected,
                });
            }
            self.executor.idle();
        }
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

    /// A harmless question, answered in time. A machine that is busy otherwise may take the
    /// harness's processor away, so the best of three counts.
    fn probe(&mut self) -> Result<(), Violation> {
        let mut best = Duration::MAX;
        for _ in 0..3 {
            let start = Instant::now();
            self.exchange(&Exchange {
                expect: DISPLAY_INFO,
                ..Exchange::from(display_info())
            })?;
            best = best.min(start.elapsed());
            if best <= PROBE_LIMIT {
                return Ok(());
            }
        }
        Err(Violation::Slow(best))
    }

    /// Draws a picture as any guest does, and looks at it.
    fn legal_sequence(&mut self) -> Result<(), Violation> {
        const WIDTH: u32 = 33;
        const HEIGHT: u32 = 17;
        let picture = Picture::new(WIDTH, HEIGHT, gradient);
        let bytes = picture.bytes();
        write(&self.executor.memory(), LEGAL_IMAGE, &bytes);
        let rect = whole(WIDTH, HEIGHT);
        for message in [
            create(LEGAL, WIDTH, HEIGHT),
            attach(LEGAL, &[(LEGAL_IMAGE, bytes.len() as u32)]),
            transfer(LEGAL, rect, 0),
            set_scanout(0, LEGAL, rect),
            flush(LEGAL, rect),
        ] {
            self.exchange(&Exchange {
                expect: OK,
                ..Exchange::from(message)
            })?;
        }
        self.shows(0, Some(&picture))?;
        self.exchange(&Exchange {
            expect: OK,
            ..Exchange::from(unref(LEGAL))
        })?;
        self.shows(0, None)
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
