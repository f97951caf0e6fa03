//! The 13 responses, byte by byte, and the configuration space.
//!
//! The hexadecimal text is written by hand from VIRTIO 1.4 §5.7.4 and
//! §5.7.6.7 to §5.7.6.9: little endian, a different value in every field.
#![allow(clippy::arithmetic_side_effects, clippy::unwrap_used)]

#[path = "golden/hex.rs"]
mod hex;

use drm_fourcc::DrmFourcc;
use gpu_buffer::Rect;
use hex::hex;
use proptest::prelude::*;
use virtio_gpu::protocol::{
    ConfigSpace, ContextId, DisplayMode, ErrorCode, Features, HeaderFlags, RequestHeader,
    ResponseError, Success, decode_response, encode, encoded_length, format,
};

/// A header in hexadecimal for a response that signals nothing.
fn bare_header(kind: &str) -> String {
    format!("{kind} 00000000 0000000000000000 00000000 00000000")
}

fn encoded(outcome: Result<&Success, ErrorCode>, echo: Option<&RequestHeader>) -> Vec<u8> {
    let mut out = vec![0xee; 2000];
    encode(outcome, echo, &mut out);
    out
}

/// Each success with the bytes it must become.
fn successes() -> Vec<(Success, Vec<u8>)> {
    let mut modes = [DisplayMode::default(); 16];
    modes[0] = mode(1, 2, 1280, 800);
    modes[15] = mode(0x0102_0304, 0x0506_0708, 3840, 2160);
    let display_info = [
        hex(&bare_header("01110000")),
        hex("01000000 02000000 00050000 20030000 01000000 00000000"),
        vec![0; 14 * 24],
        hex("04030201 08070605 000f0000 70080000 01000000 00000000"),
    ]
    .concat();
    let edid = [
        hex(&bare_header("04110000")),
        hex("03000000 00000000 a1a2a3"),
        vec![0; 1021],
    ]
    .concat();
    let uuid = [
        0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e,
        0x1f,
    ];
    let with = |kind: &str, rest: &str| hex(&(bare_header(kind) + rest));
    vec![
        (Success::NoData, with("00110000", "")),
        (Success::DisplayInfo(modes), display_info),
        (
            Success::CapsetInfo {
                id: 2,
                max_version: 3,
                max_size: 1376,
            },
            with("02110000", "02000000 03000000 60050000 00000000"),
        ),
        (
            Success::Capset(vec![1, 2, 3, 4, 5]),
            with("03110000", "0102030405"),
        ),
        (Success::Edid(vec![0xa1, 0xa2, 0xa3]), edid),
        (
            Success::ResourceUuid(uuid),
            with("05110000", "101112131415161718191a1b1c1d1e1f"),
        ),
        (
            Success::MapInfo { map_info: 3 },
            with("06110000", "03000000 00000000"),
        ),
    ]
}

fn mode(x: u32, y: u32, width: u32, height: u32) -> DisplayMode {
    DisplayMode {
        rect: Rect {
            x,
            y,
            width,
            height,
        },
        enabled: true,
    }
}

const ERRORS: [(ErrorCode, &str); 6] = [
    (ErrorCode::Unspec, "00120000"),
    (ErrorCode::OutOfMemory, "01120000"),
    (ErrorCode::InvalidScanoutId, "02120000"),
    (ErrorCode::InvalidResourceId, "03120000"),
    (ErrorCode::InvalidContextId, "04120000"),
    (ErrorCode::InvalidParameter, "05120000"),
];

fn request(flags: HeaderFlags) -> RequestHeader {
    RequestHeader {
        kind: 0x207,
        flags,
        fence_id: 0x0102_0304_0506_0708,
        context: ContextId(9),
        ring_index: 5,
    }
}

#[test]
fn every_success_becomes_its_golden_bytes_and_reads_back() {
    for (success, expected) in successes() {
        let bytes = encoded(Ok(&success), None);

        assert_eq!(bytes, expected, "{success:?}");
        assert_eq!(encoded_length(&success), expected.len(), "{success:?}");
        let (header, outcome) = decode_response(&bytes).unwrap();
        assert_eq!(outcome, Ok(success));
        assert_eq!(header.flags, HeaderFlags::empty());
    }
}

#[test]
fn the_sizes_are_those_of_the_specification() {
    let sizes: Vec<usize> = successes()
        .iter()
        .map(|(success, _)| encoded_length(success))
        .collect();

    assert_eq!(sizes, [24, 408, 40, 24 + 5, 1056, 40, 32]);
}

#[test]
fn every_error_is_a_bare_header_and_reads_back() {
    for (code, number) in ERRORS {
        let bytes = encoded(Err(code), None);

        assert_eq!(bytes, hex(&bare_header(number)), "{code}");
        assert_eq!(decode_response(&bytes).unwrap().1, Err(code));
    }
}

#[test]
fn an_error_names_itself_as_the_specification_does() {
    let names: Vec<_> = ErrorCode::ALL.iter().map(ToString::to_string).collect();

    assert_eq!(
        names,
        [
            "ERR_UNSPEC",
            "ERR_OUT_OF_MEMORY",
            "ERR_INVALID_SCANOUT_ID",
            "ERR_INVALID_RESOURCE_ID",
            "ERR_INVALID_CONTEXT_ID",
            "ERR_INVALID_PARAMETER",
        ]
    );
}

#[test]
fn a_fenced_request_gets_its_fence_and_context_back() {
    let fenced = request(HeaderFlags::FENCE);

    let ok = encoded(Ok(&Success::NoData), Some(&fenced));
    let error = encoded(Err(ErrorCode::InvalidResourceId), Some(&fenced));

    // The ring is not echoed: without INFO_RING_IDX it has no meaning.
    assert_eq!(
        ok,
        hex("00110000 01000000 0807060504030201 09000000 00000000")
    );
    assert_eq!(
        error,
        hex("03120000 01000000 0807060504030201 09000000 00000000")
    );
}

#[test]
fn a_fence_on_a_ring_gets_the_ring_back() {
    let fenced = request(HeaderFlags::FENCE | HeaderFlags::INFO_RING_IDX);

    let bytes = encoded(Ok(&Success::NoData), Some(&fenced));

    assert_eq!(
        bytes,
        hex("00110000 03000000 0807060504030201 09000000 05000000")
    );
    let (header, _) = decode_response(&bytes).unwrap();
    assert_eq!(header.fence_id, 0x0102_0304_0506_0708);
    assert_eq!(header.context, ContextId(9));
    assert_eq!(header.ring_index, 5);
}

#[test]
fn a_request_without_a_fence_gets_nothing_echoed() {
    for flags in [HeaderFlags::empty(), HeaderFlags::INFO_RING_IDX] {
        let bytes = encoded(Ok(&Success::NoData), Some(&request(flags)));

        assert_eq!(bytes, hex(&bare_header("00110000")));
    }
}

#[test]
fn fence_0_is_a_fence() {
    let fenced = RequestHeader {
        fence_id: 0,
        ..request(HeaderFlags::FENCE)
    };

    let bytes = encoded(Ok(&Success::NoData), Some(&fenced));

    assert_eq!(
        bytes,
        hex("00110000 01000000 0000000000000000 09000000 00000000")
    );
}

#[test]
fn responses_with_data_echo_the_fence_too() {
    for (success, unfenced) in successes() {
        let bytes = encoded(Ok(&success), Some(&request(HeaderFlags::FENCE)));

        let header = hex("01000000 0807060504030201 09000000 00000000");
        assert_eq!(bytes[..4], unfenced[..4]);
        assert_eq!(bytes[4..24], header);
        assert_eq!(bytes[24..], unfenced[24..]);
    }
}

#[test]
fn an_edid_that_does_not_fit_is_cut_at_1024_bytes() {
    let bytes = encoded(Ok(&Success::Edid(vec![0x77; 1100])), None);

    assert_eq!(bytes.len(), 1056);
    assert_eq!(bytes[24..28], [0, 4, 0, 0]);
    assert_eq!(bytes[32..], [0x77; 1024]);
}

#[test]
fn a_response_cut_short_does_not_read() {
    for (success, bytes) in successes() {
        // A capability set has no length of its own.
        let cuts = match success {
            Success::Capset(_) => 24,
            _ => bytes.len(),
        };
        for length in 0..cuts {
            let needed = if length < 24 { 24 } else { bytes.len() };

            assert_eq!(
                decode_response(&bytes[..length]),
                Err(ResponseError::Short { needed, length }),
                "{success:?}"
            );
        }
    }
}

#[test]
fn a_response_of_unknown_type_does_not_read() {
    for kind in [0_u32, 0x100, 0x1107, 0x11ff, 0x1206, u32::MAX] {
        let mut bytes = vec![0; 24];
        bytes[..4].copy_from_slice(&kind.to_le_bytes());

        assert_eq!(
            decode_response(&bytes),
            Err(ResponseError::UnknownKind { kind })
        );
    }
}

#[test]
fn an_edid_response_that_promises_more_than_it_can_hold_does_not_read() {
    let mut bytes = encoded(Ok(&Success::Edid(Vec::new())), None);
    bytes[24..28].copy_from_slice(&1025_u32.to_le_bytes());

    assert_eq!(
        decode_response(&bytes),
        Err(ResponseError::EdidSize { size: 1025 })
    );
}

#[test]
fn formats_map_to_the_fourcc_that_means_the_same_bytes() {
    let table = [
        (1, *b"AR24"),
        (2, *b"XR24"),
        (3, *b"BA24"),
        (4, *b"BX24"),
        (67, *b"AB24"),
        (68, *b"RX24"),
        (121, *b"RA24"),
        (134, *b"XB24"),
    ];
    for (number, letters) in table {
        let fourcc = DrmFourcc::try_from(u32::from_le_bytes(letters)).unwrap();

        assert_eq!(format::from_wire(number), Some(fourcc));
        assert_eq!(format::to_wire(fourcc), Some(number));
    }
}

#[test]
fn other_formats_do_not_exist() {
    for number in [0, 5, 66, 69, 120, 122, 133, 135, u32::MAX] {
        assert_eq!(format::from_wire(number), None, "{number}");
    }
    assert_eq!(format::to_wire(DrmFourcc::Nv12), None);
}

#[test]
fn features_have_the_bits_of_the_specification() {
    let table = [
        (Features::VIRGL, 0),
        (Features::EDID, 1),
        (Features::RESOURCE_UUID, 2),
        (Features::RESOURCE_BLOB, 3),
        (Features::CONTEXT_INIT, 4),
        (Features::BLOB_ALIGNMENT, 5),
        (Features::NOTIFY_ON_EMPTY, 24),
        (Features::INDIRECT_DESC, 28),
        (Features::EVENT_IDX, 29),
        (Features::VERSION_1, 32),
        (Features::RING_RESET, 40),
    ];
    for (feature, bit) in table {
        assert_eq!(feature.bits(), 1_u64 << bit, "{feature:?}");
    }
}

fn config(blob_alignment: Option<u32>) -> ConfigSpace {
    ConfigSpace {
        events_read: 0x0403_0201,
        num_scanouts: 0x0c0b_0a09,
        num_capsets: 0x100f_0e0d,
        blob_alignment,
    }
}

const CONFIG_BYTES: [u8; 16] = [
    1, 2, 3, 4, 0, 0, 0, 0, 9, 0xa, 0xb, 0xc, 0xd, 0xe, 0xf, 0x10,
];

#[test]
fn the_configuration_space_has_16_bytes_and_20_with_an_alignment() {
    let mut plain = [0xee; 24];
    let mut aligned = [0xee; 24];

    config(None).read(0, &mut plain);
    config(Some(0x4000)).read(0, &mut aligned);

    assert_eq!(plain[..16], CONFIG_BYTES);
    assert_eq!(plain[16..], [0; 8]);
    assert_eq!(aligned[..16], CONFIG_BYTES);
    assert_eq!(aligned[16..], [0, 0x40, 0, 0, 0, 0, 0, 0]);
    assert_eq!(config(None).size(), 16);
    assert_eq!(config(Some(4096)).size(), 20);
}

#[test]
fn a_read_may_start_and_end_anywhere() {
    let mut middle = [0xee; 3];
    let mut past_end = [0xee; 4];
    let mut far = [0xee; 4];

    config(None).read(9, &mut middle);
    config(None).read(14, &mut past_end);
    config(None).read(u64::MAX, &mut far);
    config(None).read(3, &mut []);

    assert_eq!(middle, [0xa, 0xb, 0xc]);
    assert_eq!(past_end, [0xf, 0x10, 0, 0]);
    assert_eq!(far, [0; 4]);
}

#[test]
fn bits_written_to_events_clear_are_cleared_in_events_read() {
    let mut config = ConfigSpace {
        events_read: 0b111,
        ..ConfigSpace::default()
    };

    config.write(4, &[0b101, 0, 0, 0]);

    assert_eq!(config.events_read, 0b010);
}

#[test]
fn events_clear_takes_single_bytes_and_wider_writes() {
    let mut single = config(None);
    let mut wide = config(None);

    single.write(5, &[0xff]);
    wide.write(0, &[0xff; 16]);

    assert_eq!(single.events_read, 0x0403_0001);
    assert_eq!(
        wide,
        ConfigSpace {
            events_read: 0,
            ..config(None)
        }
    );
}

#[test]
fn every_other_write_is_ignored() {
    for offset in [0, 8, 12, 16, 20, 0xffff_ffff, u64::MAX] {
        let mut written = config(Some(4096));

        written.write(offset, &[0xff; 4]);
        written.write(offset, &[]);

        assert_eq!(written, config(Some(4096)), "at {offset}");
    }
}

proptest! {
    #[test]
    fn any_access_to_the_configuration_space_equals_bytewise_accesses(
        offset in 0_u64..40,
        length in 0_usize..40,
    ) {
        let space = config(Some(0x1000));
        let mut whole = vec![0xee; length];

        space.read(offset, &mut whole);

        for (index, byte) in whole.iter().enumerate() {
            let mut single = [0xee];
            space.read(offset + index as u64, &mut single);
            prop_assert_eq!(single[0], *byte);
        }
    }

    #[test]
    fn decoding_any_response_bytes_never_panics(
        kind in prop_oneof![any::<u32>(), 0x1100_u32..0x1107, 0x1200_u32..0x1206],
        body in proptest::collection::vec(any::<u8>(), 0..1100),
    ) {
        let bytes = [&kind.to_le_bytes()[..], &body].concat();

        if let Ok((header, _)) = decode_response(&bytes) {
            prop_assert_eq!(header.kind, kind);
        }
    }
}
