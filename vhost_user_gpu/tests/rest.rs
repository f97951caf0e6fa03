//! Before guest memory or the control ring is taken away the renderer lets go of it. Only the answer to that waits.
//!
//! The renderer here is one that can be held in the midst of a call.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod support;

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use conformance::daemon::connect;
use conformance::front_end::*;
use conformance::gpu_socket::{CURSOR_POS, CURSOR_UPDATE, GpuSocket};
use conformance::guest::{Guest, MEMORY, USER_BASE, owned, place, shared_file};
use conformance::wait::wait_until;
use gpu_renderer::testing::{Journal, Order};
use nix::poll::{PollFd, PollFlags, poll};
use support::drawing::{B8G8R8A8, CURSOR as CURSOR_IMAGE, create, show};
use support::in_thread::{self, Renderer, Serving};
use support::scene;
use vhost_user_gpu::Error;
use vhost_user_gpu::endpoint::Endpoint;
use vhost_user_gpu::serve::{Ended, Lifetime, Service};
use virtio_gpu::QueueIndex;
use virtio_gpu::protocol::{Command, CursorPosition, CursorUpdate, ErrorCode, ScanoutId};

const CONTROL: QueueIndex = QueueIndex::Control;
const CURSOR: QueueIndex = QueueIndex::Cursor;

/// A fence of the guest.
const FENCE: u64 = 7;

/// Side of the picture in pixels.
const SIDE: u32 = 16;

/// What a front end hears at once.
const AT_ONCE: Duration = Duration::from_millis(250);

/// What the device waits for the renderer to finish what it was given.
const DRAIN: Duration = Duration::from_millis(500);

/// A front end whose guest draws in 3D, its display socket, the renderer and the daemon.
struct Rig {
    front_end: FrontEnd,
    gpu: GpuSocket,
    journal: Journal,
    serving: Serving,
}

impl Rig {
    fn start(service: Service, reset: Reset) -> Self {
        let (renderer, journal) = Renderer::recording();
        let (stream, serving) = in_thread::connected(service, renderer);
        let mut front_end = FrontEnd::over(stream, Guest::default());
        front_end.reset = reset;
        Self::with(front_end, journal, serving)
    }

    fn with(mut front_end: FrontEnd, journal: Journal, serving: Serving) -> Self {
        front_end.draws_in_3d();
        front_end.realize();
        let mut gpu = front_end.start();
        gpu.settle();
        scene::prepare(&mut front_end, SIDE);
        Self {
            front_end,
            gpu,
            journal,
            serving,
        }
    }

    /// Holds the renderer in the midst of a fenced command stream.
    fn hold(&mut self) {
        self.journal.pause();
        let calls = self.journal.calls().len();
        let stream = scene::bytes(&Order::stream(&[Order::Fill {
            resource: gpu_renderer::ResourceId(scene::PICTURE.0),
            colour: 5,
        }]));
        let commands = &stream[..];
        scene::send(
            &mut self.front_end,
            &Command::Submit3d { commands },
            Some(FENCE),
        );
        self.front_end.guest.kick(CONTROL);
        let journal = &self.journal;
        wait_until("the renderer to begin", || journal.calls().len() > calls);
    }

    /// The outcome of the stream that was held, once it is answered.
    fn outcome(&mut self) -> Result<(), ErrorCode> {
        let mut answers = Vec::new();
        let driver = &mut self.front_end.guest.driver;
        wait_until("the stream's answer", || {
            answers.extend(driver.take_answers(CONTROL));
            !answers.is_empty()
        });
        let (header, outcome) = answers.remove(0).decode();
        assert_eq!(header.fence_id, FENCE);
        assert!(answers.is_empty());
        outcome.map(|_| ())
    }

    /// Shows a picture, and a cursor over it.
    fn show_cursor(&mut self) {
        show(&mut self.front_end, &mut self.gpu, 100, 100);
        create(&mut self.front_end, CURSOR_IMAGE, B8G8R8A8, 64, 64);
        self.front_end
            .succeed(&[Command::UpdateCursor(CursorUpdate {
                position: CursorPosition::default(),
                resource: Some(CURSOR_IMAGE),
                hot_x: 0,
                hot_y: 0,
            })]);
        assert_eq!(self.gpu.message().request, CURSOR_UPDATE);
    }

    /// Moves the cursor, and waits until the viewer sees it.
    fn move_cursor(&mut self, x: i32) {
        self.front_end.guest.driver.send(
            &Command::MoveCursor {
                position: CursorPosition {
                    scanout: ScanoutId(0),
                    x,
                    y: 4,
                },
            },
            None,
        );
        self.front_end.guest.kick(CURSOR);
        assert_eq!(self.gpu.message().request, CURSOR_POS);
    }
}

/// Whether a reply comes within a time.
fn hears(front_end: &FrontEnd, within: Duration) -> bool {
    let mut watched = [PollFd::new(front_end.stream.as_fd(), PollFlags::POLLIN)];
    poll(&mut watched, within.as_millis() as u16).unwrap() == 1
}

fn index(queue: QueueIndex) -> Vec<u8> {
    words(&[place(queue) as u32, 0])
}

fn once() -> Service {
    Service::default()
}

fn persistent() -> Service {
    Service {
        lifetime: Lifetime::UntilTerminated,
        ..Service::default()
    }
}

#[test]
fn only_the_reply_waits_for_the_renderer_and_what_it_has_not_finished_fails_in_time() {
    let mut rig = Rig::start(once(), Reset::Told);
    rig.show_cursor();
    rig.hold();
    let start = Instant::now();

    rig.front_end.send(GET_VRING_BASE, &index(CONTROL), &[]);
    for x in 1..4 {
        rig.move_cursor(x);
    }
    assert_eq!(rig.outcome(), Err(ErrorCode::Unspec));
    let took = start.elapsed();
    assert!(took >= DRAIN && took < 3 * DRAIN, "{took:?}");
    rig.move_cursor(9);
    assert!(
        !hears(&rig.front_end, AT_ONCE),
        "the renderer can still write"
    );

    rig.journal.resume();
    let reply = rig.front_end.reply(GET_VRING_BASE);
    // All of the guest's commands were taken: six to prepare, five for the picture, two for the cursor, the stream.
    assert_eq!(reply, words(&[0, 14]));
    assert!(rig.journal.backed().is_empty());
}

#[test]
fn what_the_renderer_finishes_in_time_succeeds() {
    let mut rig = Rig::start(once(), Reset::Told);
    rig.hold();

    rig.front_end.send(GET_VRING_BASE, &index(CONTROL), &[]);
    std::thread::sleep(DRAIN / 5);
    rig.journal.resume();

    assert_eq!(rig.outcome(), Ok(()));
    assert_eq!(rig.front_end.reply(GET_VRING_BASE), words(&[0, 7]));
}

#[test]
fn what_is_said_behind_a_message_that_waits_is_heard_in_its_turn() {
    let mut rig = Rig::start(once(), Reset::Told);
    rig.hold();

    rig.front_end.send(GET_VRING_BASE, &index(CONTROL), &[]);
    rig.front_end.send(GET_QUEUE_NUM, &[], &[]);
    assert!(!hears(&rig.front_end, AT_ONCE));
    rig.journal.resume();

    rig.front_end.reply(GET_VRING_BASE);
    rig.front_end.reply(GET_QUEUE_NUM);
}

/// A message, and its descriptor.
type Message = (u32, Vec<u8>, Option<OwnedFd>);

/// Says something while the renderer is held, and whether that had to wait.
fn waits(message: impl FnOnce(&mut FrontEnd) -> Message) -> bool {
    let mut rig = Rig::start(once(), Reset::Silent);
    // A ring that was stopped, so that it can start again.
    rig.front_end.bases[1] = rig.front_end.stop_ring(CURSOR);
    let (request, payload, fd) = message(&mut rig.front_end);
    rig.hold();

    let fds: Vec<_> = fd.iter().map(AsFd::as_fd).collect();
    let bytes = encode(request, 0x9, &payload);
    rig.front_end.send_bytes(&bytes, &fds);
    let waits = !hears(&rig.front_end, AT_ONCE);
    rig.journal.resume();

    let reply = rig.front_end.reply(request);
    if !matches!(request, GET_VRING_BASE | GET_CONFIG) {
        assert_eq!(reply, longs(&[0]), "request {request}");
    }
    drop((rig.front_end, rig.gpu));
    assert_eq!(rig.serving.join().unwrap().unwrap(), Ended::FrontEndGone);
    waits
}

#[test]
fn what_takes_memory_or_the_control_ring_away_waits() {
    assert!(waits(|_| (GET_VRING_BASE, index(CONTROL), None)));
    assert!(waits(|_| (RESET_DEVICE, vec![], None)));
    assert!(waits(|_| (REM_MEM_REG, region(0, MEMORY, 0), None)));
    assert!(waits(|front_end| {
        let mut table = words(&[1, 0]);
        table.extend(longs(&[0, MEMORY, USER_BASE, 0]));
        let file = owned(&front_end.guest.regions[0].file);
        (SET_MEM_TABLE, table, Some(file))
    }));
    // The other ring starts elsewhere than it stopped, of which this front end tells nothing: a reset.
    assert!(waits(|front_end| {
        let other = front_end.bases[1] as u16 + 1;
        front_end.bases[1] = u32::from(other);
        front_end.send_ring_setup(CURSOR);
        let kick = owned(&front_end.guest.kicks[1]);
        (SET_VRING_KICK, longs(&[1]), Some(kick))
    }));
}

#[test]
fn everything_else_is_answered_at_once() {
    assert!(!waits(|_| (GET_VRING_BASE, index(CURSOR), None)));
    assert!(!waits(|_| {
        let mut payload = words(&[0, 16, 0]);
        payload.resize(28, 0);
        (GET_CONFIG, payload, None)
    }));
    assert!(!waits(|_| (SET_VRING_ENABLE, words(&[0, 0]), None)));
    assert!(!waits(|_| {
        let file = shared_file(4096);
        (ADD_MEM_REG, region(1 << 40, 4096, 0), Some(file.into()))
    }));
    // The other ring goes on where it stopped.
    assert!(!waits(|front_end| {
        front_end.send_ring_setup(CURSOR);
        let kick = owned(&front_end.guest.kicks[1]);
        (SET_VRING_KICK, longs(&[1]), Some(kick))
    }));
}

#[test]
fn a_message_that_makes_no_sense_is_refused_when_its_turn_comes() {
    let mut rig = Rig::start(once(), Reset::Told);
    rig.hold();

    let bytes = encode(REM_MEM_REG, 0x9, &region(1 << 40, 4096, 0));
    rig.front_end.send_bytes(&bytes, &[]);
    assert!(!hears(&rig.front_end, AT_ONCE));
    rig.journal.resume();

    assert_eq!(rig.front_end.reply(REM_MEM_REG), longs(&[1]));
    assert_eq!(rig.outcome(), Ok(()));
    // The memory is the renderer's again, and the ring goes on.
    scene::succeed(&mut rig.front_end, &[scene::fetch(SIDE)]);
}

#[test]
fn what_the_guest_asks_for_meanwhile_is_done_afterwards_without_another_kick() {
    let mut rig = Rig::start(once(), Reset::Told);
    let extra = region(1 << 40, 4096, 0);
    let file = shared_file(4096);
    let added = rig
        .front_end
        .acknowledged(ADD_MEM_REG, &extra, &[file.as_fd()]);
    assert_eq!(added, 0);
    rig.hold();

    let bytes = encode(REM_MEM_REG, 0x9, &extra);
    rig.front_end.send_bytes(&bytes, &[]);
    assert!(!hears(&rig.front_end, AT_ONCE));
    // More than the renderer takes at a time.
    for fence in 1..101 {
        scene::send(&mut rig.front_end, &scene::fetch(SIDE), Some(FENCE + fence));
    }
    rig.front_end.guest.kick(CONTROL);
    std::thread::sleep(AT_ONCE / 5);
    rig.journal.resume();

    assert_eq!(rig.front_end.reply(REM_MEM_REG), longs(&[0]));
    let mut fences = Vec::new();
    let driver = &mut rig.front_end.guest.driver;
    wait_until("all answers", || {
        let answers = driver.take_answers(CONTROL);
        fences.extend(answers.iter().map(|answer| answer.decode().0.fence_id));
        driver.in_flight() == 0
    });
    assert_eq!(fences, (FENCE..=FENCE + 100).collect::<Vec<_>>());
}

#[test]
fn without_its_renderer_a_guest_still_has_2d_and_can_be_stopped() {
    let mut rig = Rig::start(once(), Reset::Told);
    let stream = scene::bytes(&Order::stream(&[Order::Panic]));
    let commands = &stream[..];
    let lost = scene::execute(&mut rig.front_end, &Command::Submit3d { commands });
    assert!(lost.outcome().is_err());

    let lost = scene::execute(&mut rig.front_end, &scene::fetch(SIDE));
    assert!(lost.outcome().is_err());
    show(&mut rig.front_end, &mut rig.gpu, 64, 64);
    rig.front_end.stop(rig.gpu);

    drop(rig.front_end);
    assert_eq!(rig.serving.join().unwrap().unwrap(), Ended::FrontEndGone);
}

#[test]
fn memory_that_comes_back_is_the_renderers_again() {
    let mut rig = Rig::start(once(), Reset::Told);

    rig.front_end.remove_region(0);
    assert!(rig.journal.backed().is_empty());
    rig.front_end.add_region(0);

    scene::succeed(&mut rig.front_end, &[scene::fetch(SIDE)]);
    assert_eq!(
        rig.journal.backed(),
        [gpu_renderer::ResourceId(scene::PICTURE.0)]
    );
}

#[test]
fn after_a_pause_the_guest_draws_on_and_after_a_reset_nothing_is_left() {
    let mut rig = Rig::start(once(), Reset::Told);

    rig.front_end.stop(rig.gpu);
    let gpu = rig.front_end.resume();
    scene::succeed(&mut rig.front_end, &[scene::fetch(SIDE)]);

    rig.front_end.stop(gpu);
    let _gpu = rig.front_end.restart();
    scene::prepare(&mut rig.front_end, SIDE);
    assert_eq!(rig.journal.contexts().len(), 1);
    assert_eq!(rig.journal.resources().len(), 2);
}

#[test]
fn a_renderer_that_does_not_let_go_ends_the_daemon_with_a_clear_error() {
    let service = Service {
        renderer_patience: 2 * DRAIN,
        ..persistent()
    };
    let mut rig = Rig::start(service, Reset::Told);
    rig.hold();
    let start = Instant::now();

    rig.front_end.send(GET_VRING_BASE, &index(CONTROL), &[]);
    let error = rig.serving.join().unwrap().unwrap_err();

    let took = start.elapsed();
    assert!(took >= 2 * DRAIN && took < 4 * DRAIN, "{took:?}");
    assert!(matches!(error, Error::RendererStuck { .. }));
    assert_eq!(
        error.chain(),
        "the renderer has not come to rest for 1s: the guest's memory cannot be given back"
    );
    assert!(error.hint().unwrap().contains("--renderer none"));
    // A reply would have been a promise, and so would be the end of the connection before that of the process.
    assert!(!hears(&rig.front_end, AT_ONCE));
    rig.journal.resume();
}

/// A daemon for one front end after another, and the first of them.
fn rig_at_a_path(service: Service) -> (Rig, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let (renderer, journal) = Renderer::recording();
    let bound = path.clone();
    let serving = in_thread::daemon(service, renderer, move || Endpoint::bind(&bound).unwrap());
    let front_end = FrontEnd::over(connect(&path), Guest::default());
    (Rig::with(front_end, journal, serving), directory)
}

#[test]
fn the_next_front_end_waits_until_the_renderer_has_let_go_of_the_lasts_memory() {
    for asked in [false, true] {
        let (mut rig, directory) = rig_at_a_path(persistent());
        rig.hold();
        if asked {
            rig.front_end.send(GET_VRING_BASE, &index(CONTROL), &[]);
        }
        drop(rig.front_end.stream);
        drop(rig.gpu);

        let mut next = FrontEnd::over(connect(&directory.path().join("socket")), Guest::default());
        next.send(GET_QUEUE_NUM, &[], &[]);
        assert!(!hears(&next, AT_ONCE));
        rig.journal.resume();
        next.reply(GET_QUEUE_NUM);

        let mut answers = Vec::new();
        let driver = &mut rig.front_end.guest.driver;
        wait_until("the answer", || {
            answers.extend(driver.take_answers(CONTROL));
            driver.in_flight() == 0
        });
        assert_eq!(answers.len(), 1);
        assert!(rig.journal.backed().is_empty());
        assert!(!rig.serving.is_finished());
        wait_until("the reset", || rig.journal.resources().is_empty());
    }
}

#[test]
fn a_renderer_that_does_not_let_go_of_a_dead_front_ends_memory_ends_the_daemon() {
    let service = Service {
        renderer_patience: DRAIN,
        ..persistent()
    };
    let (mut rig, _directory) = rig_at_a_path(service);
    rig.hold();
    drop((rig.front_end.stream, rig.gpu));

    let error = rig.serving.join().unwrap().unwrap_err();

    assert!(matches!(error, Error::RendererStuck { .. }), "{error}");
    rig.journal.resume();
}

#[test]
fn the_end_of_the_only_front_end_waits_for_no_renderer() {
    let mut rig = Rig::start(once(), Reset::Told);
    rig.hold();
    let start = Instant::now();
    drop((rig.front_end.stream, rig.gpu));

    assert_eq!(rig.serving.join().unwrap().unwrap(), Ended::FrontEndGone);

    assert!(start.elapsed() < Duration::from_secs(1));
    let mut driver = rig.front_end.guest.driver;
    assert_eq!(
        driver.take_answers(CONTROL)[0].outcome(),
        Err(ErrorCode::Unspec)
    );
    rig.journal.resume();
}
