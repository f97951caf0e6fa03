//! Decoding and encoding of the 26 commands, against golden bytes.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used
)]

#[path = "golden/hex.rs"]
mod hex;
#[path = "golden/requests.rs"]
mod requests;

use hex::hex;
use proptest::prelude::*;
use requests::{ENTRIES, Golden, NO_FLAGS, goldens};
use virtio_gpu::protocol::{
    Command, CommandKind, CursorUpdate, DecodeError, ErrorCode, Features, HeaderFlags, QueueKind,
    Rejected, Request, RequestHeader, ResourceId, SetScanoutBlob, decode,
};

fn golden(name: &str) -> Golden {
    let found = goldens().into_iter().find(|golden| golden.name == name);
    found.unwrap()
}

/// The bytes of a golden command with some of them replaced.
fn patched(name: &str, offset: usize, replacement: &[u8]) -> Vec<u8> {
    let mut bytes = hex(golden(name).bytes);
    bytes[offset..offset + replacement.len()].copy_from_slice(replacement);
    bytes
}

#[test]
fn there_are_26_commands_and_each_has_a_golden_request() {
    let names: Vec<_> = goldens().iter().map(|golden| golden.name).collect();

    assert_eq!(names.len(), 26);
    assert_eq!(CommandKind::ALL.len(), 26);
    for kind in CommandKind::ALL {
        assert!(names.contains(&kind.name()), "{kind}");
    }
}

#[test]
fn every_golden_request_decodes_to_its_fields() {
    for golden in goldens() {
        let bytes = hex(golden.bytes);

        let request = decode(&bytes);

        let expected = Request {
            header: golden.header,
            command: golden.command,
        };
        assert_eq!(request, Ok(expected), "{}", golden.name);
    }
}

#[test]
fn every_command_encodes_to_its_golden_request() {
    for golden in goldens() {
        let request = Request {
            header: golden.header,
            command: golden.command,
        };

        assert_eq!(request.encode(), hex(golden.bytes), "{}", golden.name);
    }
}

#[test]
fn every_command_knows_its_name_number_and_size() {
    for golden in goldens() {
        let kind = golden.command.kind();

        assert_eq!(golden.command.name(), golden.name);
        assert_eq!(kind.to_wire(), golden.header.kind, "{}", golden.name);
        assert_eq!(CommandKind::from_wire(golden.header.kind), Some(kind));
        assert_eq!(kind.fixed_size(), golden.fixed, "{}", golden.name);
    }
}

#[test]
fn only_cursor_commands_belong_to_the_cursor_queue() {
    for golden in goldens() {
        let expected = match golden.name {
            "UPDATE_CURSOR" | "MOVE_CURSOR" => QueueKind::Cursor,
            _ => QueueKind::Control,
        };

        assert_eq!(golden.command.queue(), expected, "{}", golden.name);
    }
}

#[test]
fn optional_commands_name_the_feature_they_need() {
    for golden in goldens() {
        let expected = match golden.name {
            "GET_EDID" => Some(Features::EDID),
            "RESOURCE_ASSIGN_UUID" => Some(Features::RESOURCE_UUID),
            "RESOURCE_CREATE_BLOB"
            | "SET_SCANOUT_BLOB"
            | "RESOURCE_MAP_BLOB"
            | "RESOURCE_UNMAP_BLOB" => Some(Features::RESOURCE_BLOB),
            _ if golden.header.kind & 0xff00 == 0x200 => Some(Features::VIRGL),
            _ => None,
        };

        assert_eq!(
            golden.command.required_feature(),
            expected,
            "{}",
            golden.name
        );
    }
}

#[test]
fn a_request_cut_before_byte_24_has_no_header_to_echo() {
    for golden in goldens() {
        let bytes = hex(golden.bytes);
        for length in 0..24 {
            let rejected = decode(&bytes[..length]);

            let expected = Rejected {
                header: None,
                error: DecodeError::ShortHeader { length },
            };
            assert_eq!(rejected, Err(expected), "{} at {length}", golden.name);
        }
    }
}

#[test]
fn a_request_cut_in_its_fixed_part_is_rejected_with_its_header() {
    for golden in goldens() {
        let bytes = hex(golden.bytes);
        for length in 24..golden.fixed {
            let rejected = decode(&bytes[..length]);

            let expected = Rejected {
                header: Some(golden.header),
                error: DecodeError::ShortCommand {
                    kind: golden.command.kind(),
                    needed: golden.fixed,
                    length,
                },
            };
            assert_eq!(rejected, Err(expected), "{} at {length}", golden.name);
        }
    }
}

#[test]
fn memory_entries_cut_anywhere_are_missing_and_only_whole_ones_count() {
    for name in ["RESOURCE_ATTACH_BACKING", "RESOURCE_CREATE_BLOB"] {
        let golden = golden(name);
        let bytes = hex(golden.bytes);
        for extra in 0..32 {
            let rejected = decode(&bytes[..golden.fixed + extra]);

            let expected = Rejected {
                header: Some(golden.header),
                error: DecodeError::MissingEntries {
                    kind: golden.command.kind(),
                    promised: 2,
                    present: extra / 16,
                },
            };
            assert_eq!(rejected, Err(expected), "{name} with {extra} bytes");
        }
    }
}

#[test]
fn a_command_stream_cut_anywhere_is_short() {
    let golden = golden("SUBMIT_3D");
    let bytes = hex(golden.bytes);
    for present in 0..8 {
        let rejected = decode(&bytes[..32 + present]).unwrap_err();

        assert_eq!(rejected.header, Some(golden.header));
        assert_eq!(
            rejected.error,
            DecodeError::ShortPayload {
                promised: 8,
                present
            }
        );
    }
}

#[test]
fn bytes_after_the_command_are_ignored() {
    for golden in goldens() {
        for extra in [1, 4096, 1 << 20] {
            let mut bytes = hex(golden.bytes);
            bytes.resize(bytes.len() + extra, 0xa5);

            let request = decode(&bytes).unwrap();

            assert_eq!(request.header, golden.header, "{}", golden.name);
            assert_eq!(request.command, golden.command, "{}", golden.name);
        }
    }
}

#[test]
fn a_promise_of_four_billion_entries_with_two_present_is_refused() {
    for (name, offset) in [
        ("RESOURCE_ATTACH_BACKING", 28),
        ("RESOURCE_CREATE_BLOB", 36),
    ] {
        let bytes = patched(name, offset, &[0xff; 4]);

        let rejected = decode(&bytes).unwrap_err();

        assert_eq!(
            rejected.error,
            DecodeError::MissingEntries {
                kind: golden(name).command.kind(),
                promised: 0xffff_ffff,
                present: 2
            }
        );
    }
}

#[test]
fn a_promise_of_four_gigabytes_of_commands_is_refused() {
    let bytes = patched("SUBMIT_3D", 24, &[0xff; 4]);

    let rejected = decode(&bytes).unwrap_err();

    assert_eq!(
        rejected.error,
        DecodeError::ShortPayload {
            promised: 0xffff_ffff,
            present: 8
        }
    );
}

#[test]
fn fewer_entries_than_present_are_taken_as_promised() {
    let bytes = patched("RESOURCE_ATTACH_BACKING", 28, &[1, 0, 0, 0]);

    let request = decode(&bytes).unwrap();

    let expected = Command::ResourceAttachBacking {
        resource: ResourceId(11),
        entries: &ENTRIES[..1],
    };
    assert_eq!(request.command, expected);
}

#[test]
fn no_entries_and_no_commands_are_legal() {
    let attach = patched("RESOURCE_ATTACH_BACKING", 28, &[0; 4]);
    let submit = patched("SUBMIT_3D", 24, &[0; 4]);

    let attach = decode(&attach[..32]).unwrap().command;
    let submit = decode(&submit[..32]).unwrap().command;

    assert_eq!(
        attach,
        Command::ResourceAttachBacking {
            resource: ResourceId(11),
            entries: &[]
        }
    );
    assert_eq!(submit, Command::Submit3d { commands: &[] });
}

#[test]
fn a_number_that_is_no_command_is_unknown() {
    let numbers: [u32; 11] = [
        0,
        0xff,
        0x10e,
        0x1ff,
        0x20a,
        0x302,
        0x400,
        0xfff,
        0x1100,
        0x1200,
        0xffff_ffff,
    ];
    for kind in numbers {
        let bytes = patched("GET_DISPLAY_INFO", 0, &kind.to_le_bytes());

        let rejected = decode(&bytes).unwrap_err();

        assert_eq!(rejected.error, DecodeError::UnknownCommand { kind });
        let header = rejected.header.unwrap();
        assert_eq!(header.kind, kind);
        assert_eq!(header.fence(), Some(0x0102_0304_0506_0708));
    }
}

#[test]
fn unknown_flags_are_dropped() {
    let bytes = patched("GET_DISPLAY_INFO", 4, &[0xfd, 0xff, 0xff, 0xff]);

    let header = decode(&bytes).unwrap().header;

    assert_eq!(header.flags, HeaderFlags::FENCE);
}

#[test]
fn padding_is_ignored() {
    let in_header = patched("RESOURCE_UNREF", 21, &[0xff; 3]);
    let in_command = patched("RESOURCE_UNREF", 28, &[0xff; 4]);

    for bytes in [in_header, in_command] {
        let request = decode(&bytes).unwrap();

        assert_eq!(request.header, golden("RESOURCE_UNREF").header);
        assert_eq!(request.command, golden("RESOURCE_UNREF").command);
    }
}

#[test]
fn resource_0_means_none_where_a_command_may_have_none() {
    let scanout = patched("SET_SCANOUT", 44, &[0; 4]);
    let blob = patched("SET_SCANOUT_BLOB", 44, &[0; 4]);
    let cursor = patched("UPDATE_CURSOR", 40, &[0; 4]);

    assert!(matches!(
        decode(&scanout).unwrap().command,
        Command::SetScanout { resource: None, .. }
    ));
    assert!(matches!(
        decode(&blob).unwrap().command,
        Command::SetScanoutBlob(SetScanoutBlob { resource: None, .. })
    ));
    assert!(matches!(
        decode(&cursor).unwrap().command,
        Command::UpdateCursor(CursorUpdate { resource: None, .. })
    ));
}

#[test]
fn move_cursor_ignores_all_but_the_position() {
    let bytes = patched("MOVE_CURSOR", 40, &[0xff; 16]);

    let request = decode(&bytes).unwrap();

    assert_eq!(request.command, golden("MOVE_CURSOR").command);
}

#[test]
fn a_context_name_ends_at_its_length_its_nul_or_64_bytes() {
    let cases: [(u32, [u8; 64], usize); 5] = [
        (3, [b'a'; 64], 3),
        (64, [b'a'; 64], 64),
        (65, [b'a'; 64], 64),
        (u32::MAX, [b'a'; 64], 64),
        (0, [b'a'; 64], 0),
    ];
    for (claimed, name, expected) in cases {
        let mut bytes = patched("CTX_CREATE", 24, &claimed.to_le_bytes());
        bytes[32..96].copy_from_slice(&name);

        let Command::CtxCreate { name, .. } = decode(&bytes).unwrap().command else {
            panic!("not a CTX_CREATE");
        };
        assert_eq!(name.len(), expected, "claimed {claimed}");
    }
    let linux = patched("CTX_CREATE", 24, &64_u32.to_le_bytes());
    assert_eq!(
        decode(&linux).unwrap().command,
        golden("CTX_CREATE").command
    );
}

#[test]
fn a_name_that_is_too_long_is_cut_when_encoded() {
    let command = Command::CtxCreate {
        name: &[b'n'; 70],
        context_init: 0,
    };

    let bytes = command.encode(&RequestHeader::default());

    assert_eq!(bytes.len(), 96);
    assert_eq!(bytes[24..28], [64, 0, 0, 0]);
}

#[test]
fn a_fence_counts_only_with_its_flag() {
    let fence = |flags| RequestHeader {
        flags,
        fence_id: 0,
        ring_index: 3,
        ..RequestHeader::default()
    };
    let both = HeaderFlags::FENCE | HeaderFlags::INFO_RING_IDX;

    assert_eq!(fence(NO_FLAGS).fence(), None);
    assert_eq!(fence(HeaderFlags::FENCE).fence(), Some(0));
    assert_eq!(fence(HeaderFlags::FENCE).timeline_ring(), None);
    assert_eq!(fence(HeaderFlags::INFO_RING_IDX).fence(), None);
    assert_eq!(fence(HeaderFlags::INFO_RING_IDX).timeline_ring(), None);
    assert_eq!(fence(both).timeline_ring(), Some(3));
}

#[test]
fn a_ring_past_63_decodes_so_that_the_answer_can_echo_it() {
    let bytes = patched("SUBMIT_3D", 20, &[64]);

    let header = decode(&bytes).unwrap().header;

    assert_eq!(header.timeline_ring(), Some(64));
    assert_eq!(RequestHeader::MAX_RING_INDEX, 63);
}

#[test]
fn rejections_answer_with_the_code_of_qemu() {
    let kind = CommandKind::Submit3d;
    let cases = [
        (
            DecodeError::ShortHeader { length: 0 },
            ErrorCode::InvalidParameter,
        ),
        (
            DecodeError::ShortCommand {
                kind,
                needed: 32,
                length: 24,
            },
            ErrorCode::InvalidParameter,
        ),
        (
            DecodeError::ShortPayload {
                promised: 1,
                present: 0,
            },
            ErrorCode::InvalidParameter,
        ),
        (DecodeError::UnknownCommand { kind: 0 }, ErrorCode::Unspec),
        (
            DecodeError::MissingEntries {
                kind,
                promised: 1,
                present: 0,
            },
            ErrorCode::Unspec,
        ),
    ];
    for (error, code) in cases {
        assert_eq!(error.code(), code, "{error}");
    }
}

#[test]
fn a_rejection_tells_what_is_wrong_with_numbers() {
    let short = DecodeError::ShortCommand {
        kind: CommandKind::SetScanout,
        needed: 48,
        length: 30,
    };

    assert_eq!(
        short.to_string(),
        "SET_SCANOUT needs 48 bytes, the request has 30"
    );
    assert_eq!(
        DecodeError::UnknownCommand { kind: 0x1ff }.to_string(),
        "command 0x1ff is unknown"
    );
}

proptest! {
    #[test]
    fn decoding_any_bytes_ends_and_what_decodes_survives_encoding(
        index in 0_usize..26,
        body in proptest::collection::vec(any::<u8>(), 0..200),
        counts in any::<Option<(u8, u8)>>(),
    ) {
        let mut bytes = body;
        let number = CommandKind::ALL[index].to_wire().to_le_bytes();
        for (slot, byte) in bytes.iter_mut().zip(number) {
            *slot = byte;
        }
        // Small counts now and then, so that trailing arrays are met too.
        if let Some((first, second)) = counts {
            for (offset, count) in [(24, first), (28, first % 8), (36, second % 8)] {
                if let Some(field) = bytes.get_mut(offset..offset + 4) {
                    field.copy_from_slice(&u32::from(count).to_le_bytes());
                }
            }
        }

        if let Ok(request) = decode(&bytes) {
            let encoded = request.encode();

            prop_assert_eq!(decode(&encoded), Ok(request));
        }
    }

    #[test]
    fn decoding_random_bytes_never_panics(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        match decode(&bytes) {
            Ok(_) => prop_assert!(bytes.len() >= 24),
            Err(rejected) => prop_assert_eq!(rejected.header.is_some(), bytes.len() >= 24),
        }
    }
}
