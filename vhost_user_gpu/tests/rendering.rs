//! 3D over real sockets and rings, on the machine's own OpenGL.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used
)]

mod support;

use std::time::Duration;

use gpu_buffer::Rect;
use virtio_gpu::protocol::{Command, ErrorCode, ScanoutId, Success};

use conformance::daemon::{Daemon, command};
use conformance::front_end::{CONTEXT_INIT, FEATURES, FrontEnd, GET_CONFIG, GET_FEATURES, words};
use conformance::gpu_socket::{SCANOUT, UPDATE};
use support::PROGRAM;
use support::rendering;
use support::scene::*;

const SIDE: u32 = 64;

/// Blue, green, red, alpha.
const GREEN: [u8; 4] = [0, 255, 0, 255];
const RED: [u8; 4] = [0, 0, 255, 255];

fn submit(front_end: &mut FrontEnd, stream: &[u8]) {
    succeed(front_end, &[Command::Submit3d { commands: stream }]);
}

#[test]
fn the_guest_is_offered_3d_and_told_of_each_capability_set() {
    let Some(daemon) = rendering(&[]) else { return };
    let (mut front_end, _gpu) = FrontEnd::running_in_3d(&daemon);

    let mut config = words(&[0, 16, 0]);
    config.resize(28, 0);
    let config = front_end.ask(GET_CONFIG, &config);
    // num_scanouts and num_capsets, behind events_read and events_clear.
    assert_eq!(config[20..], words(&[1, 2]));
    for (index, id) in [(0, 1), (1, 2)] {
        let (told, version, size) = capset_info(&mut front_end, index).unwrap();
        assert_eq!(told, id);
        let capset = Command::GetCapset { id, version };
        match execute(&mut front_end, &capset).outcome() {
            Ok(Success::Capset(data)) => {
                assert_eq!(data.len(), size as usize);
                assert!(data.iter().any(|byte| *byte != 0));
            }
            other => unreachable!("{other:?}"),
        }
    }
    assert_eq!(capset_info(&mut front_end, 2), None);
}

#[test]
fn only_the_capability_sets_of_the_command_line_are_offered_in_its_order() {
    for (option, ids) in [("virgl2", &[2][..]), ("virgl2,virgl", &[2, 1])] {
        let Some(daemon) = rendering(&["--capsets", option]) else {
            return;
        };
        let (mut front_end, _gpu) = FrontEnd::running_in_3d(&daemon);
        let told: Vec<u32> = (0..)
            .map_while(|index| capset_info(&mut front_end, index))
            .map(|(id, ..)| id)
            .collect();
        assert_eq!(told, ids);
    }
}

#[test]
fn a_command_stream_is_carried_out_and_its_fence_comes_back() {
    let Some(daemon) = rendering(&[]) else { return };
    let (mut front_end, _gpu) = FrontEnd::running_in_3d(&daemon);
    prepare(&mut front_end, SIDE);

    let stream = clear([0.0, 1.0, 0.0, 1.0]);
    let commands = &stream[..];
    send(&mut front_end, &Command::Submit3d { commands }, Some(41));
    send(&mut front_end, &fetch(SIDE), Some(42));
    let answers = answers(&mut front_end);

    let fences: Vec<u64> = answers
        .iter()
        .map(|answer| {
            let (header, outcome) = answer.decode();
            assert!(outcome.is_ok());
            header.fence_id
        })
        .collect();
    assert_eq!(fences, [41, 42]);
    let pixels = memory_behind(&front_end, SIDE);
    assert!(pixels.iter().all(|pixel| *pixel == GREEN));
}

#[test]
fn what_is_drawn_is_seen() {
    let Some(daemon) = rendering(&[]) else { return };
    let (mut front_end, mut gpu) = FrontEnd::running_in_3d(&daemon);
    prepare(&mut front_end, SIDE);
    submit(&mut front_end, &clear([1.0, 0.0, 0.0, 1.0]));

    let whole = Rect::from_size(SIDE, SIDE);
    front_end.succeed(&[
        Command::SetScanout {
            rect: whole,
            scanout: ScanoutId(0),
            resource: Some(PICTURE),
        },
        Command::ResourceFlush {
            rect: whole,
            resource: PICTURE,
        },
    ]);

    let scanout = gpu.message();
    assert_eq!(
        (scanout.request, scanout.words(3)),
        (SCANOUT, vec![0, SIDE, SIDE])
    );
    let update = gpu.message();
    assert_eq!(
        (update.request, update.words(5)),
        (UPDATE, vec![0, 0, 0, SIDE, SIDE])
    );
    let seen = update.payload[20..].as_chunks::<4>().0;
    assert!(seen.iter().all(|pixel| pixel[..3] == RED[..3]));
}

#[test]
fn a_stream_that_makes_no_sense_fails_and_the_next_context_works() {
    let Some(daemon) = rendering(&[]) else { return };
    let (mut front_end, _gpu) = FrontEnd::running_in_3d(&daemon);
    prepare(&mut front_end, SIDE);

    let nonsense = [0xff_u8; 64];
    let commands = &nonsense[..];
    send(&mut front_end, &Command::Submit3d { commands }, Some(5));
    let refused = answers(&mut front_end).remove(0);

    let (header, outcome) = refused.decode();
    assert_eq!(header.fence_id, 5);
    assert!(outcome.is_err());
    succeed(
        &mut front_end,
        &[
            Command::CtxDestroy,
            Command::ResourceUnref { resource: PICTURE },
            Command::ResourceUnref { resource: CORNERS },
        ],
    );
    prepare(&mut front_end, SIDE);
    submit(&mut front_end, &clear([0.0, 1.0, 0.0, 1.0]));
    assert!(
        pixels(&mut front_end, SIDE)
            .iter()
            .all(|pixel| *pixel == GREEN)
    );
}

#[test]
fn a_pause_keeps_what_was_drawn_and_a_reset_leaves_nothing_of_it() {
    let Some(daemon) = rendering(&[]) else { return };
    let (mut front_end, gpu) = FrontEnd::running_in_3d(&daemon);
    prepare(&mut front_end, SIDE);
    submit(&mut front_end, &clear([0.0, 1.0, 0.0, 1.0]));

    front_end.stop(gpu);
    let gpu = front_end.resume();
    assert!(
        pixels(&mut front_end, SIDE)
            .iter()
            .all(|pixel| *pixel == GREEN)
    );

    // RESET_DEVICE while context, picture and buffer live.
    front_end.stop(gpu);
    let _gpu = front_end.restart();
    let gone = execute(&mut front_end, &fetch(SIDE)).outcome();
    assert!(gone.is_err(), "{gone:?}");
    prepare(&mut front_end, SIDE);
    let fresh = pixels(&mut front_end, SIDE);
    assert!(fresh.iter().all(|pixel| *pixel == [0; 4]));
    submit(&mut front_end, &clear([1.0, 0.0, 0.0, 1.0]));
    assert!(
        pixels(&mut front_end, SIDE)
            .iter()
            .all(|pixel| *pixel == RED)
    );
}

#[test]
fn the_next_front_end_draws_in_3d_too_and_nothing_of_the_last_is_held() {
    let Some(daemon) = rendering(&["--persistent"]) else {
        return;
    };
    let mut before = None;
    for round in 0..6 {
        let (mut front_end, _gpu) = FrontEnd::running_in_3d(&daemon);
        prepare(&mut front_end, SIDE);
        submit(&mut front_end, &clear([0.0, 1.0, 0.0, 1.0]));
        assert!(
            pixels(&mut front_end, SIDE)
                .iter()
                .all(|pixel| *pixel == GREEN)
        );
        let holdings = daemon.holdings();
        // The first rounds fill what GL keeps.
        if round >= 2 {
            assert_eq!(*before.get_or_insert(holdings), holdings, "round {round}");
        }
    }
}

#[test]
fn it_does_not_wake_up_while_nothing_is_drawn() {
    let Some(daemon) = rendering(&[]) else { return };
    let (mut front_end, _gpu) = FrontEnd::running_in_3d(&daemon);
    prepare(&mut front_end, SIDE);
    let stream = clear([0.0, 1.0, 0.0, 1.0]);
    let commands = &stream[..];
    send(&mut front_end, &Command::Submit3d { commands }, Some(1));
    answers(&mut front_end);
    std::thread::sleep(Duration::from_millis(300));

    let before = daemon.activity();
    std::thread::sleep(Duration::from_secs(2));

    assert_eq!(daemon.activity(), before);
}

#[test]
fn a_guest_without_3d_is_served_in_2d_by_the_same_daemon() {
    let Some(daemon) = rendering(&[]) else { return };
    let mut front_end = FrontEnd::connect(&daemon);
    front_end.offered |= conformance::front_end::VIRGL | CONTEXT_INIT;
    front_end.realize();
    let mut gpu = front_end.start();
    gpu.settle();

    support::drawing::show(&mut front_end, &mut gpu, 64, 64);
    let refused = execute(
        &mut front_end,
        &Command::CtxCreate {
            name: b"",
            context_init: 0,
        },
    );

    assert_eq!(refused.outcome(), Err(ErrorCode::Unspec));
}

#[test]
fn one_line_says_what_renders_and_why() {
    let line = |daemon: &Daemon| -> Vec<String> {
        let log = daemon.log();
        let lines = log.lines().filter(|line| line.contains(" renderer: "));
        lines.map(str::to_owned).collect()
    };
    let offers = |daemon: &Daemon| {
        let mut front_end = FrontEnd::connect(daemon);
        front_end.ask_number(GET_FEATURES)
    };

    let none = Daemon::start_with(PROGRAM, &["--renderer", "none"]);
    let [said] = &line(&none)[..] else {
        unreachable!("{}", none.log())
    };
    assert!(said.contains("INFO"), "{said}");
    assert!(
        said.ends_with("renderer: none, as the command line says"),
        "{said}"
    );
    assert_eq!(offers(&none), FEATURES);

    let arguments = ["--renderer", "auto", "--render-node", "/no/such/node"];
    let fallen = Daemon::start_with(PROGRAM, &arguments);
    let [said] = &line(&fallen)[..] else {
        unreachable!("{}", fallen.log())
    };
    assert!(said.contains("WARN"), "{said}");
    assert!(said.contains("renderer: none, 2D only: "), "{said}");
    assert_eq!(offers(&fallen), FEATURES);

    let Some(rendering) = rendering(&[]) else {
        return;
    };
    let [said] = &line(&rendering)[..] else {
        unreachable!("{}", rendering.log())
    };
    assert!(said.contains("INFO"), "{said}");
    assert!(said.contains("OpenGL"), "{said}");
    assert!(said.ends_with(", with virgl, virgl2"), "{said}");
}

#[test]
fn who_insists_on_3d_that_cannot_be_had_is_told_why_and_what_may_help() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("socket");
    for insistence in [&["--renderer", "virgl"][..], &["--virgl"], &["-v"]] {
        let output = command(PROGRAM)
            .args(insistence)
            .args([
                "--render-node",
                "/no/such/node",
                "--log-level",
                "error",
                "-s",
            ])
            .arg(&socket)
            .output()
            .unwrap();

        let stderr = String::from_utf8(output.stderr).unwrap();
        let lines: Vec<&str> = stderr.lines().collect();
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert_eq!(lines.len(), 2, "{stderr}");
        assert!(
            lines[0].starts_with("error: the guest cannot have 3D: caused by "),
            "{stderr}"
        );
        assert!(lines[1].starts_with("hint: "), "{stderr}");
        assert!(!socket.exists());
    }
}
