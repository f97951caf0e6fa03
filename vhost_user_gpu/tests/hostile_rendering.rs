//! The same tables at a daemon that renders with virglrenderer, and those about contexts, textures and command streams.
#![allow(clippy::unwrap_used)]

use conformance::tables::{ALL, RENDERING, Rendering, Setting};
use conformance::{OverVhostUser, run};

const PROGRAM: &str = env!("CARGO_BIN_EXE_vhost-user-gpu");

fn clean(name: &str) {
    let setting = Setting {
        scanouts: 16,
        rounds: 500,
        rendering: Rendering::Virgl,
    };
    let mut tables = ALL.iter().chain(RENDERING);
    let (_, table) = tables.find(|(known, _)| *known == name).unwrap();
    let mut daemon = match OverVhostUser::start_rendering(PROGRAM, &["--log-level", "info"]) {
        Ok(daemon) => daemon,
        Err(log) => {
            println!("SKIP: {log}");
            return;
        }
    };
    let report = run(&mut daemon, &table(&setting));
    println!("{name}: {} cases, {} inputs", report.cases, report.inputs);
    report.assert_clean();
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
            let all = ALL.iter().chain(RENDERING).map(|(name, _)| *name);
            // Such a daemon has capability sets.
            let all: Vec<_> = all.filter(|name| *name != "K").collect();
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
    uuids: "K, UUIDs";
    cursors: "P";
    contexts: "G, contexts";
    resources: "G, resources";
    transfers: "G, transfers";
    streams: "G, streams";
    timelines: "H, timelines";
    capability_sets: "K, with 3D";
    uuids_with_3d: "K, UUIDs with 3D";
    pictures: "S and P, with 3D";
}
