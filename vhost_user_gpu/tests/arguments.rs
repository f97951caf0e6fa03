//! Whatever the command line says, the program reads it or says on one line why not.
#![allow(clippy::unwrap_used)]

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use proptest::prelude::*;
use vhost_user_gpu::args::{DisplayChoice, Request, parse};

/// Words that mean something, and values around the edges of what they may be.
const WORDS: &[&str] = &[
    "-s",
    "--socket-path",
    "--socket-path=/tmp/s",
    "-f",
    "--fd",
    "--fd=3",
    "-c",
    "--print-capabilities",
    "--display",
    "--display=headless",
    "--display=headless=/tmp",
    "--display=auto",
    "--display=wayland",
    "--display=wayland=",
    "--display=x11=:0",
    "--input-keyboard=/tmp/k",
    "--input-axes=1000x1000",
    "--scanout=640x480@59.94",
    "--renderer",
    "none",
    "auto",
    "virgl",
    "--virgl",
    "-v",
    "--render-node",
    "-r",
    "--render-node=/dev/dri/renderD128",
    "--renderer-start-limit",
    "--renderer-start-limit=60",
    "--frontend-gl",
    "--guest-blobs",
    "--capsets",
    "--capsets=virgl,virgl2",
    "virgl2,virgl",
    ",",
    "--scanout",
    "--scanout=640x480",
    "--log-level",
    "debug",
    "--help",
    "--version",
    "--",
    "-",
    "",
    "=",
    "headless",
    "frontend",
    "640x480",
    "0x0",
    "1x1",
    "16384x16384",
    "16385x1",
    "4294967296x1",
    "-1x-1",
    "x",
    "640x",
    "x480",
    "640x480x3",
    "3",
    "-1",
    "2147483648",
    "99999999999999999999",
    "/tmp/s",
    "\n",
    "ü",
];

fn word() -> impl Strategy<Value = OsString> {
    prop_oneof![
        8 => prop::sample::select(WORDS).prop_map(OsString::from),
        1 => any::<String>().prop_map(OsString::from),
        // No UTF-8, but no NUL either: nobody can pass that.
        1 => prop::collection::vec(1..=u8::MAX, 0..12).prop_map(OsString::from_vec),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(2000)
    })]

    #[test]
    fn any_command_line_is_read_or_refused_on_one_line(
        words in prop::collection::vec(word(), 0..8)
    ) {
        let mut arguments = vec![OsString::from("vhost-user-gpu")];
        arguments.extend(words);

        match parse(&arguments) {
            Ok(Request::Serve(args)) => {
                prop_assert!(args.socket_path.is_some() != args.fd.is_some());
                prop_assert!(args.scanout.len() <= 16);
                prop_assert!(args.scanout.is_empty() || args.display != DisplayChoice::Frontend);
                for size in args.scanout {
                    prop_assert!((1..=16_384).contains(&size.width));
                    prop_assert!((1..=16_384).contains(&size.height));
                    let rate = size.refresh_millihertz;
                    prop_assert!(rate == 0 || (1_000..=1_000_000).contains(&rate));
                }
            }
            Ok(Request::Print(text)) => prop_assert!(!text.is_empty()),
            Err(error) => {
                prop_assert!(!error.message.is_empty());
                prop_assert!(!error.message.contains('\n'), "{:?}", error.message);
            }
        }
    }
}
