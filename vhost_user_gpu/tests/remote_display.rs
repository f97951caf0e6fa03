//! Questions to the front end's display socket, and answers.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used
)]

mod support;

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use gpu_display::{Display, Event, Freshness, Presented, Query};
use vhost_user_gpu::remote_display::{FrontEndSocket, RemoteDisplay};

use conformance::gpu_socket::*;
use support::remote::*;

#[test]
fn it_greets_a_new_socket_and_learns_the_outputs() {
    let (mut display, mut gpu) = attached();
    gpu.outputs = vec![
        Shown {
            width: 800,
            height: 600,
        },
        Shown {
            width: 320,
            height: 200,
        },
    ];
    assert_eq!(display.outputs().len(), 16);
    assert_eq!(display.outputs()[0].mode.width, 1024);

    assert_eq!(gpu.read().request, GET_PROTOCOL_FEATURES);
    gpu.reply(GET_PROTOCOL_FEATURES, &3_u64.to_ne_bytes());
    assert!(is_ready(&display));
    dispatch(&mut display);
    let set = gpu.read();
    assert_eq!(set.request, SET_PROTOCOL_FEATURES);
    assert_eq!(set.payload, 1_u64.to_ne_bytes(), "EDID alone is used");
    assert_eq!(gpu.read().request, GET_DISPLAY_INFO);
    gpu.reply_outputs();
    dispatch(&mut display);

    assert_eq!(events(&mut display), [Event::OutputsChanged]);
    let sizes: Vec<_> = display
        .outputs()
        .iter()
        .filter(|output| output.enabled)
        .map(|output| (output.mode.width, output.mode.height))
        .collect();
    assert_eq!(sizes, [(800, 600), (320, 200)]);
    assert!(!is_ready(&display));
    assert_eq!(display.deadline(), None);
}

#[test]
fn impossible_outputs_are_clamped_or_count_as_unplugged() {
    let (mut display, mut gpu) = greeted();
    gpu.outputs = vec![
        Shown {
            width: u32::MAX,
            height: 1,
        },
        Shown {
            width: 0,
            height: 600,
        },
    ];

    assert_eq!(display.refresh(Query::Outputs), Freshness::Pending);
    assert_eq!(gpu.read().request, GET_DISPLAY_INFO);
    gpu.reply_outputs();
    dispatch(&mut display);

    assert_eq!(
        events(&mut display),
        [Event::OutputsChanged, Event::Answered(Query::Outputs)]
    );
    let outputs = display.outputs();
    assert!(outputs[0].enabled);
    assert_eq!((outputs[0].mode.width, outputs[0].mode.height), (16_384, 1));
    assert!(!outputs[1].enabled);
}

#[test]
fn an_edid_is_asked_only_for_a_plugged_output_of_a_front_end_that_has_them() {
    let (mut display, mut gpu) = greeted();

    assert_eq!(
        display.refresh(Query::Edid { output: 5 }),
        Freshness::Current
    );
    assert_eq!(
        display.refresh(Query::Edid { output: 99 }),
        Freshness::Current
    );
    assert_eq!(
        display.refresh(Query::Edid { output: 0 }),
        Freshness::Pending
    );
    assert_eq!(gpu.read().request, GET_EDID);
    gpu.reply_edid(0);
    dispatch(&mut display);

    assert_eq!(
        events(&mut display),
        [Event::Answered(Query::Edid { output: 0 })]
    );
    assert_eq!(display.edid(0), Some(&[0x40; 256][..]));
    assert_eq!(display.edid(5), None);

    let (mut old, mut gpu) = attached();
    gpu.features = 0;
    answer_greeting(&mut old, &mut gpu);
    assert_eq!(old.refresh(Query::Edid { output: 0 }), Freshness::Current);
    assert!(gpu.is_quiet());
}

#[test]
fn an_edid_of_a_senseless_size_is_none() {
    for size in [0_u32, 127, 129, 1152, u32::MAX] {
        let (mut display, mut gpu) = greeted();
        display.refresh(Query::Edid { output: 0 });
        assert_eq!(gpu.read().request, GET_EDID);
        let mut payload = 0x1104_u32.to_ne_bytes().to_vec();
        payload.resize(24, 0);
        payload.extend(size.to_ne_bytes());
        payload.resize(1056, 1);

        gpu.reply(GET_EDID, &payload);
        dispatch(&mut display);

        assert_eq!(display.edid(0), None, "{size}");
        assert_eq!(events(&mut display).len(), 1, "it is answered all the same");
    }
}

#[test]
fn a_silent_front_end_is_waited_for_once_and_believed_again_when_it_answers() {
    let (mut display, mut gpu) = greeted();
    let asked = Instant::now();
    assert_eq!(display.refresh(Query::Outputs), Freshness::Pending);
    assert_eq!(display.refresh(Query::Outputs), Freshness::Pending);
    assert_eq!(gpu.read().request, GET_DISPLAY_INFO);
    assert!(gpu.is_quiet(), "one question at a time");
    let deadline = display.deadline().unwrap() - asked;
    assert!((900..=1100).contains(&deadline.as_millis()), "{deadline:?}");

    display
        .dispatch(asked + Duration::from_millis(500))
        .unwrap();
    assert_eq!(events(&mut display), []);
    display
        .dispatch(asked + Duration::from_millis(1100))
        .unwrap();
    assert_eq!(events(&mut display), [Event::Answered(Query::Outputs)]);
    assert_eq!(display.refresh(Query::Outputs), Freshness::Current);
    assert_eq!(
        display.refresh(Query::Edid { output: 0 }),
        Freshness::Current
    );
    assert_eq!(display.deadline(), None);

    gpu.reply_outputs();
    dispatch(&mut display);
    assert_eq!(
        display.refresh(Query::Edid { output: 0 }),
        Freshness::Pending
    );
}

#[test]
fn a_question_that_is_passed_over_does_not_spoil_the_next_answer() {
    let (mut display, mut gpu) = greeted();
    let asked = Instant::now();
    let edid = Query::Edid { output: 0 };
    assert_eq!(display.refresh(edid), Freshness::Pending);
    assert_eq!(display.refresh(Query::Outputs), Freshness::Pending);

    gpu.reply_outputs();
    dispatch(&mut display);
    assert_eq!(events(&mut display), [Event::Answered(Query::Outputs)]);
    display
        .dispatch(asked + Duration::from_millis(1100))
        .unwrap();

    assert_eq!(events(&mut display), [Event::Answered(edid)]);
    assert_eq!(display.edid(0), None);
}

#[test]
fn answers_may_come_byte_by_byte() {
    let (mut relay, ours) = std::os::unix::net::UnixStream::pair().unwrap();
    let mut slow = RemoteDisplay::new().unwrap();
    slow.set_gpu_socket(OwnedFd::from(ours));
    let mut header = [0; 12];
    std::io::Read::read_exact(&mut relay, &mut header).unwrap();
    let mut bytes = Vec::new();
    for word in [GET_PROTOCOL_FEATURES, 4, 8] {
        bytes.extend(word.to_ne_bytes());
    }
    bytes.extend(3_u64.to_ne_bytes());

    for byte in bytes {
        std::io::Write::write_all(&mut relay, &[byte]).unwrap();
        dispatch(&mut slow);
    }

    std::io::Read::read_exact(&mut relay, &mut header).unwrap();
    assert_eq!(header[..4], SET_PROTOCOL_FEATURES.to_ne_bytes());
}

#[test]
fn a_front_end_that_breaks_the_rules_is_listened_to_no_longer_and_loses_nothing_else() {
    let words = |words: [u32; 3]| {
        words
            .iter()
            .flat_map(|word| word.to_ne_bytes())
            .collect::<Vec<u8>>()
    };
    let broken = [
        ("a giant answer", words([GET_DISPLAY_INFO, 4, 1 << 30])),
        ("no answer at all", words([GET_DISPLAY_INFO, 0, 0])),
        ("an answer to nothing", words([GET_EDID, 4, 0])),
    ];
    for (name, bytes) in broken {
        let (mut display, mut gpu) = greeted();
        let surface = display.create_surface(&scanout(0, 8, 8)).unwrap();
        assert_eq!(display.refresh(Query::Outputs), Freshness::Pending);

        std::io::Write::write_all(&mut gpu.stream, &bytes).unwrap();
        dispatch(&mut display);

        assert_eq!(
            events(&mut display),
            [Event::Answered(Query::Outputs)],
            "{name}"
        );
        assert!(!is_ready(&display), "{name}");
        assert_eq!(present(&mut display, surface, 8, 8, 1), Presented::Taken);
        assert!(!gpu.is_quiet(), "the question of before is there");
        let mut next = attach(&mut display);
        answer_greeting(&mut display, &mut next);
    }
}

#[test]
fn a_socket_that_is_used_no_longer_stays_open_until_the_next_one_or_the_end() {
    type End = fn(&mut RemoteDisplay);
    let ends: [(&str, End); 2] = [
        ("the next one", |display| drop(attach(display))),
        ("the end", RemoteDisplay::drop_gpu_socket),
    ];
    for (name, end) in ends {
        let (mut display, mut gpu) = greeted();
        gpu.reply(GET_EDID, &[]);
        dispatch(&mut display);
        assert!(gpu.is_quiet(), "{name}: it is open and nothing was sent");

        gpu.reply(GET_EDID, &[]);
        assert!(!is_ready(&display), "{name}: nobody reads it");
        end(&mut display);

        // Closed with something unread.
        let closed = std::io::Read::read(&mut gpu.stream, &mut [0]).unwrap_err();
        assert_eq!(closed.kind(), std::io::ErrorKind::ConnectionReset, "{name}");
    }
}

#[test]
fn a_closed_socket_is_let_go_without_spinning() {
    let (mut display, gpu) = greeted();
    drop(gpu);

    assert!(is_ready(&display));
    dispatch(&mut display);

    assert!(!is_ready(&display));
    assert_eq!(display.deadline(), None);
    assert_eq!(display.refresh(Query::Outputs), Freshness::Current);
}
