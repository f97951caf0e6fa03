//! Every EDID as a whole, before `edid-decode` and our own parser.

use std::io::{ErrorKind, Write};
use std::process::{Command, Stdio};

use proptest::prelude::*;
use virtio_gpu::edid::{EdidRequest, generate};

use crate::parse::{blocks, native, text};
use crate::{MODES, request};

/// The verdict of `edid-decode --check`, None where it is not installed.
fn edid_decode(edid: &[u8]) -> Option<String> {
    let started = Command::new("edid-decode")
        .arg("--check")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match started {
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        started => started.expect("edid-decode starts"),
    };
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(edid).expect("edid-decode reads");
    drop(input);
    let output = child.wait_with_output().expect("edid-decode ends");
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn edid_decode_finds_every_edid_conformant() {
    let nonsense = [
        (0, 0, 0),
        (1, 1, 1),
        (64, 64, u32::MAX),
        (u32::MAX, 1, 60_000),
        (u32::MAX, u32::MAX, u32::MAX),
    ];
    for (width, height, refresh) in MODES.into_iter().chain(nonsense) {
        let edid = generate(&request(width, height, refresh));

        let Some(verdict) = edid_decode(&edid) else {
            println!("SKIP: edid-decode is not installed");
            return;
        };
        assert!(
            verdict.contains("EDID conformity: PASS"),
            "{width}x{height} at {refresh} mHz:\n{verdict}"
        );
    }
}

proptest! {
    #[test]
    fn any_request_gives_a_valid_edid_with_a_mode_linux_takes(
        width in prop_oneof![any::<u32>(), 0_u32..5000],
        height in prop_oneof![any::<u32>(), 0_u32..5000],
        refresh_millihertz in prop_oneof![any::<u32>(), 0_u32..300_000],
        width_mm in prop_oneof![any::<u32>(), 0_u32..5000],
        height_mm in prop_oneof![any::<u32>(), 0_u32..5000],
        name in any::<String>(),
        serial in any::<u32>(),
    ) {
        let edid = generate(&EdidRequest {
            width,
            height,
            refresh_millihertz,
            width_mm,
            height_mm,
            name: &name,
            serial,
        });

        let timing = native(&edid);
        prop_assert!(timing.v_front + timing.v_sync < timing.v_blank);
        prop_assert!(timing.clock_khz >= 10_000);
        let base = blocks(&edid)[0];
        prop_assert_eq!(text(base, 0xff), format!("{serial:010}"));
        prop_assert!(!text(base, 0xfc).is_empty());
        if (64..=16_384).contains(&width) && (64..=16_384).contains(&height) {
            prop_assert_eq!(timing.size(), (width.into(), height.into()));
        }
    }
}
