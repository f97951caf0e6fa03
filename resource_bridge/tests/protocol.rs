//! The messages, byte by byte.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod support;

use std::io::IoSlice;
use std::os::fd::AsFd;

use drm_fourcc::DrmFourcc;
use msg_socket::{Error, Message, Socket, Wait, recv_with_fds, send_with_fds};
use resource_bridge::{Buffer, Plane, Reason, Request, Response};
use support::{alone, null, open_descriptors};

/// What a message looks like on the wire after the twelve bytes before its body, and how many descriptors it has.
fn wire<M: Message>(message: &M) -> (u32, Vec<u8>, usize) {
    let (mut ours, theirs) = Socket::<M, M>::pair().unwrap();
    ours.send(message, Wait::DontWait).unwrap();
    let mut bytes = vec![0; 256];
    let received = recv_with_fds(theirs.as_fd(), &mut bytes, 8, Wait::DontWait).unwrap();
    let tag = u32::from_le_bytes(bytes[..4].try_into().unwrap());
    (tag, bytes[12..received.bytes].to_vec(), received.fds.len())
}

/// Receives a message of these bytes with some descriptors.
fn read<M: Message>(tag: u32, body: &[u8], fds: usize) -> Result<M, Error> {
    let (ours, mut theirs) = Socket::<M, M>::pair().unwrap();
    let mut bytes = tag.to_le_bytes().to_vec();
    bytes.extend([0; 8]);
    bytes.extend(body);
    let files: Vec<_> = (0..fds).map(|_| null()).collect();
    let files: Vec<_> = files.iter().map(AsFd::as_fd).collect();
    send_with_fds(ours.as_fd(), &[IoSlice::new(&bytes)], &files).unwrap();
    theirs.recv(Wait::DontWait)
}

#[test]
fn requests_are_a_tag_and_what_is_asked_for() {
    let _guard = alone();
    let uuid = *b"0123456789abcdef";
    let requests: [(Request, u32, &[u8]); 4] = [
        (
            Request::GetBuffer {
                resource: 0x1234_5678,
            },
            1,
            &[0x78, 0x56, 0x34, 0x12],
        ),
        (Request::GetBufferByUuid { uuid }, 2, b"0123456789abcdef"),
        (
            Request::GetFence {
                seqno: 0x0102_0304_0506_0708,
            },
            3,
            &[8, 7, 6, 5, 4, 3, 2, 1],
        ),
        (Request::GetUuid { resource: 2 }, 4, &[2, 0, 0, 0]),
    ];
    for (request, tag, body) in requests {
        assert_eq!(wire(&request), (tag, body.to_vec(), 0));
        assert_eq!(read::<Request>(tag, body, 0).unwrap(), request);
    }
}

/// An NV12 picture of 640x480 in two planes, generation 5, mappable, with a modifier.
fn nv12() -> [u8; 76] {
    let mut bytes = [0; 76];
    bytes[0] = 5;
    bytes[8..12].copy_from_slice(&[0x80, 0x02, 0, 0]);
    bytes[12..16].copy_from_slice(&[0xe0, 0x01, 0, 0]);
    bytes[16..20].copy_from_slice(b"NV12");
    bytes[20] = 3;
    bytes[24..32].copy_from_slice(&[1, 0, 0, 0, 0, 0, 0, 3]);
    bytes[32..36].copy_from_slice(&[0, 0x20, 7, 0]);
    bytes[40] = 2;
    bytes[48..52].copy_from_slice(&[0, 0xb0, 4, 0]);
    bytes[60..64].copy_from_slice(&[0x80, 0x02, 0, 0]);
    bytes[64..68].copy_from_slice(&[0x80, 0x02, 0, 0]);
    bytes
}

#[test]
fn a_buffer_has_size_format_modifier_and_planes() {
    let _guard = alone();
    let plane = |offset| Plane {
        fd: null(),
        offset,
        stride: 640,
    };
    let buffer = Buffer {
        generation: 5,
        width: 640,
        height: 480,
        format: DrmFourcc::Nv12,
        modifier: Some(0x0300_0000_0000_0001),
        size: 0x7_2000,
        mappable: true,
        planes: vec![plane(0), plane(0x4_b000)],
    };

    assert_eq!(wire(&Response::Buffer(buffer)), (1, nv12().to_vec(), 2));
    let Response::Buffer(read) = read(1, &nv12(), 2).unwrap() else {
        panic!("another response");
    };
    assert_eq!((read.generation, read.width, read.height), (5, 640, 480));
    assert_eq!(read.format, DrmFourcc::Nv12);
    assert_eq!(read.modifier, Some(0x0300_0000_0000_0001));
    assert_eq!((read.size, read.mappable), (0x7_2000, true));
    let planes: Vec<_> = read.planes.iter().map(|p| (p.offset, p.stride)).collect();
    assert_eq!(planes, [(0, 640), (0x4_b000, 640)]);
}

#[test]
fn the_other_responses_are_short() {
    let _guard = alone();

    assert_eq!(wire(&Response::Fence(null())), (2, vec![], 1));
    assert_eq!(wire(&Response::Uuid([9; 16])), (3, vec![9; 16], 0));
    let refused = Response::Invalid(Reason::RendererSharesNothing);
    assert_eq!(wire(&refused), (4, vec![4, 0, 0, 0], 0));
}

#[test]
fn each_reason_has_a_number_of_its_own() {
    let _guard = alone();

    for number in 1..=13_u32 {
        let Response::Invalid(reason) = read(4, &number.to_le_bytes(), 0).unwrap() else {
            panic!("another response");
        };
        let again = wire(&Response::Invalid(reason));
        assert_eq!(again, (4, number.to_le_bytes().to_vec(), 0), "{reason}");
    }
    for number in [0_u32, 14] {
        let unknown = read::<Response>(4, &number.to_le_bytes(), 0);
        assert!(matches!(unknown, Err(Error::Value { what: "reason", .. })));
    }
}

#[test]
fn values_nobody_defined_are_refused_and_nothing_stays_open() {
    let _guard = alone();
    let before = open_descriptors();
    let changed = |at: usize, value: u8| {
        let mut bytes = nv12();
        bytes[at] = value;
        read::<Response>(1, &bytes, 2)
    };

    let planes = |result| {
        matches!(
            result,
            Err(Error::Value {
                what: "number of planes",
                ..
            })
        )
    };
    assert!(planes(changed(40, 0)));
    assert!(planes(changed(40, 5)));
    let flag = changed(20, 4);
    assert!(matches!(flag, Err(Error::Value { what: "flag", .. })));
    let format = changed(16, 0);
    assert!(matches!(
        format,
        Err(Error::Value {
            what: "pixel format",
            ..
        })
    ));
    let fewer = changed(40, 1);
    assert!(matches!(fewer, Err(Error::SurplusFds { tag: 1, .. })));
    let more = changed(40, 3);
    assert!(matches!(
        more,
        Err(Error::MissingFds { tag: 1, arrived: 2 })
    ));
    let unknown = read::<Response>(9, &[], 1);
    assert!(matches!(unknown, Err(Error::UnknownTag(9))));
    let with_file = read::<Request>(1, &[0; 4], 1);
    assert!(matches!(with_file, Err(Error::SurplusFds { .. })));
    assert_eq!(open_descriptors(), before);
}

#[test]
fn a_buffer_of_more_planes_than_there_can_be_is_not_sent() {
    let _guard = alone();
    let (mut ours, _theirs) = Socket::<Response, Request>::pair().unwrap();
    let mut buffer = support::buffer(1);
    while buffer.planes.len() < 5 {
        buffer.planes.extend(support::buffer(1).planes);
    }

    let sent = ours.send(&Response::Buffer(buffer), Wait::DontWait);

    assert!(
        matches!(sent, Err(Error::TooLarge { fds: 5, .. })),
        "{sent:?}"
    );
}
