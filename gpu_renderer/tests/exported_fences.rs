//! Fences as files that others wait for: through the queue, with sockets in the
//! place of sync files.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod fixtures;

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use fixtures::CONTEXT;
use fixtures::rig::{GLOBAL, PATIENCE, Rig, on_ring};
use gpu_renderer::testing::{Method, Recording};
use gpu_renderer::{JobId, RenderError, RenderQueue, Timeline, When, Work};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Queues over a renderer that exports fences and lets none pass.
fn holding() -> [Rig; 2] {
    let (recording, journal) = Recording::sharing();
    let queue = RenderQueue::inline(Box::new(recording));
    let inline = Rig { queue, journal };
    let (recording, journal) = Recording::sharing();
    let starting = RenderQueue::thread(|| Ok(recording)).unwrap();
    let queue = starting.wait(PATIENCE).unwrap();
    let thread = Rig { queue, journal };
    [inline, thread].map(|mut rig| {
        rig.prepare();
        rig.journal.hold_fences();
        rig
    })
}

fn fenced(rig: &mut Rig, when: When) -> JobId {
    rig.queue.push(Work::Fence, when)
}

/// The file of the fence that a job waits for; others may end meanwhile.
fn export(rig: &mut Rig, job: Option<JobId>) -> OwnedFd {
    let asked = rig.push(Work::ExportFence { job });
    loop {
        let completion = rig.next();
        assert_eq!(completion.result, Ok(()));
        if completion.job == asked {
            return completion.fence.unwrap();
        }
    }
}

fn is_readable(file: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(file.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO).unwrap() == 1
}

#[test]
fn it_is_readable_when_the_fence_has_passed_and_not_before() {
    for mut rig in holding() {
        let job = fenced(&mut rig, GLOBAL);
        let file = export(&mut rig, Some(job));
        assert!(!is_readable(&file));

        rig.journal.release_fences();

        assert!(is_readable(&file));
    }
}

#[test]
fn each_timeline_has_fences_of_its_own() {
    for mut rig in holding() {
        let [global, ring] = [GLOBAL, on_ring(3)].map(|when| fenced(&mut rig, when));
        let [global, ring] = [global, ring].map(|job| export(&mut rig, Some(job)));

        rig.journal.pass_fences(Timeline::Context {
            context: CONTEXT,
            ring: 3,
        });

        assert!(is_readable(&ring));
        assert!(!is_readable(&global));
    }
}

#[test]
fn one_that_has_passed_is_readable_at_once() {
    for mut rig in holding() {
        let passed = fenced(&mut rig, GLOBAL);
        rig.journal.release_fences();
        rig.next_good::<1>();
        rig.journal.hold_fences();
        fenced(&mut rig, GLOBAL);

        for job in [Some(passed), None] {
            let file = export(&mut rig, job);
            assert!(is_readable(&file));
        }
    }
}

#[test]
fn a_refusal_ends_the_job_and_nothing_else() {
    for mut rig in holding() {
        let refused = RenderError::Impossible("tested");
        rig.journal.fail_next(Method::ExportFence, refused.clone());
        let job = fenced(&mut rig, GLOBAL);

        let asked = rig.push(Work::ExportFence { job: Some(job) });

        let completion = rig.next();
        assert_eq!(completion.job, asked);
        assert_eq!(completion.result, Err(refused));
        assert!(completion.fence.is_none());
        assert!(
            rig.next_within(Duration::ZERO).is_none(),
            "the fence is held"
        );
    }
}

#[test]
fn a_renderer_that_cannot_says_so() {
    for mut rig in [Rig::inline(), Rig::thread()] {
        assert!(!rig.queue.exports_fences());

        rig.push(Work::ExportFence { job: None });

        let result = rig.next().result;
        assert!(matches!(result, Err(RenderError::Impossible(_))));
    }
    assert!(holding().iter().all(|rig| rig.queue.exports_fences()));
}
