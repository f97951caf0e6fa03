//! RESOURCE_ASSIGN_UUID: names by which other devices know a resource.
#![allow(clippy::arithmetic_side_effects, clippy::panic, clippy::unwrap_used)]

mod support;

use std::collections::HashSet;

use resource_bridge::{Key, Owner, Reason, Uuid};
use support::{FEATURES, MEMORY, OK, Rig, gradient};
use virtio_gpu::protocol::{Command, ErrorCode, ResourceId, Success};
use virtio_gpu::testing::guest_memory;
use virtio_gpu::{Device, DeviceConfig, QueueIndex};

/// `VIRTIO_GPU_F_RESOURCE_UUID`.
const RESOURCE_UUID: u64 = 1 << 2;

fn rig() -> Rig {
    let device = Device::new(DeviceConfig::default(), support::Recorder::new(1)).unwrap();
    Rig::around(device, guest_memory(MEMORY), FEATURES | RESOURCE_UUID)
}

fn assign(rig: &mut Rig, id: u32) -> Result<Uuid, ErrorCode> {
    let resource = ResourceId(id);
    match rig.call(Command::ResourceAssignUuid { resource })? {
        Success::ResourceUuid(uuid) => Ok(uuid),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_resource_gets_a_random_uuid_and_keeps_it() {
    let mut rig = rig();
    assert_eq!(rig.create(1, 4, 4), OK);

    let uuid = assign(&mut rig, 1).unwrap();

    // RFC 9562: version 4 in the seventh byte, variant 0b10 in the ninth.
    assert_eq!((uuid[6] >> 4, uuid[8] >> 6), (4, 0b10));
    assert_eq!(assign(&mut rig, 1), Ok(uuid));
}

#[test]
fn no_two_resources_have_the_same_and_no_later_one_with_the_same_id() {
    let mut rig = rig();
    let mut all = HashSet::new();

    for _ in 0..3 {
        for id in 1..=100 {
            assert_eq!(rig.create(id, 4, 4), OK);
            assert!(all.insert(assign(&mut rig, id).unwrap()));
        }
        for id in 1..=100 {
            assert_eq!(rig.unref(id), OK);
        }
    }

    let bits = |place: fn(&Uuid) -> u8| all.iter().map(place).collect::<HashSet<_>>().len();
    assert!(bits(|uuid| uuid[0]) > 100, "the bytes are random");
    assert!(bits(|uuid| uuid[15]) > 100, "the bytes are random");
}

#[test]
fn resources_that_do_not_exist_get_none() {
    let mut rig = rig();

    for id in [0, 1, u32::MAX] {
        assert_eq!(assign(&mut rig, id), Err(ErrorCode::InvalidResourceId));
    }
}

#[test]
fn an_answer_that_does_not_fit_is_an_error_and_the_uuid_is_the_same_later() {
    let mut rig = rig();
    assert_eq!(rig.create(1, 4, 4), OK);
    let resource = ResourceId(1);
    let command = Command::ResourceAssignUuid { resource };
    let request = command.encode(&virtio_gpu::testing::header(&command, None));

    let answers = rig.call_bytes(QueueIndex::Control, &request, 39);

    let expected = Err(ErrorCode::InvalidParameter);
    assert_eq!(answers[0].outcome(), expected);
    let uuid = assign(&mut rig, 1).unwrap();
    assert_eq!(assign(&mut rig, 1), Ok(uuid));
}

#[test]
fn other_device_models_find_the_resource_by_its_uuid_and_the_uuid_by_the_resource() {
    let mut rig = rig();
    rig.image(7, 8, 4, gradient);
    let by_id = rig.device.describe(Key::Id(7)).unwrap();
    assert_eq!(rig.device.uuid(&by_id), Err(Reason::NoUuid));

    let uuid = assign(&mut rig, 7).unwrap();

    assert_eq!(rig.device.uuid(&by_id), Ok(uuid));
    assert_eq!(rig.device.describe(Key::Uuid(uuid)), Ok(by_id));
    let mut other = uuid;
    other[0] ^= 1;
    let unknown = rig.device.describe(Key::Uuid(other));
    assert_eq!(unknown, Err(Reason::UnknownResource));
}

#[test]
fn a_uuid_goes_with_its_resource_and_means_nothing_afterwards() {
    let mut rig = rig();
    assert_eq!(rig.create(1, 4, 4), OK);
    let uuid = assign(&mut rig, 1).unwrap();
    let old = rig.device.describe(Key::Uuid(uuid)).unwrap();

    assert_eq!(rig.unref(1), OK);
    assert_eq!(rig.create(1, 4, 4), OK);

    let unknown = rig.device.describe(Key::Uuid(uuid));
    assert_eq!(unknown, Err(Reason::UnknownResource));
    assert_eq!(rig.device.uuid(&old), Err(Reason::Gone));
    let new = rig.device.describe(Key::Id(1)).unwrap();
    assert_eq!(rig.device.uuid(&new), Err(Reason::NoUuid));
}

#[test]
fn a_reset_takes_all_uuids() {
    let mut rig = rig();
    assert_eq!(rig.create(1, 4, 4), OK);
    let uuid = assign(&mut rig, 1).unwrap();

    rig.device.reset();
    let features = FEATURES | RESOURCE_UUID;
    let mut rig = Rig::around(rig.device, guest_memory(MEMORY), features);
    assert_eq!(rig.create(1, 4, 4), OK);

    let unknown = rig.device.describe(Key::Uuid(uuid));
    assert_eq!(unknown, Err(Reason::UnknownResource));
    assert_ne!(assign(&mut rig, 1), Ok(uuid));
}
