//! Every table of hostile and legal inputs, over real sockets and rings.
#![allow(clippy::unwrap_used)]

use conformance::tables::{ALL, BLOBS, Rendering, Setting};
use conformance::{OverVhostUser, run};

const PROGRAM: &str = env!("CARGO_BIN_EXE_vhost-user-gpu");

fn clean(name: &str) {
    let setting = Setting {
        scanouts: 16,
        rounds: 500,
        rendering: Rendering::Nothing,
    };
    let (_, table) = ALL.iter().find(|(known, _)| *known == name).unwrap();
    let mut daemon = OverVhostUser::start(PROGRAM, &["--log-level", "warn"]);
    let report = run(&mut daemon, &table(&setting));
    println!("{name}: {} cases, {} inputs", report.cases, report.inputs);
    report.assert_clean();
}

#[test]
fn blobs_where_the_daemon_is_told_to_offer_them() {
    let setting = Setting {
        scanouts: 16,
        rounds: 500,
        rendering: Rendering::Nothing,
    };
    for (name, table) in BLOBS {
        let arguments = ["--log-level", "warn", "--guest-blobs"];
        let mut daemon = OverVhostUser::start_with_blobs(PROGRAM, &arguments);
        let report = run(&mut daemon, &table(&setting));
        println!("{name}: {} cases, {} inputs", report.cases, report.inputs);
        report.assert_clean();
    }
}

macro_rules! tables {
    ($($test:ident: $name:literal;)*) => {
        $(
            #[test]
            fn $test() {
                clean($name);
            }
        )*

        #[test]
        fn every_table_is_run() {
            let run = [$($name),*];
            let all: Vec<_> = ALL.iter().map(|(name, _)| *name).collect();
            assert_eq!(run[..], all);
        }
    };
}

tables! {
    chains: "V, chains";
    rings: "V, rings";
    headers: "H, headers";
    lengths: "H, lengths";
    displays: "D";
    creating: "C";
    unreferencing: "U";
    scanouts: "S";
    flushing: "F";
    transferring: "T";
    backing: "A";
    capability_sets: "K";
    uuids: "K, UUIDs";
    cursors: "P";
}
