//! Contexts and textures that come and go: at a daemon with virglrenderer, and in this process with the recording
//! renderer, where what grows is ours.

use gpu_renderer::testing::Order;
use virtio_gpu::testing::Driver;
use virtio_gpu::{Limits, QueueIndex};

use super::machine::Machine;
use super::meter::{Course, Meter};
use super::sample::Sample;
use super::{Plan, Rounds, SLACK};
use crate::executor::Executor;
use crate::in_process::{InProcess, QUEUES};
use crate::map::IMAGE as NEAR;
use crate::message::{Message, attach, create, flush, set_scanout, transfer, unref, whole};
use crate::message_3d::{
    all_of, attach_to, create_3d, create_context, destroy_context, from_host, submit, texture,
    to_host,
};
use crate::oracle;

use super::machine::IMAGE;

/// GL's own caches fill up for a while, and its allocator is several threads'.
const GL_SLACK: u32 = 2048;

/// virglrenderer 0.10.4 itself keeps nothing of a context: a loop of its calls alone stays flat after a thousand, and a
/// daemon grows once, by a fifth of a MiB. It once kept the fences of each context, 150 bytes: the fewest rounds are
/// enough to see that.
const CONTEXTS: Rounds = Rounds {
    full: 100_000,
    least: 4_000,
    warm_up: 500,
    slack: 512,
};

const TEXTURES: Rounds = Rounds {
    full: 1_000_000,
    least: 10_000,
    warm_up: 5_000,
    slack: GL_SLACK,
};

const PROMOTIONS: Rounds = Rounds {
    full: 100_000,
    least: 4_000,
    warm_up: 2_000,
    slack: GL_SLACK,
};

const RESETS: Rounds = Rounds {
    full: 10_000,
    least: 500,
    warm_up: 200,
    slack: GL_SLACK,
};

const SIZES: [(u32, u32); 6] = [(1, 1), (16, 16), (17, 3), (64, 64), (100, 5), (256, 256)];

/// Contexts besides context 1, each with a stream and a fence on its ring.
fn context(number: u64) -> Vec<Message> {
    let id = 2 + (number % 7) as u32;
    vec![
        create_context(id),
        submit(id, &[]).on_ring(0, number),
        destroy_context(id),
    ]
}

/// A texture with backing, filled and read back, used by context 1.
fn picture(number: u64, memory: u64) -> Vec<Message> {
    let id = 1 + (number % 5) as u32;
    let (width, height) = SIZES[(number % SIZES.len() as u64) as usize];
    vec![
        create_3d(texture(id, width, height)),
        attach(id, &[(memory, width * height * 4)]),
        attach_to(1, id),
        to_host(1, all_of(id, width, height)),
        from_host(1, all_of(id, width, height)),
        unref(id),
    ]
}

/// A 2D screen that a context uses, so that it becomes the renderer's.
fn promoted(number: u64, memory: u64) -> Vec<Message> {
    let id = 1 + (number % 5) as u32;
    vec![
        create(id, 64, 64),
        attach(id, &[(memory, 64 * 64 * 4)]),
        transfer(id, whole(64, 64), 0),
        set_scanout(0, id, whole(64, 64)),
        attach_to(1, id),
        submit(1, &[]),
        transfer(id, whole(64, 64), 0),
        flush(id, whole(64, 64)),
        unref(id),
    ]
}

/// Repeats messages at a daemon with virglrenderer; `None` where that cannot be had.
fn at_a_daemon(
    plan: &Plan,
    path: &str,
    rounds: Rounds,
    messages: impl Fn(u64) -> Vec<Message>,
) -> Option<Vec<Course>> {
    let daemon = plan.rendering_daemon()?;
    let mut machine = Machine::start_in_3d(&daemon);
    machine.succeed(&[create_context(1)]);
    let mut meter = plan.meter(path, rounds);
    let mut number = 0;
    while meter.goes_on() {
        let batch: Vec<_> = (number..number + 8).flat_map(&messages).collect();
        machine.succeed(&batch);
        number += 8;
        meter.advance(8);
        machine.measure(&daemon, &mut meter);
    }
    Some(vec![meter.finish()])
}

pub(super) fn contexts(plan: &Plan) -> Option<Vec<Course>> {
    at_a_daemon(plan, "contexts", CONTEXTS, context)
}

pub(super) fn textures(plan: &Plan) -> Option<Vec<Course>> {
    at_a_daemon(plan, "textures", TEXTURES, |number| picture(number, IMAGE))
}

pub(super) fn promotions(plan: &Plan) -> Option<Vec<Course>> {
    at_a_daemon(plan, "promotions", PROMOTIONS, |number| {
        promoted(number, IMAGE)
    })
}

/// Resets with contexts, textures, a screen, and commands in flight.
pub(super) fn resets(plan: &Plan) -> Option<Vec<Course>> {
    let daemon = plan.rendering_daemon()?;
    let mut machine = Machine::start_in_3d(&daemon);
    let mut meter = plan.meter("resets", RESETS);
    while meter.goes_on() {
        let mut batch = vec![create_context(1), create_context(2)];
        for id in 1..=4 {
            batch.push(create_3d(texture(id, 64, 64)));
            batch.push(attach(id, &[(IMAGE, 64 * 64 * 4)]));
            batch.push(attach_to(1, id));
        }
        batch.push(set_scanout(0, 1, whole(64, 64)));
        machine.succeed(&batch);
        let last: Vec<_> = (1..=4)
            .flat_map(|id| [to_host(1, all_of(id, 64, 64)), flush(id, whole(64, 64))])
            .chain((0..8).map(|fence| submit(2, &[]).fenced(fence)))
            .collect();
        machine.submit(&last);
        machine.reset();
        meter.advance(1);
        machine.measure(&daemon, &mut meter);
    }
    Some(vec![meter.finish()])
}

/// The same in this process, with the recording renderer.
pub(super) fn in_process(plan: &Plan) -> Vec<Course> {
    let near = |rounds| Rounds {
        slack: SLACK,
        ..rounds
    };
    let streams = |number: u64| {
        let colour = number as u32;
        let resource = gpu_renderer::ResourceId(9);
        let fill = Order::stream(&[Order::Fill { resource, colour }]);
        let ring = (number % 64) as u8;
        vec![
            submit(1, &fill).on_ring(ring, number),
            flush(9, whole(64, 64)),
        ]
    };
    vec![
        course(plan.meter("contexts", near(CONTEXTS)), context),
        course(plan.meter("textures", near(TEXTURES)), |number| {
            picture(number, NEAR)
        }),
        course(plan.meter("promotions", near(PROMOTIONS)), |number| {
            promoted(number, NEAR)
        }),
        course(plan.meter("streams and flushes", near(TEXTURES)), streams),
    ]
}

fn course(mut meter: Meter, messages: impl Fn(u64) -> Vec<Message>) -> Course {
    let mut device = InProcess::rendering(2, Limits::default());
    // The guest's memory is this process's: all of it is resident from the start.
    oracle::write(&device.memory(), 0, &vec![1; Driver::FREE as usize]);
    for queue in QUEUES {
        device.driver().ring(queue).restart();
    }
    let start = [
        create_context(1),
        create_3d(texture(9, 64, 64)),
        attach_to(1, 9),
        set_scanout(1, 9, whole(64, 64)),
    ];
    carry_out(&mut device, &start);
    let mut number = 0;
    while meter.goes_on() {
        carry_out(&mut device, &messages(number));
        number += 1;
        meter.advance(1);
        if number % 64 == 0 {
            if let Some(journal) = &device.journal {
                journal.take_calls();
            }
            let _ = device.take_log();
        }
        if meter.is_due() {
            meter.record(Sample::of(std::process::id()));
        }
    }
    meter.finish()
}

fn carry_out(device: &mut InProcess, messages: &[Message]) {
    for message in messages {
        let driver = device.driver();
        driver.send_bytes(message.queue, &message.bytes, message.room);
    }
    device.kick(QueueIndex::Control);
    let answers = device.driver().take_answers(QueueIndex::Control);
    assert_eq!(answers.len(), messages.len(), "each is answered");
    for answer in answers {
        answer.outcome().expect("all of it works");
    }
}
