//! A ring that the front end has disabled is left alone, whatever the renderer finishes meanwhile.
#![allow(clippy::arithmetic_side_effects, clippy::unwrap_used)]

mod support;

use conformance::front_end::{FrontEnd, Reset};
use conformance::guest::Guest;
use conformance::wait::wait_until;
use gpu_renderer::testing::{Call, Journal};
use support::in_thread::{self, Renderer};
use support::scene;
use vhost_user_gpu::serve::Service;
use virtio_gpu::QueueIndex;
use virtio_gpu::protocol::Command;

const CONTROL: QueueIndex = QueueIndex::Control;

/// Commands that the device gives a renderer before it leaves the others in the ring.
const ROOM: usize = 64;

const STREAMS: usize = ROOM + 6;

fn begun(journal: &Journal) -> usize {
    let submitted = |call: &&Call| matches!(call, Call::Submit { .. });
    journal.calls().iter().filter(submitted).count()
}

#[test]
fn it_is_left_alone_when_the_renderer_has_room_again_and_goes_on_when_it_is_enabled() {
    let (renderer, journal) = Renderer::recording();
    let (stream, serving) = in_thread::connected(Service::default(), renderer);
    let mut front_end = FrontEnd::over(stream, Guest::default());
    front_end.reset = Reset::Silent;
    front_end.draws_in_3d();
    front_end.realize();
    let mut gpu = front_end.start();
    gpu.settle();
    scene::prepare(&mut front_end, 16);
    let before = begun(&journal);
    journal.pause();
    for fence in 0..STREAMS {
        let fence = u64::try_from(fence).unwrap();
        scene::send(
            &mut front_end,
            &Command::Submit3d { commands: &[] },
            Some(fence),
        );
    }
    front_end.guest.kick(CONTROL);
    front_end.synchronize();

    front_end.enable(CONTROL, 0);
    front_end.synchronize();
    journal.resume();

    let mut answers = 0;
    let driver = &mut front_end.guest.driver;
    wait_until("the end of what was taken", || {
        answers += driver.take_answers(CONTROL).len();
        answers >= ROOM
    });
    for _ in 0..3 {
        front_end.synchronize();
    }
    answers += front_end.guest.driver.take_answers(CONTROL).len();
    assert_eq!((answers, begun(&journal) - before), (ROOM, ROOM));

    front_end.enable(CONTROL, 1);

    let driver = &mut front_end.guest.driver;
    wait_until("the rest", || {
        answers += driver.take_answers(CONTROL).len();
        answers == STREAMS
    });
    drop((front_end, gpu));
    serving.join().unwrap().unwrap();
}
