//! What a render queue promises about its thread.
#![allow(clippy::unwrap_used)]

mod fixtures;

use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use fixtures::rig::{GLOBAL, PATIENCE, Rig, on_ring, sleep, submit};
use fixtures::{RESOURCE, backing, buffer};
use gpu_renderer::testing::{Order, Recording};
use gpu_renderer::{ReadBack, RenderError, RenderQueue, Upload, Work};

/// Far more than a call that does not wait takes, even on a busy machine, and
/// far less than the jobs here.
const AT_ONCE: Duration = Duration::from_millis(300);

fn is_send<T: Send>(_: &T) {}

fn timed<T>(call: impl FnOnce() -> T) -> Duration {
    let begun = Instant::now();
    call();
    begun.elapsed()
}

#[test]
fn a_job_of_two_seconds_delays_no_call_of_the_main_thread() {
    let mut rig = Rig::thread();
    rig.prepare();
    rig.push(sleep(2000));
    let end = Instant::now() + Duration::from_millis(1500);

    let mut slowest = Duration::ZERO;
    while Instant::now() < end {
        let calls = [
            timed(|| rig.queue.push(submit(&[]), GLOBAL)),
            timed(|| rig.queue.next_completion()),
            timed(|| rig.queue.poll_fd().is_some()),
            timed(|| rig.queue.deadline()),
            timed(|| rig.queue.has_room()),
        ];
        slowest = slowest.max(calls.into_iter().max().unwrap());
        std::thread::sleep(Duration::from_millis(1));
    }

    assert!(slowest < AT_ONCE, "{slowest:?}");
    let behind = rig.queue.outstanding();
    assert!(behind > 2);
    for _ in 0..behind {
        assert_eq!(rig.next().result, Ok(()));
    }
}

#[test]
fn what_has_ended_is_seen_while_the_next_job_takes_long() {
    let mut rig = Rig::thread();
    rig.prepare();
    // Both are there when the thread comes to look.
    rig.journal.pause();
    rig.push(submit(&[]));
    let short = rig.push(submit(&[]));
    rig.push(sleep(3000));
    rig.journal.resume();

    let took = timed(|| {
        rig.next();
        assert_eq!(rig.next().job, short);
    });

    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_eq!(rig.queue.outstanding(), 1);
}

#[test]
fn a_thread_that_panics_ends_all_its_jobs_with_lost() {
    let mut rig = Rig::thread();
    rig.prepare();
    rig.journal.hold_fences();
    let target = buffer(2, 2);
    let read = ReadBack {
        resource: RESOURCE,
        x: 0,
        y: 0,
        rects: vec![],
        target,
    };

    let waits = rig.queue.push(submit(&[]), GLOBAL);
    let on_ring = rig.queue.push(submit(&[]), on_ring(0));
    let taken = rig.push(submit(&[]));
    let panics = rig.push(submit(&[Order::Panic]));
    let behind = rig.push(Work::ReadBack(read));
    let ends = [(); 5].map(|()| rig.next());

    let lost = Err(RenderError::Lost);
    let mut results = ends.iter().map(|end| (end.job, end.result.clone()));
    // It had ended before.
    assert_eq!(results.next(), Some((taken, Ok(()))));
    for job in [waits, on_ring, panics, behind] {
        assert_eq!(results.next(), Some((job, lost.clone())));
    }
    assert_eq!(rig.queue.outstanding(), 0);
}

#[test]
fn the_descriptor_alone_tells_of_a_lost_renderer() {
    for _ in 0..50 {
        let mut rig = Rig::thread();
        rig.prepare();

        rig.push(submit(&[Order::Panic]));
        let end = loop {
            assert!(rig.wait(PATIENCE));
            if let Some(end) = rig.queue.next_completion() {
                break end;
            }
        };

        assert_eq!(end.result, Err(RenderError::Lost));
    }
}

#[test]
fn a_buffer_that_was_lent_to_a_lost_renderer_does_not_come_back() {
    let mut rig = Rig::thread();
    rig.prepare();
    let resource = RESOURCE;
    let pixels = buffer(2, 2);

    rig.push(submit(&[Order::Panic]));
    rig.push(Work::Upload(Upload { resource, pixels }));
    rig.next();

    let end = rig.next();
    assert_eq!(end.result, Err(RenderError::Lost));
    assert!(end.returned.is_none());
}

#[test]
fn a_lost_renderer_holds_no_guest_memory() {
    for _ in 0..50 {
        let mut rig = Rig::thread();
        rig.prepare();
        let (resource, backing) = (RESOURCE, backing().1);
        rig.does(Work::AttachBacking { resource, backing });

        rig.push(submit(&[Order::Panic]));
        assert_eq!(rig.next().result, Err(RenderError::Lost));

        assert_eq!(rig.journal.backed(), []);
    }
}

#[test]
fn a_job_for_a_lost_renderer_ends_and_says_so_by_the_descriptor() {
    let mut rig = Rig::thread();
    rig.prepare();
    rig.push(submit(&[Order::Panic]));
    rig.next();
    assert!(rig.queue.next_completion().is_none());
    assert!(!rig.is_readable());

    for _ in 0..3 {
        let job = rig.push(submit(&[]));
        assert!(rig.wait(PATIENCE));
        let end = rig.queue.next_completion().unwrap();
        assert_eq!((end.job, end.result), (job, Err(RenderError::Lost)));
        assert!(rig.queue.next_completion().is_none());
        assert!(!rig.is_readable());
    }
}

#[test]
fn a_start_that_fails_says_why() {
    let error = RenderError::Unavailable {
        reason: "no display".to_owned(),
        hint: None,
    };
    let told = error.clone();

    let starting = RenderQueue::thread(|| Err::<Recording, _>(told)).unwrap();

    assert_eq!(starting.wait(PATIENCE).unwrap_err(), error);
}

#[test]
fn a_start_that_panics_is_a_lost_renderer() {
    let start = || -> Result<Recording, RenderError> { panic!("as asked") };

    let starting = RenderQueue::thread(start).unwrap();

    assert_eq!(starting.wait(PATIENCE).unwrap_err(), RenderError::Lost);
}

#[test]
fn a_start_that_takes_too_long_is_given_up() {
    let start = || {
        std::thread::sleep(Duration::from_secs(5));
        Ok(Recording::new().0)
    };

    let starting = RenderQueue::thread(start).unwrap();
    let begun = Instant::now();
    let error = starting.wait(Duration::from_millis(50)).unwrap_err();

    assert!(matches!(error, RenderError::Unavailable { .. }));
    // One second of them for its farewell.
    assert!(begun.elapsed() < Duration::from_secs(3));
}

#[test]
fn the_end_of_the_queue_waits_a_second_for_a_job_that_does_not_end() {
    let mut rig = Rig::thread();
    rig.prepare();
    rig.push(sleep(6000));
    while rig.journal.calls().is_empty() {
        std::thread::sleep(Duration::from_millis(1));
    }

    let took = timed(|| drop(rig));

    assert!(took >= Duration::from_millis(900), "{took:?}");
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[test]
fn the_end_of_the_queue_skips_what_has_not_begun() {
    let mut rig = Rig::thread();
    rig.prepare();
    for _ in 0..60 {
        rig.push(sleep(20));
    }
    let Rig { queue, journal } = rig;

    let took = timed(|| drop(queue));

    assert!(took < Duration::from_secs(1), "{took:?}");
    assert!(journal.calls().len() < 30);
    assert_eq!(journal.contexts(), []);
}

#[test]
fn the_end_of_the_queue_does_not_wait_for_fences() {
    let mut rig = Rig::thread();
    rig.prepare();
    rig.journal.hold_fences();
    rig.queue.push(submit(&[]), GLOBAL);

    let took = timed(|| drop(rig));

    assert!(took < AT_ONCE, "{took:?}");
}

#[test]
fn many_ends_ring_once() {
    let mut rig = Rig::thread();
    rig.prepare();
    rig.journal.pause();
    for _ in 0..40 {
        rig.push(submit(&[]));
    }
    rig.journal.resume();
    while rig.journal.calls().len() < 40 {
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(Duration::from_millis(20));

    let mut written = [0; 8];
    nix::unistd::read(rig.queue.poll_fd().unwrap(), &mut written).unwrap();

    assert_eq!(u64::from_ne_bytes(written), 1);
}

#[test]
fn a_queue_can_be_handed_to_another_thread() {
    let mut rig = Rig::thread();
    is_send(&rig.queue);

    let outstanding = std::thread::spawn(move || {
        rig.prepare();
        rig.queue.outstanding()
    });

    assert_eq!(outstanding.join().unwrap(), 0);
}

/// GL is bound to its thread.
#[test]
fn a_renderer_lives_and_dies_on_one_thread() {
    let (says, told) = channel();
    let (recording, journal) = Recording::new();
    let start = move || {
        says.send(std::thread::current().id()).unwrap();
        Ok(recording)
    };
    let queue = RenderQueue::thread(start).unwrap().wait(PATIENCE).unwrap();
    let made_by = told.recv().unwrap();
    let mut rig = Rig { queue, journal };
    rig.prepare();
    rig.queue.push(submit(&[]), GLOBAL);
    rig.next();
    let Rig { queue, journal } = rig;

    drop(queue);

    assert_ne!(made_by, std::thread::current().id());
    assert_eq!(journal.threads(), [made_by]);
}
