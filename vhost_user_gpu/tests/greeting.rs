//! EDIDs that are asked for before the front end has said what it has.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used
)]

mod support;

use std::time::{Duration, Instant};

use gpu_display::{Display, Event, Freshness, Query};
use virtio_gpu::QueueIndex;
use virtio_gpu::protocol::{Command, Success};

use conformance::daemon::Daemon;
use conformance::front_end::FrontEnd;
use conformance::gpu_socket::*;
use support::PROGRAM;
use support::drawing::SCREEN;
use support::remote::*;

const EDID: Query = Query::Edid { output: 0 };

#[test]
fn an_edid_that_is_wanted_before_the_features_are_known_is_asked_once_they_and_the_outputs_are() {
    let (mut display, mut gpu) = attached();

    assert_eq!(display.refresh(EDID), Freshness::Pending);
    assert_eq!(display.refresh(EDID), Freshness::Pending);
    answer_features(&mut display, &mut gpu);
    assert!(gpu.is_quiet(), "not before the outputs are known");
    gpu.reply_outputs();
    dispatch(&mut display);
    assert_eq!(events(&mut display), [Event::OutputsChanged]);
    let question = gpu.read();
    gpu.reply_edid(0);
    dispatch(&mut display);

    assert_eq!((question.request, question.words(1)), (GET_EDID, vec![0]));
    assert_eq!(events(&mut display), [Event::Answered(EDID)]);
    assert_eq!(display.edid(0), Some(&[0x40; 256][..]));
    assert_eq!(display.deadline(), None);
    assert!(gpu.is_quiet(), "it is asked once");
}

#[test]
fn a_held_edid_that_the_front_end_cannot_have_is_answered_as_soon_as_the_outputs_are_known() {
    let (mut display, mut gpu) = attached();
    let unplugged = Query::Edid { output: 5 };
    gpu.features = 0;

    assert_eq!(display.refresh(EDID), Freshness::Pending);
    assert_eq!(display.refresh(unplugged), Freshness::Pending);
    answer_features(&mut display, &mut gpu);
    gpu.reply_outputs();
    dispatch(&mut display);

    assert_eq!(
        events(&mut display),
        [
            Event::OutputsChanged,
            Event::Answered(EDID),
            Event::Answered(unplugged)
        ]
    );
    assert_eq!(display.outputs()[0].mode.width, 640);
    assert_eq!(display.edid(0), None, "the device makes it up");
    assert!(gpu.is_quiet());
}

#[test]
fn every_new_socket_is_greeted_before_an_edid_is_asked_for() {
    let (mut display, _gpu) = greeted();
    let mut gpu = attach(&mut display);
    let _ = events(&mut display);

    assert_eq!(display.refresh(EDID), Freshness::Pending);
    answer_greeting(&mut display, &mut gpu);

    assert_eq!(gpu.read().request, GET_EDID);
    gpu.reply_edid(0);
    dispatch(&mut display);
    assert_eq!(events(&mut display), [Event::Answered(EDID)]);
}

#[test]
fn a_held_edid_is_given_up_once_and_a_silent_front_end_delays_no_other() {
    let (mut display, mut gpu) = attached();
    let asked = Instant::now();
    assert_eq!(display.refresh(EDID), Freshness::Pending);

    display.dispatch(asked + Duration::from_secs(3)).unwrap();
    assert_eq!(events(&mut display), []);
    display.dispatch(asked + Duration::from_secs(5)).unwrap();
    assert_eq!(events(&mut display), [Event::Answered(EDID)]);
    assert_eq!(display.refresh(EDID), Freshness::Current);
    answer_features(&mut display, &mut gpu);
    gpu.reply_outputs();
    dispatch(&mut display);

    assert_eq!(events(&mut display), [Event::OutputsChanged]);
    assert!(gpu.is_quiet(), "nobody waits for the EDID any more");
}

#[test]
fn a_held_edid_is_answered_once_when_its_socket_goes() {
    let (mut display, gpu) = attached();
    assert_eq!(display.refresh(EDID), Freshness::Pending);

    drop(gpu);
    dispatch(&mut display);
    let lost = events(&mut display);
    let mut next = attach(&mut display);
    answer_features(&mut display, &mut next);
    next.reply_outputs();
    dispatch(&mut display);

    assert_eq!(lost, [Event::Answered(EDID)]);
    assert_eq!(events(&mut display), [Event::OutputsChanged]);
}

#[test]
fn a_guest_that_asks_early_gets_the_front_ends_edid() {
    let daemon = Daemon::start(PROGRAM);
    let mut front_end = FrontEnd::connect(&daemon);
    front_end.realize();
    let mut gpu = front_end.start();

    // As Linux does at its probe, while QEMU's main loop has not looked at the display socket yet.
    let driver = &mut front_end.guest.driver;
    driver.send(&Command::GetEdid { scanout: SCREEN }, None);
    driver.send(&Command::GetDisplayInfo, None);
    front_end.guest.kick(QueueIndex::Control);
    std::thread::sleep(Duration::from_millis(50));
    gpu.settle();

    let mut answers = Vec::new();
    conformance::wait::wait_until("both answers", || {
        answers.extend(front_end.guest.driver.take_answers(QueueIndex::Control));
        answers.len() == 2
    });
    let edid = answers
        .iter()
        .find_map(|answer| match answer.outcome() {
            Ok(Success::Edid(edid)) => Some(edid),
            _ => None,
        })
        .unwrap();
    assert_eq!(edid, [0x40; 256]);
}
