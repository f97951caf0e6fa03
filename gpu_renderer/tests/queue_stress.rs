//! A hundred thousand jobs of all kinds: each ends once, as it should, in its
//! order.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

mod fixtures;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use fixtures::rig::{PATIENCE, Rig, refused, submit_to};
use fixtures::{CONTEXT, RESOURCE, backing, texture, transfer};
use gpu_renderer::testing::Order;
use gpu_renderer::{
    Completion, ContextArgs, ContextId, Direction, JobId, RenderError, ResourceId, Timeline, When,
    Work,
};

const JOBS: u32 = 100_000;

/// Marsaglia's xorshift.
struct Dice(u32);

impl Dice {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 % bound
    }
}

/// What a renderer that works in order has, and so what must come of a job.
#[derive(Default)]
struct Model {
    contexts: BTreeSet<ContextId>,
    resources: BTreeSet<ResourceId>,
}

impl Model {
    fn expect(&mut self, work: &Work, when: When) -> Result<(), RenderError> {
        let own_end = match *work {
            Work::CreateContext { context, .. } => {
                let is_new = self.contexts.insert(context);
                is_new
                    .then_some(())
                    .ok_or(RenderError::ContextIdTaken(context))?;
                None
            }
            Work::DestroyContext { context } => {
                let was_there = self.contexts.remove(&context);
                was_there
                    .then_some(())
                    .ok_or(RenderError::UnknownContext(context))?;
                Some(context)
            }
            Work::CreateResource { resource, .. } => {
                let is_new = self.resources.insert(resource);
                is_new
                    .then_some(())
                    .ok_or(RenderError::ResourceIdTaken(resource))?;
                None
            }
            Work::DestroyResource { resource } => {
                let was_there = self.resources.remove(&resource);
                was_there
                    .then_some(())
                    .ok_or(RenderError::UnknownResource(resource))?;
                None
            }
            Work::Submit {
                context,
                ref commands,
            } => {
                self.knows(context)?;
                if !commands.is_empty() {
                    return Err(refused());
                }
                None
            }
            _ => None,
        };
        match when {
            When::Passed(Timeline::Context { context, .. }) if own_end != Some(context) => {
                self.knows(context)
            }
            _ => Ok(()),
        }
    }

    fn knows(&self, context: ContextId) -> Result<(), RenderError> {
        let is_known = self.contexts.contains(&context);
        is_known
            .then_some(())
            .ok_or(RenderError::UnknownContext(context))
    }
}

fn any_work(dice: &mut Dice) -> Work {
    let context = ContextId(1 + dice.below(3));
    let resource = ResourceId(1 + dice.below(8));
    match dice.below(20) {
        0 => Work::CreateContext {
            context,
            args: ContextArgs::default(),
        },
        1 => Work::DestroyContext { context },
        2..5 => Work::CreateResource {
            resource,
            args: texture(1, 1),
        },
        5..7 => Work::DestroyResource { resource },
        7 => submit_to(context, &[Order::Fail]),
        8..12 => Work::Transfer(transfer(Direction::ToHost)),
        12..14 => submit_to(CONTEXT, &[]),
        _ => submit_to(context, &[]),
    }
}

fn any_time(dice: &mut Dice) -> When {
    let context = ContextId(1 + dice.below(3));
    let ring = dice.below(2) as u8;
    match dice.below(4) {
        0 | 1 => When::Taken,
        2 => When::Passed(Timeline::Global),
        _ => When::Passed(Timeline::Context { context, ring }),
    }
}

/// What is known of the jobs that were pushed.
#[derive(Default)]
struct Ledger {
    model: Model,
    expected: HashMap<JobId, (When, Result<(), RenderError>)>,
    /// The last that ended of those that are complete when they are taken, and
    /// of each timeline.
    last: HashMap<When, JobId>,
    ended: u32,
}

impl Ledger {
    fn push(&mut self, rig: &mut Rig, work: Work, when: When) {
        let expected = self.model.expect(&work, when);
        let job = rig.queue.push(work, when);
        let known = self.expected.insert(job, (when, expected));
        assert!(known.is_none(), "{job:?} is used twice");
    }

    fn check(&mut self, end: Completion) {
        let known = self.expected.remove(&end.job);
        let (when, expected) = known.expect("a job ends once");
        assert_eq!(end.result, expected, "{:?}", end.job);
        // One that fails does not wait for its timeline.
        let line = if end.result.is_ok() {
            when
        } else {
            When::Taken
        };
        let before = self.last.insert(line, end.job);
        assert!(
            before < Some(end.job),
            "{:?} after {before:?} on {line:?}",
            end.job
        );
        self.ended += 1;
    }
}

fn shake(mut rig: Rig, seed: u32) {
    rig.prepare();
    let (resource, backing) = (RESOURCE, backing().1);
    rig.does(Work::AttachBacking { resource, backing });
    let mut dice = Dice(seed);
    let mut ledger = Ledger::default();
    // This one stays.
    ledger.model.contexts.insert(CONTEXT);
    let mut pushed = 0;
    while ledger.ended < JOBS {
        for _ in 0..dice.below(40) {
            if pushed < JOBS && rig.queue.has_room() {
                let (work, when) = (any_work(&mut dice), any_time(&mut dice));
                ledger.push(&mut rig, work, when);
                pushed += 1;
            }
        }
        if rig.queue.outstanding() > 0 && rig.queue.poll_fd().is_some() {
            // The descriptor alone has to do, or a wake-up was lost.
            assert!(rig.wait(PATIENCE), "woken by nobody");
        }
        while let Some(end) = rig.queue.next_completion() {
            ledger.check(end);
        }
        assert_eq!(rig.queue.outstanding(), ledger.expected.len());
        if rig.queue.outstanding() == 0 {
            assert!(!rig.wait(Duration::from_micros(0)), "woken for nothing");
        }
        rig.journal.take_calls();
    }
    assert!(rig.queue.next_completion().is_none());
    assert!(ledger.expected.is_empty());
}

/// Holds fences back and lets them go while something else happens.
fn with_fences_that_come_and_go(rig: Rig, seed: u32) {
    let journal = rig.journal.clone();
    let is_over = Arc::new(());
    let until = Arc::downgrade(&is_over);
    std::thread::spawn(move || {
        while until.strong_count() > 0 {
            journal.hold_fences();
            std::thread::sleep(Duration::from_micros(300));
            journal.release_fences();
            std::thread::sleep(Duration::from_micros(300));
        }
    });
    shake(rig, seed);
}

#[test]
fn inline_each_of_many_jobs_ends_once_and_in_its_order() {
    with_fences_that_come_and_go(Rig::inline(), 0x2545_f491);
}

#[test]
fn in_a_thread_each_of_many_jobs_ends_once_and_in_its_order() {
    with_fences_that_come_and_go(Rig::thread(), 0x9e37_79b9);
}

/// The second may end just while the main thread answers for the first.
#[test]
fn of_two_jobs_that_end_close_together_neither_goes_unnoticed() {
    let mut rig = Rig::thread();
    let mut dice = Dice(0x6c07_8965);
    for _ in 0..20_000 {
        rig.push(submit_to(ContextId(1), &[]));
        for _ in 0..dice.below(3000) {
            std::hint::spin_loop();
        }
        rig.push(submit_to(ContextId(1), &[]));
        while rig.queue.outstanding() > 0 {
            assert!(rig.wait(PATIENCE), "woken by nobody");
            while rig.queue.next_completion().is_some() {}
        }
        rig.journal.take_calls();
    }
}
