//! G08 to G12: RESOURCE_CREATE_3D, and what a new resource holds.

use virtio_gpu::protocol::ResourceCreate3d;

use super::{Rendering, Setting};
use crate::case::{
    ANY_ERROR, BADPARAM, BADRES, Case, OK, OOM, OOM_OR_BADPARAM, Step, UNSPEC_OR_BADPARAM,
};
use crate::map::IMAGE;
use crate::message::{attach, create, detach, transfer, unref, whole};
use crate::message_3d::{
    ARRAY_2D, BIND_CUSTOM, TEXTURE_2D, TEXTURE_3D, all_of, buffer, create_3d, from_host, texture,
};
use crate::oracle::CANARY;

pub(super) fn cases(setting: &Setting) -> Vec<Case> {
    let mut cases = arguments(setting);
    cases.extend(contents(setting));
    cases.extend(sizes());
    cases.extend([
        Case::hostile("C02", "an id of either kind is taken")
            .given([create(1, 8, 8), create_3d(texture(2, 8, 8))])
            .send(create_3d(texture(1, 8, 8)), BADRES)
            .send(create(2, 8, 8), BADRES)
            .send(create_3d(texture(0, 8, 8)), BADRES),
        Case::legal("C02", "an id goes over from one kind to the other")
            .given([create(1, 8, 8), unref(1)])
            .given([create_3d(texture(1, 8, 8)), unref(1)])
            .given([create(1, 8, 8), unref(1)]),
        Case::hostile("A08", "of the renderer's, attached twice")
            .given([create_3d(texture(1, 8, 8)), attach(1, &[(IMAGE, 256)])])
            .send(attach(1, &[(IMAGE, 256)]), crate::case::UNSPEC)
            .given([detach(1), attach(1, &[(IMAGE, 256)])]),
        Case::legal("U10", "of the renderer's, over and over").repeat(
            setting.rounds / 4,
            |round| {
                let id = 1 + round % 3;
                [
                    create_3d(texture(id, 16, 16)),
                    attach(id, &[(IMAGE, 1024)]),
                    transfer(id, whole(16, 16), 0),
                    unref(id),
                ]
                .map(|message| Step::send(message, OK))
                .into()
            },
        ),
    ]);
    cases
}

fn arguments(setting: &Setting) -> Vec<Case> {
    let plain = texture(1, 8, 8);
    let refused = setting.rendering.refusal(ANY_ERROR);
    let mut cases = Vec::new();
    let unknown = [
        ("target 9", ResourceCreate3d { target: 9, ..plain }),
        (
            "target 2^32 - 1",
            ResourceCreate3d {
                target: u32::MAX,
                ..plain
            },
        ),
        ("format 0", ResourceCreate3d { format: 0, ..plain }),
        (
            "format 2^32 - 1",
            ResourceCreate3d {
                format: u32::MAX,
                ..plain
            },
        ),
    ];
    for (why, create) in unknown {
        cases.push(
            Case::hostile("G08", why)
                .send(create_3d(create), refused)
                .send(create_3d(texture(2, 8, 8)), OK),
        );
    }
    // What is no contradiction may be taken.
    let odd = [
        (
            "everything bound",
            ResourceCreate3d {
                bind: u32::MAX,
                ..plain
            },
        ),
        ("nothing bound", ResourceCreate3d { bind: 0, ..plain }),
        (
            "unknown flags",
            ResourceCreate3d {
                flags: u32::MAX,
                ..plain
            },
        ),
    ];
    for (why, create) in odd {
        cases.push(
            Case::hostile("G08", why)
                .send(create_3d(create), crate::case::OK_OR_ANY_ERROR)
                .send(create_3d(texture(2, 8, 8)), OK),
        );
    }
    let none = [
        ("no width", ResourceCreate3d { width: 0, ..plain }),
        ("no height", ResourceCreate3d { height: 0, ..plain }),
        ("no depth", ResourceCreate3d { depth: 0, ..plain }),
        (
            "no layer",
            ResourceCreate3d {
                array_size: 0,
                ..plain
            },
        ),
        (
            "32 levels more",
            ResourceCreate3d {
                last_level: 32,
                ..plain
            },
        ),
    ];
    for (why, create) in none {
        let expect = match why {
            // A flat texture of no layers is one of one.
            "no layer" => crate::case::OK_OR_BADPARAM,
            _ => BADPARAM,
        };
        cases.push(Case::hostile("G09", why).send(create_3d(create), expect));
    }
    let most = u32::MAX;
    let many = [
        (
            "2^32 - 1 layers",
            ResourceCreate3d {
                target: ARRAY_2D,
                array_size: most,
                ..plain
            },
        ),
        (
            "2^31 samples",
            ResourceCreate3d {
                samples: 1 << 31,
                ..plain
            },
        ),
        (
            "2^32 - 1 of everything",
            ResourceCreate3d {
                target: TEXTURE_3D,
                width: most,
                height: most,
                depth: most,
                array_size: most,
                last_level: most,
                samples: most,
                ..plain
            },
        ),
    ];
    for (why, create) in many {
        cases.push(Case::hostile("G09", why).send(create_3d(create), OOM_OR_BADPARAM));
    }
    let layers = ResourceCreate3d {
        target: ARRAY_2D,
        array_size: 2,
        samples: 4,
        ..plain
    };
    cases.push(
        Case::hostile("G10", "samples and layers")
            .send(create_3d(layers), setting.rendering.refusal(BADPARAM)),
    );
    let deep = ResourceCreate3d {
        target: TEXTURE_2D,
        depth: 2,
        ..plain
    };
    cases.push(Case::hostile("G09", "a flat texture of depth").send(create_3d(deep), BADPARAM));
    cases
}

/// Nothing of the host's is in a new resource.
fn contents(setting: &Setting) -> Vec<Case> {
    let canary = |bytes: usize| vec![CANARY; bytes];
    let mut cases = vec![
        Case::legal("C13", "a new texture is read back")
            .write(IMAGE, canary(4096))
            .given([
                create_3d(texture(1, 32, 32)),
                attach(1, &[(IMAGE, 4096)]),
                from_host(0, all_of(1, 32, 32)),
            ])
            .holds(IMAGE, vec![0; 4096]),
    ];
    if setting.rendering == Rendering::Virgl {
        let custom = |id| ResourceCreate3d {
            bind: BIND_CUSTOM,
            ..buffer(id, 4096)
        };
        cases.push(
            Case::legal("G11", "a new buffer is read back")
                .write(IMAGE, canary(4096))
                .given([
                    create_3d(buffer(1, 4096)),
                    attach(1, &[(IMAGE, 4096)]),
                    from_host(0, all_of(1, 4096, 1)),
                ])
                .holds(IMAGE, vec![0; 4096]),
        );
        // Such a buffer is the guest's memory: it holds what was there, or zeros.
        cases.push(
            Case::hostile("G11", "a new buffer of the kind CUSTOM is read back")
                .write(IMAGE, vec![0; 4096])
                .given([create_3d(custom(1)), attach(1, &[(IMAGE, 4096)])])
                .send(
                    from_host(0, all_of(1, 4096, 1)),
                    crate::case::OK_OR_ANY_ERROR,
                )
                .holds(IMAGE, vec![0; 4096]),
        );
    } else {
        cases.push(
            Case::hostile("G11", "a buffer of the kind CUSTOM")
                .given([create_3d(ResourceCreate3d {
                    bind: BIND_CUSTOM,
                    ..buffer(1, 4096)
                })])
                .given([attach(1, &[(IMAGE, 4096)]), unref(1)]),
        );
    }
    cases
}

fn sizes() -> Vec<Case> {
    let volume = |id, side| ResourceCreate3d {
        target: TEXTURE_3D,
        depth: side,
        flags: 0,
        ..texture(id, side, side)
    };
    let next = || texture(2, 8, 8);
    vec![
        Case::hostile("G12", "32 GiB of texels")
            .send(create_3d(volume(1, 2048)), OOM)
            .send(create_3d(next()), OK),
        Case::hostile("G12", "larger than any texture")
            .send(create_3d(texture(1, 1 << 20, 1)), ANY_ERROR)
            .send(create_3d(texture(1, 1, 1 << 20)), ANY_ERROR)
            .send(create_3d(next()), OK),
        Case::hostile("G12", "a buffer of 4 GiB")
            .send(create_3d(buffer(1, u32::MAX)), OOM)
            .send(create_3d(next()), OK),
        Case::hostile("S15", "what is no flat picture is not shown")
            .given([create_3d(volume(1, 8)), create_3d(buffer(2, 256))])
            .send(
                crate::message::set_scanout(0, 1, whole(8, 8)),
                UNSPEC_OR_BADPARAM,
            )
            .send(
                crate::message::set_scanout(0, 2, whole(8, 1)),
                UNSPEC_OR_BADPARAM,
            )
            .shows(0, None),
    ]
}
