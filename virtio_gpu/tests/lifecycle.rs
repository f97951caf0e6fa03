//! Fences, features, queue stop and start, reset, and commands that are not
//! there.
#![allow(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]

mod support;

use std::time::Instant;

use gpu_display::{Event, Freshness, Query};
use support::{FEATURES, OK, Rig, create, gradient, rect};
use virtio_gpu::protocol::{Command, ContextId, ErrorCode, HeaderFlags, ResourceId, Success};
use virtio_gpu::testing::header;
use virtio_gpu::{DeviceError, QueueIndex};

const FENCE: u32 = 1;

#[test]
fn a_fence_comes_back_with_all_its_64_bits() {
    let mut rig = Rig::new();

    for (id, fence) in (1..).zip([0, 1 << 31, 1 << 32, u64::MAX, 5, 5, 4]) {
        let answer = rig.call_fenced(create(id, 2, 4, 4), Some(fence));
        let (response, outcome) = answer.decode();
        assert_eq!(outcome, OK);
        assert_eq!(response.flags.bits(), FENCE);
        assert_eq!(response.fence_id, fence);
    }
}

#[test]
fn a_failing_command_returns_its_fence_with_the_error() {
    let mut rig = Rig::new();
    let unref = Command::ResourceUnref {
        resource: ResourceId(9),
    };

    let (response, outcome) = rig.call_fenced(unref, Some(0x1_0000_0001)).decode();

    assert_eq!(outcome, Err(ErrorCode::InvalidResourceId));
    assert_eq!(response.flags.bits(), FENCE);
    assert_eq!(response.fence_id, 0x1_0000_0001);
}

#[test]
fn a_request_that_cannot_be_decoded_returns_its_fence_too() {
    let mut rig = Rig::new();
    // RESOURCE_UNREF with FENCE and id 7, cut after its header.
    let mut request = vec![0; 24];
    request[0..4].copy_from_slice(&0x0102_u32.to_le_bytes());
    request[4] = 1;
    request[8] = 7;

    let answers = rig.call_bytes(QueueIndex::Control, &request, 24);

    let (response, outcome) = answers[0].decode();
    assert_eq!(outcome, Err(ErrorCode::InvalidParameter));
    assert_eq!((response.flags.bits(), response.fence_id), (FENCE, 7));
}

#[test]
fn an_unfenced_answer_carries_no_fence() {
    let mut rig = Rig::new();
    let command = create(1, 2, 4, 4);
    let mut head = header(&command, None);
    head.fence_id = 77;
    // Unknown bits and a ring index without its feature mean nothing.
    head.flags = HeaderFlags::from_bits_retain(0xffff_fffe);
    head.ring_index = 255;
    let request = command.encode(&head);

    let answers = rig.call_bytes(QueueIndex::Control, &request, 24);

    let (response, outcome) = answers[0].decode();
    assert_eq!(outcome, OK);
    assert_eq!((response.flags.bits(), response.fence_id), (0, 0));
}

#[test]
fn a_fence_waits_for_the_one_before_it() {
    let mut rig = Rig::new();
    rig.device.display_mut().freshness = Freshness::Pending;
    let first = rig.driver.send(&Command::GetDisplayInfo, Some(1));
    let second = rig.driver.send(&create(1, 2, 4, 4), Some(2));
    let plain = rig.driver.send(&create(2, 2, 4, 4), None);
    let _ = rig.kick(QueueIndex::Control);
    let answers = rig.driver.take_answers(QueueIndex::Control);
    assert_eq!(answers.iter().map(|a| a.sent).collect::<Vec<_>>(), [plain]);

    let display = rig.device.display_mut();
    display.events.push_back(Event::Answered(Query::Outputs));
    let _ = rig.device.dispatch_display(Instant::now());

    let answers = rig.driver.take_answers(QueueIndex::Control);
    assert_eq!(
        answers.iter().map(|a| a.sent).collect::<Vec<_>>(),
        [first, second]
    );
}

#[test]
fn commands_of_features_that_were_not_negotiated_are_refused() {
    let mut rig = Rig::new();
    assert_eq!(rig.create(1, 4, 4), OK);
    let resource = ResourceId(1);
    let unspec = [
        Command::ResourceAssignUuid { resource },
        Command::CtxCreate {
            name: b"x",
            context_init: 0,
        },
        Command::CtxDestroy,
        Command::CtxAttachResource { resource },
        Command::CtxDetachResource { resource },
        Command::Submit3d { commands: &[0; 8] },
    ];
    for command in unspec {
        let name = command.name();
        assert_eq!(rig.call(command), Err(ErrorCode::Unspec), "{name}");
    }
    let blob = [
        Command::ResourceMapBlob {
            resource,
            offset: 0,
        },
        Command::ResourceUnmapBlob { resource },
    ];
    for command in blob {
        let name = command.name();
        assert_eq!(
            rig.call(command),
            Err(ErrorCode::InvalidParameter),
            "{name}"
        );
    }
}

#[test]
fn unknown_types_and_responses_as_requests_are_refused() {
    let mut rig = Rig::new();

    for kind in [0, 0xff, 0xfff, 0x0400, 0x1100, 0x1200, u32::MAX] {
        let mut request = vec![0; 64];
        request[0..4].copy_from_slice(&u32::to_le_bytes(kind));
        let answers = rig.call_bytes(QueueIndex::Control, &request, 24);
        assert_eq!(answers[0].outcome(), Err(ErrorCode::Unspec), "{kind:#x}");
    }
}

#[test]
fn only_offered_features_can_be_acknowledged() {
    let mut rig = Rig::new();
    // EDID, RESOURCE_UUID; NOTIFY_ON_EMPTY, INDIRECT_DESC, EVENT_IDX, VERSION_1, RING_RESET.
    let offered = 1 << 1 | 1 << 2 | 1 << 24 | 1 << 28 | 1 << 29 | 1 << 32 | 1_u64 << 40;
    assert_eq!(rig.device.features(), offered);

    assert!(rig.device.acknowledge_features(offered).is_ok());
    for bit in [0, 3, 4, 5, 34, 35, 63] {
        let refused = rig.device.acknowledge_features(FEATURES | 1 << bit);
        assert!(matches!(
            refused,
            Err(DeviceError::UnofferedFeatures { .. })
        ));
    }
}

#[test]
fn a_stopped_queue_owes_nothing_and_goes_on_where_it_was() {
    let mut rig = Rig::new();
    rig.image(1, 8, 8, gradient);
    rig.device.display_mut().freshness = Freshness::Pending;
    rig.driver.send(&Command::GetDisplayInfo, Some(9));
    let _ = rig.kick(QueueIndex::Control);

    let stopped = rig.device.stop_queue(QueueIndex::Control).unwrap();

    // create, attach, transfer, display info
    assert_eq!(stopped.next_avail, 4);
    assert!(stopped.turn.notify_control);
    let answers = rig.driver.take_answers(QueueIndex::Control);
    let (response, outcome) = answers[0].decode();
    // With what is known: zeros would unplug every screen of a Linux guest.
    let Ok(Success::DisplayInfo(modes)) = outcome else {
        panic!("display info is answered: {outcome:?}");
    };
    assert_eq!(modes[0].rect, rect(0, 0, 1280, 800));
    assert_eq!((response.flags.bits(), response.fence_id), (FENCE, 9));
    assert_eq!(rig.device.stop_queue(QueueIndex::Control), None);

    // A kick meanwhile is ignored, the resource is still there afterwards.
    rig.driver.send(&create(2, 2, 4, 4), None);
    let _ = rig.kick(QueueIndex::Control);
    assert_eq!(rig.driver.take_answers(QueueIndex::Control), []);
    let mut setup = rig.driver.ring(QueueIndex::Control).setup();
    setup.next_avail = stopped.next_avail;
    let _ = rig.device.start_queue(QueueIndex::Control, &setup).unwrap();
    let _ = rig.kick(QueueIndex::Control);
    assert_eq!(rig.driver.take_answers(QueueIndex::Control).len(), 1);
    assert_eq!(rig.device.backend().resources().len(), 2);
}

#[test]
fn an_answer_that_comes_after_its_queue_was_stopped_goes_nowhere() {
    let mut rig = Rig::new();
    rig.device.display_mut().freshness = Freshness::Pending;
    rig.driver.send(&Command::GetDisplayInfo, None);
    let _ = rig.kick(QueueIndex::Control);
    let _ = rig.device.stop_queue(QueueIndex::Control);
    rig.driver.take_answers(QueueIndex::Control);

    let display = rig.device.display_mut();
    display.events.push_back(Event::Answered(Query::Outputs));
    let turn = rig.device.dispatch_display(Instant::now());

    assert_eq!(turn, virtio_gpu::Turn::default());
    assert_eq!(rig.driver.take_answers(QueueIndex::Control), []);
}

#[test]
fn a_queue_that_is_started_again_while_it_runs_loses_no_answer() {
    let mut rig = Rig::new();
    rig.device.display_mut().freshness = Freshness::Pending;
    rig.driver.send(&Command::GetDisplayInfo, None);
    let _ = rig.kick(QueueIndex::Control);

    let mut setup = rig.driver.ring(QueueIndex::Control).setup();
    setup.next_avail = 1;
    let turn = rig.device.start_queue(QueueIndex::Control, &setup).unwrap();

    assert!(turn.notify_control);
    assert_eq!(rig.driver.take_answers(QueueIndex::Control).len(), 1);
    rig.driver.send(&create(1, 2, 4, 4), None);
    let _ = rig.kick(QueueIndex::Control);
    assert_eq!(rig.driver.take_answers(QueueIndex::Control).len(), 1);
}

#[test]
fn reset_takes_everything_and_a_second_driver_can_bind() {
    let mut rig = Rig::new();
    rig.image(1, 8, 8, gradient);
    assert_eq!(rig.set_scanout(0, 1, rect(0, 0, 8, 8)), OK);
    rig.device.display_mut().freshness = Freshness::Pending;
    rig.driver.send(&Command::GetDisplayInfo, Some(1));
    let _ = rig.kick(QueueIndex::Control);

    rig.device.reset();

    // Nothing is written to the old rings, nothing is left.
    assert_eq!(rig.driver.take_answers(QueueIndex::Control), []);
    assert_eq!(rig.device.in_flight(), 0);
    assert!(rig.device.backend().resources().is_empty());
    assert_eq!(rig.device.backend().resources().host_bytes(), 0);
    assert!(rig.device.display().surfaces.is_empty());
    let display = rig.device.display_mut();
    display.freshness = Freshness::Current;
    display.events.push_back(Event::Answered(Query::Outputs));
    let _ = rig.device.dispatch_display(Instant::now());
    assert_eq!(rig.driver.take_answers(QueueIndex::Control), []);

    rig.driver = virtio_gpu::testing::Driver::new(rig.memory.clone());
    rig.start(FEATURES);
    rig.records();
    rig.image(1, 8, 8, gradient);
    assert_eq!(rig.set_scanout(0, 1, rect(0, 0, 8, 8)), OK);
    assert_eq!(rig.frames().len(), 1);
}

#[test]
fn after_reset_nothing_is_negotiated() {
    let mut rig = Rig::new();
    rig.device.reset();
    rig.driver = virtio_gpu::testing::Driver::new(rig.memory.clone());
    rig.start(1 << 32);

    let edid = rig.call(Command::GetEdid {
        scanout: virtio_gpu::protocol::ScanoutId(0),
    });

    assert_eq!(edid, Err(ErrorCode::Unspec));
}

#[test]
fn a_queue_needs_memory_first() {
    let config = virtio_gpu::DeviceConfig::default();
    let mut device = virtio_gpu::Device::new(config, support::Recorder::new(1)).unwrap();
    let memory = virtio_gpu::testing::guest_memory(support::MEMORY);
    let setup = virtio_gpu::testing::Driver::new(memory)
        .ring(QueueIndex::Control)
        .setup();

    let started = device.start_queue(QueueIndex::Control, &setup);

    assert!(matches!(started, Err(DeviceError::NoMemory)));
}

#[test]
fn a_context_id_in_the_header_does_not_disturb_a_2d_command() {
    // Linux puts the context id in the header of some 2D commands.
    let mut rig = Rig::new();
    let command = create(1, 2, 4, 4);
    let mut head = header(&command, Some(3));
    head.context = ContextId(12);
    let request = command.encode(&head);

    let answers = rig.call_bytes(QueueIndex::Control, &request, 24);

    let (response, outcome) = answers[0].decode();
    assert_eq!(outcome, OK);
    assert_eq!(response.fence_id, 3);
}
