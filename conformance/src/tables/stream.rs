//! G17 to G30: SUBMIT_3D.
//!
//! The streams are virglrenderer's: a command is a header (arguments, object, number) and its
//! arguments. To the recording renderer none of them is a command, which it says.

use virtio_gpu::testing::Piece;

use super::{Rendering, Setting};
use crate::case::{
    ANY_ERROR, BADCTX, BADPARAM, Case, Expect, OK, OK_OR_ANY_ERROR, OOM_OR_BADPARAM, Step,
};
use crate::exchange::{Exchange, WRITE};
use crate::map::{ANSWER, BORDER, IMAGE, REQUEST};
use crate::message::{attach, create};
use crate::message_3d::{
    attach_to, buffer, create_3d, create_context, destroy_context, submit, submit_bytes,
    submit_promising, texture,
};

/// Numbers of commands, `enum virgl_context_cmd`.
mod number {
    pub(super) const NOP: u32 = 0;
    pub(super) const CREATE_OBJECT: u32 = 1;
    pub(super) const BIND_OBJECT: u32 = 2;
    pub(super) const DESTROY_OBJECT: u32 = 3;
    pub(super) const SET_FRAMEBUFFER_STATE: u32 = 5;
    pub(super) const SET_VERTEX_BUFFERS: u32 = 6;
    pub(super) const CLEAR: u32 = 7;
    pub(super) const DRAW_VBO: u32 = 8;
    pub(super) const RESOURCE_INLINE_WRITE: u32 = 9;
    pub(super) const SET_SAMPLER_VIEWS: u32 = 10;
    pub(super) const SET_CONSTANT_BUFFER: u32 = 12;
    pub(super) const BLIT: u32 = 16;
    pub(super) const RESOURCE_COPY_REGION: u32 = 17;
    pub(super) const END_QUERY: u32 = 20;
    pub(super) const SET_SHADER_BUFFERS: u32 = 34;
    pub(super) const SET_SHADER_IMAGES: u32 = 35;
    pub(super) const LAUNCH_GRID: u32 = 37;
    pub(super) const TRANSFER3D: u32 = 43;
    pub(super) const CLEAR_TEXTURE: u32 = 47;
}
use number::*;

/// Kinds of objects, `enum virgl_object_type`.
const BLEND: u32 = 1;
const SHADER: u32 = 4;
const SURFACE: u32 = 8;
const QUERY: u32 = 9;

/// Where a long stream is; the oracle watches the border.
const LONG: u64 = BORDER + 0x1_0000;

/// A word that is no command of anybody's.
const NONSENSE: u32 = u32::MAX;

fn command(number: u32, object: u32, arguments: &[u32]) -> Vec<u32> {
    let length = arguments.len() as u32;
    let mut words = vec![length << 16 | object << 8 | number];
    words.extend_from_slice(arguments);
    words
}

pub(super) fn cases(setting: &Setting) -> Vec<Case> {
    let mut cases = lengths(setting);
    cases.extend(contexts());
    cases.extend(nonsense());
    cases.extend(regions());
    cases.extend(states());
    cases.extend(objects(setting));
    cases.extend(raced());
    cases
}

fn lengths(setting: &Setting) -> Vec<Case> {
    let mut cases = vec![
        Case::legal("G17", "a stream of no bytes").given([
            create_context(1),
            submit(1, &[]),
            submit(1, &[]),
        ]),
        Case::hostile("G18", "2^32 - 1 bytes promised, 4 there")
            .given([create_context(1)])
            .send(submit_promising(1, u32::MAX, &[0; 4]), BADPARAM)
            .send(submit_promising(1, u32::MAX - 3, &[0; 4]), BADPARAM)
            .send(submit_promising(1, 0x8000_0000, &[0; 4]), BADPARAM)
            .send(submit_promising(1, 8, &[0; 4]), BADPARAM),
        Case::legal("G18", "fewer promised than there are")
            .given([create_context(1), submit_promising(1, 0, &[0xff; 64])]),
        Case::legal(
            "G20",
            "what an extension of others reads as a count of fences",
        )
        .given([create_context(1)])
        .send(submit(1, &[]).patched(28, &[0xff; 4]), OK),
    ];
    for length in [1, 2, 3, 5, 4095] {
        cases.push(
            Case::hostile("G19", format!("{length} bytes"))
                .given([create_context(1)])
                .send(submit_bytes(1, &vec![0; length]), BADPARAM),
        );
    }
    // The longest there may be, and one that is longer, out of memory that holds zeros.
    let of = |bytes: u32, expect| {
        let mut long = Exchange::framed(
            submit_promising(1, bytes, &[]),
            [
                Piece::readable(REQUEST, 32),
                Piece::readable(LONG, bytes),
                Piece {
                    address: ANSWER,
                    length: 24,
                    flags: WRITE,
                },
            ],
        );
        long.expect = expect;
        Step::Exchange(long)
    };
    let longest = match setting.rendering {
        // Zeros are NOP.
        Rendering::Virgl => OK,
        _ => ANY_ERROR,
    };
    cases.push(
        Case::hostile("G18", "16 MiB, and four bytes more")
            .write(LONG, vec![0; (16 << 20) + 4])
            .given([create_context(1)])
            .step(of(16 << 20, longest))
            .step(of((16 << 20) + 4, OOM_OR_BADPARAM)),
    );
    cases
}

fn contexts() -> Vec<Case> {
    let mut case = Case::hostile("G21", "unknown contexts").given([create(1, 4, 4)]);
    for context in [0, 1, 7, u32::MAX] {
        case = case
            .send(submit(context, &[]), BADCTX)
            .send(submit(context, &[NONSENSE]), BADCTX);
    }
    vec![case]
}

/// A stream in a context that has a texture of 8x8 (1) and a buffer of 64 bytes (2); what comes
/// after it works.
fn tried(id: &'static str, why: impl Into<String>, stream: &[u32], expect: Expect) -> Case {
    Case::hostile(id, why)
        .given([
            create_context(1),
            create_context(2),
            create_3d(texture(1, 8, 8)),
            create_3d(buffer(2, 64)),
            attach(2, &[(IMAGE, 64)]),
        ])
        .given([attach_to(1, 1), attach_to(1, 2)])
        .send(submit(1, stream), expect)
        .given([submit(2, &[])])
        // It may be dead after that.
        .send(submit(1, &[]), OK_OR_ANY_ERROR)
        .send(submit(1, &[]).fenced(77), OK_OR_ANY_ERROR)
        .given([destroy_context(1), create_context(1), submit(1, &[])])
}

fn nonsense() -> Vec<Case> {
    let longer = [0x0010_0000 | CLEAR, 1, 2];
    vec![
        tried("G22", "number 255", &command(255, 0, &[]), ANY_ERROR),
        tried("G22", "all ones", &[NONSENSE], ANY_ERROR),
        tried(
            "G22",
            "a command that is longer than the rest",
            &longer,
            ANY_ERROR,
        ),
        tried(
            "G22",
            "a command of no arguments that needs some",
            &command(SET_FRAMEBUFFER_STATE, 0, &[]),
            ANY_ERROR,
        ),
        tried(
            "G22",
            "a good command, then nonsense",
            &[command(NOP, 0, &[]), vec![NONSENSE]].concat(),
            ANY_ERROR,
        ),
        tried(
            "G29",
            "a context that has failed",
            &command(BIND_OBJECT, BLEND, &[4711]),
            OK_OR_ANY_ERROR,
        ),
    ]
}

/// What is written and copied outside of resources.
fn regions() -> Vec<Case> {
    let write = |resource: u32, size: [u32; 3], payload: usize| {
        // Resource, level, usage, stride, layer stride, x, y, z, width, height, depth.
        let mut arguments = vec![resource, 0, 0, 0, 0, 0, 0, 0];
        arguments.extend(size);
        arguments.resize(11 + payload, 0x4141_4141);
        command(RESOURCE_INLINE_WRITE, 0, &arguments)
    };
    let most = u32::MAX;
    let mut cases = vec![
        tried(
            "G23",
            "more texels than the texture has",
            &write(1, [64, 64, 1], 4096),
            OK_OR_ANY_ERROR,
        ),
        tried(
            "G23",
            "more bytes than the buffer has",
            &write(2, [4096, 1, 1], 1024),
            OK_OR_ANY_ERROR,
        ),
        tried(
            "G23",
            "less payload than texels",
            &write(1, [8, 8, 1], 1),
            OK_OR_ANY_ERROR,
        ),
        tried(
            "G23",
            "2^32 - 1 of all",
            &write(1, [most; 3], 16),
            OK_OR_ANY_ERROR,
        ),
        tried(
            "G23",
            "an unknown resource",
            &write(99, [1, 1, 1], 1),
            OK_OR_ANY_ERROR,
        ),
    ];
    let boxes = [
        ("negative", [most, most, most, 8, 8, 1]),
        ("huge", [0, 0, 0, 0x4000_0000, 0x4000_0000, 1]),
        ("of negative size", [0, 0, 0, most, most, most]),
        ("outside", [100, 100, 0, 8, 8, 1]),
        ("of 2^31 layers", [0, 0, 0, 8, 8, 0x7fff_ffff]),
        ("of a layer far behind", [0, 0, 0x7fff_ffff, 8, 8, 1]),
    ];
    for (why, region) in boxes {
        // Mask and filter, scissor, destination, source.
        let mut blit = vec![0xf, 0, 0, 1, 0, 2];
        blit.extend(region);
        blit.extend([1, 0, 2]);
        blit.extend(region);
        cases.push(tried(
            "G25",
            format!("a blit of a box that is {why}"),
            &command(BLIT, 0, &blit),
            OK_OR_ANY_ERROR,
        ));
        // Destination, level, place, source, level, box.
        let mut copy = vec![1, 0, region[0], region[1], region[2], 1, 0];
        copy.extend(region);
        cases.push(tried(
            "G25",
            format!("a copy of a box that is {why}"),
            &command(RESOURCE_COPY_REGION, 0, &copy),
            OK_OR_ANY_ERROR,
        ));
        for resource in [1, 2] {
            // Resource, level, box, colour.
            let mut clear = vec![resource, 0];
            clear.extend(region);
            clear.extend([0; 4]);
            cases.push(tried(
                "G25",
                format!("a cleared box of resource {resource} that is {why}"),
                &command(CLEAR_TEXTURE, 0, &clear),
                OK_OR_ANY_ERROR,
            ));
            // Resource, level, usage, strides, box, offset, direction: in, out.
            for direction in [1, 2] {
                let mut transfer = vec![resource, 0, 0, 0, 0];
                transfer.extend(region);
                transfer.extend([0, direction]);
                cases.push(tried(
                    "G14",
                    format!("a transfer {direction} in a stream, resource {resource}, {why}"),
                    &command(TRANSFER3D, 0, &transfer),
                    OK_OR_ANY_ERROR,
                ));
            }
        }
    }
    // A level that is not there, of both sides.
    let mut blit = vec![0xf, 0, 0];
    blit.extend([1, 0x20, 2, 0, 0, 0, 8, 8, 1].repeat(2));
    cases.push(tried(
        "G25",
        "a blit of level 32",
        &command(BLIT, 0, &blit),
        OK_OR_ANY_ERROR,
    ));
    cases
}

/// Commands that need a state that is not there, or have too much of it.
fn states() -> Vec<Case> {
    let most = u32::MAX;
    let clear = [5, 0, 0, 0, 0, 0, 0, 0];
    let mut cases = vec![
        tried(
            "G24",
            "CLEAR without a framebuffer",
            &command(CLEAR, 0, &clear),
            OK_OR_ANY_ERROR,
        ),
        tried(
            "G24",
            "DRAW without anything",
            &command(DRAW_VBO, 0, &[0, 3, 4, 0, 1, 0, 0, 0, 0, 0, 2, 0]),
            OK_OR_ANY_ERROR,
        ),
        tried(
            "G24",
            "DRAW of 2^32 - 1 vertices of a mode that is none",
            &command(
                DRAW_VBO,
                0,
                &[0, most, most, 1, most, 0, 0, 1, most, 0, most, 0],
            ),
            OK_OR_ANY_ERROR,
        ),
        tried(
            "G24",
            "LAUNCH_GRID without a shader",
            &command(LAUNCH_GRID, 0, &[1, 1, 1, 1, 1, 1, 0, 0]),
            OK_OR_ANY_ERROR,
        ),
        tried(
            "G24",
            "a framebuffer of surfaces that are not there",
            &command(SET_FRAMEBUFFER_STATE, 0, &[1, 0, 4711]),
            OK_OR_ANY_ERROR,
        ),
        tried(
            "G24",
            "a framebuffer of 2^32 - 1 surfaces",
            &command(SET_FRAMEBUFFER_STATE, 0, &[most, 0, 1]),
            OK_OR_ANY_ERROR,
        ),
        tried(
            "G24",
            "a query that is not there",
            &command(END_QUERY, 0, &[4711]),
            OK_OR_ANY_ERROR,
        ),
    ];
    let views = |number: u32, first: u32, count: usize, each: usize| {
        let mut arguments = vec![0, first];
        arguments.resize(2 + count * each, 1);
        command(number, 0, &arguments)
    };
    for (why, first, count) in [
        ("33 of 32", 0, 33),
        ("the slot behind the last", 32, 1),
        ("33 from slot 33 on", 33, 33),
        ("slot 2^32 - 1", most, 1),
        ("slot 2^32 - 1 and the next", most, 2),
    ] {
        for (what, number, each) in [
            ("buffers", SET_SHADER_BUFFERS, 3),
            ("images", SET_SHADER_IMAGES, 5),
            ("views", SET_SAMPLER_VIEWS, 1),
        ] {
            cases.push(tried(
                "G26",
                format!("{what}: {why}"),
                &views(number, first, count, each),
                OK_OR_ANY_ERROR,
            ));
        }
    }
    cases.push(tried(
        "G26",
        "100 vertex buffers",
        &command(SET_VERTEX_BUFFERS, 0, &[1; 300]),
        OK_OR_ANY_ERROR,
    ));
    cases.push(tried(
        "G26",
        "a constant buffer of a stage that is none",
        &command(SET_CONSTANT_BUFFER, 0, &[most, most, 1, 2, 3, 4]),
        OK_OR_ANY_ERROR,
    ));
    cases
}

/// Objects without end, with handles that are taken, and of kinds that are none.
fn objects(setting: &Setting) -> Vec<Case> {
    let nowhere = command(CREATE_OBJECT, SURFACE, &[5, 4711, 2, 0, 0]);
    let text = [6, 0, 16, 1, 0, 0x4141_4141, 0x4141_4141, 0x4141_4141, 0];
    let mut cases = vec![
        tried(
            "G22",
            "an object of a kind that is none",
            &command(CREATE_OBJECT, 200, &[1; 8]),
            ANY_ERROR,
        ),
        tried("G24", "a surface of no resource", &nowhere, OK_OR_ANY_ERROR),
        tried(
            "G24",
            "a shader that is no text",
            &command(CREATE_OBJECT, SHADER, &text),
            OK_OR_ANY_ERROR,
        ),
        tried(
            "G24",
            "an object that is not there is destroyed",
            &command(DESTROY_OBJECT, BLEND, &[4711]),
            OK_OR_ANY_ERROR,
        ),
    ];
    let rounds = match setting.rendering {
        Rendering::Virgl => setting.rounds / 10,
        _ => setting.rounds,
    };
    cases.push(
        Case::hostile("G27", "queries and states that are never freed")
            .given([create_context(1), create_3d(buffer(1, 64)), attach_to(1, 1)])
            .repeat(rounds, |round| {
                let first = round * 20 + 1;
                let made = (first..first + 20).flat_map(|handle| {
                    if handle % 2 == 0 {
                        command(CREATE_OBJECT, QUERY, &[handle, 0, 0, 1])
                    } else {
                        command(
                            CREATE_OBJECT,
                            BLEND,
                            &[handle, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
                        )
                    }
                });
                let made: Vec<u32> = made.collect();
                vec![Step::send(submit(1, &made), OK_OR_ANY_ERROR)]
            })
            .given([destroy_context(1)]),
    );
    cases
}

/// Another processor writes to the stream while it is submitted.
fn raced() -> Vec<Case> {
    let bytes =
        |words: &[u32]| -> Vec<u8> { words.iter().flat_map(|word| word.to_le_bytes()).collect() };
    let good = bytes(&command(NOP, 0, &[]).repeat(256));
    let bad = bytes(&[NONSENSE; 256]);
    let length = good.len() as u32;
    let mut exchange = Exchange::framed(
        submit_promising(1, length, &[]),
        [
            Piece::readable(REQUEST, 32),
            Piece::readable(IMAGE, length),
            Piece {
                address: ANSWER,
                length: 24,
                flags: WRITE,
            },
        ],
    );
    exchange.expect = OK_OR_ANY_ERROR;
    vec![
        Case::hostile("G30", "the stream changes while it is read")
            .given([create_context(1)])
            .step(Step::Beside {
                writes: vec![(IMAGE, good), (IMAGE, bad)],
                times: 100,
                steps: vec![Step::Exchange(exchange)],
            })
            .given([destroy_context(1)]),
    ]
}
