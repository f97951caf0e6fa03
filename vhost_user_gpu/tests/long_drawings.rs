//! A shader that runs for seconds, on the machine's own OpenGL: the rest of the device does not notice, and neither do
//! those who stop it.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    clippy::unwrap_used
)]

mod support;

use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use conformance::daemon::Daemon;
use conformance::front_end::{FrontEnd, GET_CONFIG, GET_VRING_BASE, words};
use conformance::gpu_socket::{CURSOR_POS, CURSOR_UPDATE, GpuSocket};
use conformance::guest::Guest;
use conformance::wait::{LIMIT, wait_until};
use gpu_renderer::testing::stream::slow_fragments;
use nix::sys::signal::Signal;
use support::drawing::{B8G8R8A8, CURSOR as CURSOR_IMAGE, create, show};
use support::rendering;
use support::scene::*;
use virtio_gpu::QueueIndex;
use virtio_gpu::protocol::{Command, CursorPosition, CursorUpdate, ErrorCode, ScanoutId};
use virtio_gpu::testing::Answer;
use vm_memory::{Bytes, GuestAddress};

const CONTROL: QueueIndex = QueueIndex::Control;

/// The picture's side in pixels.
const SIDE: u32 = 256;

/// How long the shader is to run, in seconds.
const SECONDS: f64 = 4.0;

/// What needs nothing of the renderer takes less, even on a machine whose processors all draw.
const AT_ONCE: Duration = Duration::from_millis(500);

/// Two shaders at a time would take twice as long.
static ONE: Mutex<()> = Mutex::new(());

/// A drawing in which each pixel takes so many rounds.
fn drawing(rounds: u32) -> Vec<u8> {
    bytes(slow_fragments(target(SIDE), CORNERS.0, rounds).words())
}

/// How long a drawing of so many rounds takes, in a context of its own.
fn seconds(front_end: &mut FrontEnd, rounds: u32) -> f64 {
    prepare(front_end, SIDE);
    let stream = drawing(rounds);
    let commands = [Command::Submit3d { commands: &stream }, fetch(SIDE)];
    let start = Instant::now();
    succeed(front_end, &commands);
    let took = start.elapsed().as_secs_f64();
    succeed(
        front_end,
        &[
            Command::CtxDestroy,
            Command::ResourceUnref { resource: PICTURE },
            Command::ResourceUnref { resource: CORNERS },
        ],
    );
    took
}

/// How many rounds take as long as they should here.
fn rounds(front_end: &mut FrontEnd) -> u32 {
    static ROUNDS: OnceLock<u32> = OnceLock::new();
    *ROUNDS.get_or_init(|| {
        // Part of the time goes into compiling.
        let few = seconds(front_end, 300);
        let more = seconds(front_end, 1300);
        let of_one = (more - few).max(0.001) / 1000.0;
        (SECONDS / of_one).clamp(1000.0, 60_000.0) as u32
    })
}

/// A guest whose shader runs, and whose copy of the picture waits for it: what is in flight are these two.
fn busy(daemon: &Daemon) -> (FrontEnd, GpuSocket) {
    let (mut front_end, mut gpu) = FrontEnd::running_in_3d(daemon);
    let stream = drawing(rounds(&mut front_end));
    prepare(&mut front_end, SIDE);
    show(&mut front_end, &mut gpu, 100, 100);
    create(&mut front_end, CURSOR_IMAGE, B8G8R8A8, 64, 64);
    front_end.succeed(&[Command::UpdateCursor(CursorUpdate {
        position: CursorPosition::default(),
        resource: Some(CURSOR_IMAGE),
        hot_x: 0,
        hot_y: 0,
    })]);
    assert_eq!(gpu.message().request, CURSOR_UPDATE);
    send(
        &mut front_end,
        &Command::Submit3d { commands: &stream },
        Some(1),
    );
    send(&mut front_end, &fetch(SIDE), Some(2));
    front_end.guest.kick(CONTROL);
    // Until the render thread is in the middle of it.
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(front_end.guest.driver.in_flight(), 2);
    (front_end, gpu)
}

fn all_answers(guest: &mut Guest) -> Vec<Answer> {
    let mut answers = Vec::new();
    wait_until("every answer", || {
        answers.extend(guest.driver.take_answers(CONTROL));
        guest.driver.in_flight() == 0
    });
    answers
}

#[test]
fn configuration_and_cursor_answer_at_once_while_a_shader_runs() {
    let _one = ONE.lock();
    let Some(daemon) = rendering(&[]) else { return };
    let (mut front_end, mut gpu) = busy(&daemon);
    let mut question = words(&[0, 16, 0]);
    question.resize(28, 0);

    for x in 1..20 {
        let start = Instant::now();
        front_end.ask(GET_CONFIG, &question);
        front_end.guest.driver.send(
            &Command::MoveCursor {
                position: CursorPosition {
                    scanout: ScanoutId(0),
                    x,
                    y: 0,
                },
            },
            None,
        );
        front_end.guest.kick(QueueIndex::Cursor);
        assert_eq!(gpu.message().request, CURSOR_POS);
        let took = start.elapsed();
        assert!(took < AT_ONCE, "{took:?}");
        let driver = &mut front_end.guest.driver;
        wait_until("the cursor's answer", || {
            !driver.take_answers(QueueIndex::Cursor).is_empty()
        });
    }

    // It was running all the time, and comes to a good end.
    assert_eq!(front_end.guest.driver.in_flight(), 2);
    for answer in all_answers(&mut front_end.guest) {
        assert!(answer.outcome().is_ok(), "{answer:?}");
    }
    // One minus zero of red is one, of which the shader has made something; green is one.
    assert!(
        memory_behind(&front_end, SIDE)
            .iter()
            .all(|pixel| pixel[1] == 255)
    );
}

#[test]
fn a_stop_is_answered_when_the_shader_has_ended_and_nothing_is_written_afterwards() {
    let _one = ONE.lock();
    let Some(daemon) = rendering(&[]) else { return };
    let (mut front_end, _gpu) = busy(&daemon);
    let snapshot = |front_end: &FrontEnd| {
        let mut bytes = vec![0; 24 << 20];
        let memory = &front_end.guest.memory;
        memory.read_slice(&mut bytes, GuestAddress(0)).unwrap();
        bytes
    };
    front_end.stream.set_read_timeout(Some(3 * LIMIT)).unwrap();

    front_end.ask(GET_VRING_BASE, &words(&[0, 0]));

    let at_rest = snapshot(&front_end);
    let answers = all_answers(&mut front_end.guest);
    let outcomes: Vec<_> = answers.iter().map(Answer::outcome).collect();
    assert_eq!(outcomes.len(), 2);
    // It was given half a second to end.
    assert_eq!(outcomes[1], Err(ErrorCode::Unspec));
    std::thread::sleep(Duration::from_secs(1));
    assert!(snapshot(&front_end) == at_rest);

    // The guest lives on.
    front_end.bases[0] = 0;
    front_end.send_ring_setup(CONTROL);
    front_end.send_kick(CONTROL);
    let (stream, colour) = (clear([0.0, 1.0, 0.0, 1.0]), [0, 255, 0, 255]);
    succeed(&mut front_end, &[Command::Submit3d { commands: &stream }]);
    assert!(
        pixels(&mut front_end, SIDE)
            .iter()
            .all(|pixel| *pixel == colour)
    );
}

#[test]
fn a_termination_signal_ends_it_in_a_second_while_a_shader_runs() {
    let _one = ONE.lock();
    let Some(mut daemon) = rendering(&[]) else {
        return;
    };
    let (mut front_end, _gpu) = busy(&daemon);

    daemon.signal(Signal::SIGTERM);
    let (status, took) = daemon.wait();

    assert_eq!(status.code(), Some(0), "{}", daemon.log());
    assert!(took < Duration::from_millis(1200), "{took:?}");
    assert!(!daemon.socket_path().exists());
    let outcomes: Vec<_> = all_answers(&mut front_end.guest)
        .iter()
        .map(Answer::outcome)
        .collect();
    assert_eq!(outcomes[1], Err(ErrorCode::Unspec));
}

#[test]
fn the_next_front_end_is_served_when_the_shader_of_the_last_has_ended() {
    let _one = ONE.lock();
    let Some(mut daemon) = rendering(&["--persistent"]) else {
        return;
    };
    let (first, gpu) = busy(&daemon);
    let mut guest = first.guest;
    drop((first.stream, gpu));

    let mut second = FrontEnd::connect(&daemon);
    second.stream.set_read_timeout(Some(3 * LIMIT)).unwrap();
    second.draws_in_3d();
    second.realize();

    assert_eq!(all_answers(&mut guest).len(), 2);
    let _gpu = second.start();
    prepare(&mut second, SIDE);
    assert!(daemon.is_running());
}
