//! K: names of resources for other devices.

use super::Setting;
use crate::case::{BADPARAM, BADRES, Case, OK, Step, UNSPEC, UUID};
use crate::in_process::FEATURES;
use crate::message::{assign_uuid, create, unref};
use crate::message_3d::{buffer, create_3d, texture};

/// `VIRTIO_GPU_F_VIRGL`.
const VIRGL: u64 = 1 << 0;
/// `VIRTIO_GPU_F_RESOURCE_UUID`.
const RESOURCE_UUID: u64 = 1 << 2;

/// A driver that wants UUIDs.
fn with_uuids() -> Step {
    Step::Reset {
        features: FEATURES | RESOURCE_UUID,
    }
}

pub(super) fn cases(setting: &Setting) -> Vec<Case> {
    let mut cases: Vec<_> = [0, 1, u32::MAX]
        .map(|id| {
            Case::hostile("K06", format!("resource {id}"))
                .step(with_uuids())
                .send(assign_uuid(id), BADRES)
        })
        .into();
    for room in [24, 25, 39] {
        cases.push(
            Case::hostile("K06", format!("a UUID in {room} bytes"))
                .step(with_uuids())
                .given([create(1, 4, 4)])
                .send(assign_uuid(1).room(room), BADPARAM)
                .send(assign_uuid(1), UUID),
        );
    }
    cases.extend([
        Case::hostile("K06", "a resource that is gone")
            .step(with_uuids())
            .given([create(1, 4, 4)])
            .send(assign_uuid(1), UUID)
            .send(unref(1), OK)
            .send(assign_uuid(1), BADRES),
        Case::hostile("K06", "a driver that did not ask for UUIDs")
            .step(Step::Reset { features: FEATURES })
            .given([create(1, 4, 4)])
            .send(assign_uuid(1), UNSPEC),
        Case::legal("K07", "over and over")
            .step(with_uuids())
            .given([create(1, 4, 4)])
            .repeat(setting.rounds, |_| vec![Step::send(assign_uuid(1), UUID)]),
        Case::legal("K07", "of many resources that come and go")
            .step(with_uuids())
            .repeat(setting.rounds / 8, |_| {
                vec![
                    Step::send(create(1, 4, 4), OK),
                    Step::send(assign_uuid(1), UUID),
                    Step::send(unref(1), OK),
                ]
            }),
    ]);
    cases
}

pub(super) fn rendering_cases(_: &Setting) -> Vec<Case> {
    let with_both = Step::Reset {
        features: FEATURES | RESOURCE_UUID | VIRGL,
    };
    vec![
        Case::legal("K08", "of a texture and of a buffer, which is no picture")
            .step(with_both)
            .given([create_3d(texture(1, 8, 8)), create_3d(buffer(2, 64))])
            .send(assign_uuid(1), UUID)
            .send(assign_uuid(2), UUID),
    ]
}
