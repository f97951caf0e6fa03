//! G13 to G16: TRANSFER_TO_HOST_3D and TRANSFER_FROM_HOST_3D.

use virtio_gpu::protocol::{Box3, Transfer3d};

use super::{Setting, drawn};
use crate::case::{
    ANY_ERROR, BADCTX, BADPARAM, BADRES, Case, Expect, OK, Step, UNSPEC, UNSPEC_OR_BADPARAM,
};
use crate::map::{IMAGE, PLUGGED};
use crate::message::{Message, attach, create, detach, transfer, unref, whole};
use crate::message_3d::{
    all_of, attach_to, buffer, create_3d, create_context, from_host, submit, texture, to_host,
};

type Way = (&'static str, fn(u32, Transfer3d) -> Message);

/// Either direction.
const WAYS: [Way; 2] = [("to host", to_host), ("from host", from_host)];

impl Case {
    /// A texture of 32x32 with the gradient behind it, attached to context 1.
    fn with_texture(self) -> Self {
        self.write(IMAGE, drawn(32, 32).bytes()).given([
            create_context(1),
            create_3d(texture(1, 32, 32)),
            attach(1, &[(IMAGE, 4096)]),
            attach_to(1, 1),
        ])
    }
}

pub(super) fn cases(setting: &Setting) -> Vec<Case> {
    let mut cases = Vec::new();
    for (way, request) in WAYS {
        let of = |id| all_of(id, 32, 32);
        cases.push(
            Case::hostile("G13", format!("{way}, unknown or not attached"))
                .with_texture()
                .given([create_context(2)])
                .send(request(9, of(1)), BADCTX)
                .send(request(1, of(9)), BADRES)
                .send(request(0, of(0)), BADRES)
                .send(request(9, of(9)), BADCTX)
                .send(request(2, of(1)), UNSPEC),
        );
        cases.push(
            Case::legal("G13", format!("{way}, of no context and of one"))
                .with_texture()
                .given([request(1, of(1)), request(0, of(1))]),
        );
        cases.push(
            Case::hostile("G16", format!("{way}, no backing"))
                .given([create_context(1), create_3d(texture(1, 32, 32))])
                .given([attach_to(1, 1)])
                .send(request(1, of(1)), UNSPEC)
                .send(request(0, of(1)), UNSPEC)
                .given([attach(1, &[(IMAGE, 4096)]), request(1, of(1)), detach(1)])
                .send(request(1, of(1)), UNSPEC),
        );
        for (why, region) in OUTSIDE {
            let transfer = Transfer3d { region, ..of(1) };
            cases.push(
                Case::hostile("G14", format!("{way}, {why}"))
                    .with_texture()
                    .send(request(1, transfer), BADPARAM)
                    .given([request(1, of(1))]),
            );
        }
        for level in [1, 31, u32::MAX] {
            let transfer = Transfer3d { level, ..of(1) };
            cases.push(
                Case::hostile("G14", format!("{way}, level {level}"))
                    .with_texture()
                    .send(request(1, transfer), BADPARAM),
            );
        }
        for (why, transfer, expect) in layouts(setting) {
            cases.push(
                Case::hostile("G15", format!("{way}, {why}"))
                    .with_texture()
                    .send(request(1, transfer), expect),
            );
        }
        cases.push(
            Case::hostile("A16", format!("{way}, the memory behind it is taken away"))
                .given([
                    create_3d(texture(1, 32, 32)),
                    attach(1, &[(PLUGGED, 4096)]),
                    request(0, of(1)),
                ])
                .step(Step::Unplug)
                .send(request(0, of(1)), UNSPEC)
                .send(transfer(1, whole(32, 32), 0), UNSPEC)
                .send(attach(1, &[(IMAGE, 4096)]), UNSPEC)
                .given([detach(1), attach(1, &[(IMAGE, 4096)]), request(0, of(1))]),
        );
    }
    cases.extend(round_trips());
    cases
}

const fn region(place: [u32; 3], size: [u32; 3]) -> Box3 {
    let [x, y, z] = place;
    let [width, height, depth] = size;
    Box3 {
        x,
        y,
        z,
        width,
        height,
        depth,
    }
}

const MOST: u32 = u32::MAX;

/// Regions that leave 32x32 texels, or have none.
const OUTSIDE: [(&str, Box3); 10] = [
    ("one texel too wide", region([0, 0, 0], [33, 32, 1])),
    ("one texel too high", region([0, 0, 0], [32, 33, 1])),
    ("one texel to the right", region([1, 0, 0], [32, 32, 1])),
    ("the right edge wraps", region([MOST, 0, 0], [2, 1, 1])),
    ("the lower edge wraps", region([0, MOST, 0], [1, 2, 1])),
    ("the back wraps", region([0, 0, MOST], [1, 1, 2])),
    ("behind it", region([0, 0, 1], [32, 32, 1])),
    ("too deep", region([0, 0, 0], [32, 32, MOST])),
    ("no depth", region([0, 0, 0], [32, 32, 0])),
    ("everything", region([MOST; 3], [MOST; 3])),
];

fn layouts(setting: &Setting) -> Vec<(&'static str, Transfer3d, Expect)> {
    let plain = all_of(1, 32, 32);
    let short = setting.rendering.refusal(UNSPEC_OR_BADPARAM);
    vec![
        ("a stride of 1", Transfer3d { stride: 1, ..plain }, short),
        (
            "a layer stride of 1",
            Transfer3d {
                layer_stride: 1,
                ..plain
            },
            short,
        ),
        (
            "a stride past the backing",
            Transfer3d {
                stride: 4096,
                ..plain
            },
            UNSPEC_OR_BADPARAM,
        ),
        (
            "a stride of 2^32 - 4",
            Transfer3d {
                stride: MOST - 3,
                ..plain
            },
            UNSPEC_OR_BADPARAM,
        ),
        (
            "one byte past the backing",
            Transfer3d { offset: 1, ..plain },
            UNSPEC_OR_BADPARAM,
        ),
        (
            "an offset of 2^63",
            Transfer3d {
                offset: 1 << 63,
                ..plain
            },
            UNSPEC_OR_BADPARAM,
        ),
        (
            "an offset that wraps",
            Transfer3d {
                offset: u64::MAX,
                ..plain
            },
            UNSPEC_OR_BADPARAM,
        ),
    ]
}

fn round_trips() -> Vec<Case> {
    let bytes = drawn(32, 32).bytes();
    let there = IMAGE + 0x1_0000;
    vec![
        Case::legal("G16", "what goes to the host comes back from it")
            .with_texture()
            .write(there, vec![0; 4096])
            .given([
                to_host(1, all_of(1, 32, 32)),
                detach(1),
                attach(1, &[(there, 4096)]),
                from_host(1, all_of(1, 32, 32)),
            ])
            .holds(there, bytes.clone()),
        Case::legal("G16", "what goes to a scattered backing comes back right")
            .write(IMAGE, bytes.clone())
            .write(there, vec![0; 8192])
            .given([
                create_3d(texture(1, 32, 32)),
                attach(1, &[(IMAGE, 1000), (IMAGE + 1000, 3096)]),
                to_host(0, all_of(1, 32, 32)),
                detach(1),
                attach(1, &[(there, 1), (there + 4096, 4095)]),
                from_host(0, all_of(1, 32, 32)),
            ])
            .holds(there, bytes[..1].to_vec())
            .holds(there + 4096, bytes[1..].to_vec()),
        Case::legal("T13", "a 2D transfer to a texture")
            .with_texture()
            .write(there, vec![0; 4096])
            .given([
                transfer(1, whole(32, 32), 0),
                detach(1),
                attach(1, &[(there, 4096)]),
                from_host(0, all_of(1, 32, 32)),
            ])
            .holds(there, bytes),
        Case::hostile("T13", "a 2D transfer to a buffer")
            .given([create_3d(buffer(1, 4096)), attach(1, &[(IMAGE, 4096)])])
            .send(transfer(1, whole(32, 32), 0), ANY_ERROR),
        Case::legal("G13", "a 3D transfer of a 2D resource")
            .with_image(1, 32, 32)
            .write(there, vec![0; 4096])
            .given([create_context(1), attach_to(1, 1)])
            .given([
                to_host(1, all_of(1, 32, 32)),
                detach(1),
                attach(1, &[(there, 4096)]),
                from_host(1, all_of(1, 32, 32)),
            ])
            .holds(there, drawn(32, 32).bytes()),
        Case::legal("U02", "of a texture with backing, after transfers")
            .with_texture()
            .given([to_host(1, all_of(1, 32, 32)), unref(1), submit(1, &[])])
            .send(unref(1), BADRES)
            .send(create(1, 4, 4), OK),
    ]
}
