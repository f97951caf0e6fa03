//! Other device models ask for the guest's resources.
#![allow(clippy::arithmetic_side_effects, clippy::panic, clippy::unwrap_used)]

mod support;

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;

use gpu_renderer::RenderQueue;
use gpu_renderer::testing::{Order, Recording};
use resource_bridge::{Buffer, Key, Owner, Reason, Sharing, Ticket};
use support::{FEATURES, IMAGE, MEMORY, OK, Recorder, Rect, Rig, gradient, rect};
use virtio_gpu::protocol::{Command, ContextId, ResourceId};
use virtio_gpu::testing::{guest_memory, header};
use virtio_gpu::{Device, DeviceConfig, Limits, QueueIndex};
use vm_memory::{FileOffset, MmapRegion, VolatileMemory};

fn share(rig: &mut Rig, id: u32) -> Result<Buffer, Reason> {
    let described = rig.device.describe(Key::Id(id))?;
    match rig.device.share(&described, Ticket(1)) {
        Sharing::Done(shared) => shared,
        Sharing::Later => panic!("nothing of a 2D resource takes time"),
    }
}

fn file(buffer: Buffer) -> OwnedFd {
    let mut planes = buffer.planes.into_iter();
    planes.next().unwrap().fd
}

/// The memory as a client maps it.
fn map(buffer: Buffer) -> MmapRegion {
    let size = usize::try_from(buffer.size).unwrap();
    let file = File::from(file(buffer));
    MmapRegion::from_file(FileOffset::new(file, 0), size).unwrap()
}

fn words(memory: &MmapRegion) -> Vec<u32> {
    let mut words = vec![0_u32; memory.size() / 4];
    memory.as_volatile_slice().copy_to(&mut words[..]);
    words
}

fn gradient_of(width: u32, height: u32) -> Vec<u32> {
    (0..height)
        .flat_map(|y| (0..width).map(move |x| gradient(x, y)))
        .collect()
}

#[test]
fn a_resource_is_shared_with_what_was_drawn_and_what_is_drawn_later() {
    let mut rig = Rig::new();
    rig.image(1, 8, 4, gradient);

    let shared = share(&mut rig, 1).unwrap();

    assert_eq!((shared.width, shared.height), (8, 4));
    assert_eq!(shared.format as u32, u32::from_le_bytes(*b"XR24"));
    assert_eq!((shared.modifier, shared.size), (Some(0), 128));
    assert!(shared.mappable);
    assert_eq!(shared.planes.len(), 1);
    assert_eq!((shared.planes[0].offset, shared.planes[0].stride), (0, 32));
    let memory = map(shared);
    assert_eq!(words(&memory), gradient_of(8, 4));
    rig.paint(IMAGE, 8, 4, |_, _| 0x00ff_00ff);
    assert_eq!(rig.transfer(1, rect(0, 0, 8, 4), 0), OK);
    assert_eq!(words(&memory), [0x00ff_00ff; 32]);
}

#[test]
fn what_another_device_draws_is_shown_at_the_guest_s_next_flush() {
    let mut rig = Rig::new();
    rig.image(1, 8, 4, gradient);
    assert_eq!(rig.set_scanout(0, 1, rect(0, 0, 8, 4)), OK);
    assert_eq!(rig.flush(1, rect(0, 0, 8, 4)), OK);
    rig.records();
    let memory = map(share(&mut rig, 1).unwrap());

    memory
        .as_volatile_slice()
        .copy_from(&[0x0012_3456_u32; 32][..]);
    assert_eq!(rig.flush(1, rect(0, 0, 8, 4)), OK);

    let frames = rig.frames();
    assert_eq!(frames.len(), 1);
    assert_eq!(frames[0].1, [0x0012_3456; 32]);
}

#[test]
fn a_resource_in_which_nothing_was_drawn_is_shared_as_zeros() {
    let mut rig = Rig::new();
    assert_eq!(rig.create(1, 16, 16), OK);

    let memory = map(share(&mut rig, 1).unwrap());

    assert_eq!(words(&memory), [0; 256]);
}

#[test]
fn a_resource_shared_twice_is_the_same_memory() {
    let mut rig = Rig::new();
    rig.image(1, 8, 4, gradient);

    let files = [1, 2].map(|_| File::from(file(share(&mut rig, 1).unwrap())));

    let [first, second] = files.map(|file| file.metadata().unwrap());
    assert_eq!((first.dev(), first.ino()), (second.dev(), second.ino()));
}

#[test]
fn the_memory_cannot_be_cut_off_under_whoever_maps_it() {
    let mut rig = Rig::new();
    rig.image(1, 8, 4, gradient);

    let file = File::from(file(share(&mut rig, 1).unwrap()));

    assert!(file.set_len(0).is_err());
    assert!(file.set_len(1 << 20).is_err());
}

#[test]
fn an_id_that_is_used_again_is_another_resource_and_the_old_memory_stays_as_it_was() {
    let mut rig = Rig::new();
    rig.image(1, 8, 4, gradient);
    let described = rig.device.describe(Key::Id(1)).unwrap();
    let old = share(&mut rig, 1).unwrap();
    let (old_generation, old) = (old.generation, map(old));
    assert_eq!(rig.unref(1), OK);
    rig.image(1, 8, 4, |_, _| 0x00aa_aaaa);

    let new = share(&mut rig, 1).unwrap();

    assert_ne!(new.generation, old_generation);
    assert_eq!(words(&old), gradient_of(8, 4));
    assert_eq!(words(&map(new)), [0x00aa_aaaa; 32]);
    let stale = rig.device.share(&described, Ticket(2));
    assert!(
        matches!(stale, Sharing::Done(Err(Reason::Gone))),
        "{stale:?}"
    );
}

#[test]
fn a_resource_of_the_next_driver_is_another_one_though_its_id_is_the_same() {
    let mut rig = Rig::new();
    rig.image(1, 8, 4, gradient);
    let before = rig.device.describe(Key::Id(1)).unwrap();

    rig.device.reset();
    let mut rig = Rig::around(rig.device, guest_memory(MEMORY), FEATURES);
    rig.image(1, 8, 4, gradient);

    let after = rig.device.describe(Key::Id(1)).unwrap();
    assert_ne!(after.generation, before.generation);
    let stale = rig.device.share(&before, Ticket(1));
    assert!(
        matches!(stale, Sharing::Done(Err(Reason::Gone))),
        "{stale:?}"
    );
}

#[test]
fn a_transfer_under_way_ends_in_the_shared_memory() {
    let limits = Limits::default();
    let mut limits = limits;
    limits.transfer_step_bytes = 32;
    limits.turn_commands = 1;
    let mut rig = Rig::with(1, limits);
    rig.image(1, 8, 4, |_, _| 0);
    rig.paint(IMAGE, 8, 4, gradient);
    let command = Command::TransferToHost2d {
        rect: Rect::from_size(8, 4),
        offset: 0,
        resource: ResourceId(1),
    };
    rig.driver.send(&command, None);
    assert!(rig.kick(QueueIndex::Control).more, "it has begun");

    let memory = map(share(&mut rig, 1).unwrap());
    while rig.kick(QueueIndex::Control).more {}

    assert_eq!(rig.driver.take_answers(QueueIndex::Control).len(), 1);
    assert_eq!(words(&memory), gradient_of(8, 4));
}

#[test]
fn as_many_resources_as_the_limit_says_are_shared_at_a_time() {
    let mut limits = Limits::default();
    limits.shared_resources = 2;
    let mut rig = Rig::with(1, limits);
    for id in 1..=3 {
        assert_eq!(rig.create(id, 4, 4), OK);
    }

    assert!(share(&mut rig, 1).is_ok());
    assert!(share(&mut rig, 2).is_ok());
    assert!(matches!(share(&mut rig, 3), Err(Reason::TooManyShared)));
    assert!(share(&mut rig, 2).is_ok(), "it is shared already");
    assert_eq!(rig.unref(1), OK);
    assert!(share(&mut rig, 3).is_ok(), "there is room again");
}

#[test]
fn what_the_device_does_not_have_it_does_not_share() {
    let mut rig = Rig::new();

    assert!(matches!(share(&mut rig, 0), Err(Reason::UnknownResource)));
    assert!(matches!(share(&mut rig, 5), Err(Reason::UnknownResource)));
    let by_uuid = rig.device.describe(Key::Uuid([0; 16]));
    assert!(matches!(by_uuid, Err(Reason::UnknownResource)));
    let fence = rig.device.fence(1, Ticket(1));
    assert!(matches!(fence, Sharing::Done(Err(Reason::NoFences))));
}

#[test]
fn those_who_decide_are_told_what_the_resource_is() {
    let mut rig = Rig::new();
    rig.image(3, 8, 4, gradient);
    let hidden = rig.device.describe(Key::Id(3)).unwrap();
    assert_eq!(rig.set_scanout(0, 3, rect(0, 0, 8, 4)), OK);
    let shown = rig.device.describe(Key::Id(3)).unwrap();

    assert_eq!((hidden.resource, hidden.width, hidden.height), (3, 8, 4));
    assert_eq!((hidden.shown, shown.shown), (false, true));
    assert_eq!(hidden.generation, shown.generation);
    assert!(!hidden.rendered);
}

#[test]
fn a_resource_of_a_renderer_that_shares_nothing_stays_inside() {
    let (recording, _journal) = Recording::new();
    let queue = RenderQueue::inline(Box::new(recording));
    let config = DeviceConfig::default();
    let device = Device::with_renderer(config, Recorder::new(1), queue).unwrap();
    let features = FEATURES | 1;
    let mut rig = Rig::around(device, guest_memory(MEMORY), features);
    rig.image(1, 8, 4, gradient);
    assert!(share(&mut rig, 1).is_ok(), "it is ours as yet");
    let stream = Order::stream(&[Order::Sleep { milliseconds: 0 }]);
    let commands: Vec<u8> = stream.into_iter().flat_map(u32::to_le_bytes).collect();
    for command in [
        Command::CtxCreate {
            name: b"drawer",
            context_init: 0,
        },
        Command::CtxAttachResource {
            resource: ResourceId(1),
        },
        Command::Submit3d {
            commands: &commands,
        },
    ] {
        let mut header = header(&command, None);
        header.context = ContextId(1);
        let request = command.encode(&header);
        let answers = rig.call_bytes(QueueIndex::Control, &request, 64);
        assert_eq!(answers[0].outcome(), OK, "{command:?}");
    }

    let shared = share(&mut rig, 1);

    assert!(rig.device.describe(Key::Id(1)).unwrap().rendered);
    assert!(matches!(shared, Err(Reason::RendererSharesNothing)));
}
