//! Every table against the device in this process.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use conformance::rows::{FRONT_END_ROWS, Place, ROWS};
use conformance::tables::{ALL, BLOBS, RENDERING, Rendering, Setting, Table};
use conformance::{InProcess, run};
use virtio_gpu::Limits;

const NAMES: fn(&Table) -> &'static str = |(name, _)| name;

fn clean(name: &str, scanouts: u32, rendering: Rendering) {
    let setting = Setting {
        scanouts,
        rounds: 2000,
        rendering,
    };
    let mut tables = ALL.iter().chain(RENDERING);
    let (_, table) = tables.find(|(known, _)| *known == name).unwrap();
    let mut device = match rendering {
        Rendering::Nothing => InProcess::new(scanouts, Limits::default()),
        _ => InProcess::rendering(scanouts, Limits::default()),
    };
    let report = run(&mut device, &table(&setting));
    println!("{name}: {} cases, {} inputs", report.cases, report.inputs);
    report.assert_clean();
}

/// A table against a device that offers blobs.
fn clean_with_blobs(name: &str) {
    let setting = Setting {
        scanouts: 4,
        rounds: 2000,
        rendering: Rendering::Nothing,
    };
    let mut tables = BLOBS.iter().chain(ALL);
    let (_, table) = tables.find(|(known, _)| *known == name).unwrap();
    let mut device = InProcess::with_blobs(setting.scanouts, Limits::default());
    run(&mut device, &table(&setting)).assert_clean();
}

#[test]
fn blobs() {
    for (name, _) in BLOBS {
        clean_with_blobs(name);
    }
}

#[test]
fn where_there_are_blobs_all_else_is_as_without() {
    for name in ["S", "F", "T", "A", "P"] {
        clean_with_blobs(name);
    }
}

macro_rules! tables {
    ($module:ident, $rendering:expr, $expected:expr; $($test:ident: $name:literal;)*) => {
        mod $module {
            use super::*;

            $(
                #[test]
                fn $test() {
                    clean($name, 4, $rendering);
                }
            )*

            #[test]
            fn every_table_is_run() {
                let run = BTreeSet::from([$($name),*]);
                let expected: BTreeSet<&str> = $expected;
                assert_eq!(run, expected);
            }
        }
    };
}

tables! {
    a_2d_device, Rendering::Nothing, ALL.iter().map(NAMES).collect();
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

tables! {
    a_device_that_renders, Rendering::Recording, {
        let all = ALL.iter().chain(RENDERING).map(NAMES);
        // Such a device has capability sets.
        all.filter(|name| *name != "K").collect()
    };
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
    cursors: "P";
    contexts: "G, contexts";
    resources: "G, resources";
    transfers: "G, transfers";
    streams: "G, streams";
    timelines: "H, timelines";
    capability_sets: "K, with 3D";
    uuids: "K, UUIDs";
    uuids_of_textures: "K, UUIDs with 3D";
    pictures: "S and P, with 3D";
}

#[test]
fn scanouts_at_the_most_there_can_be() {
    clean("S", 16, Rendering::Nothing);
    clean("S and P, with 3D", 16, Rendering::Recording);
}

/// The rows that tables try.
fn tried(tables: &[Table]) -> BTreeSet<&'static str> {
    let setting = Setting {
        scanouts: 4,
        rounds: 1,
        rendering: Rendering::Recording,
    };
    let cases = tables.iter().flat_map(|(_, table)| table(&setting));
    cases.map(|case| case.id).collect()
}

fn listed(places: [Place; 2]) -> BTreeSet<&'static str> {
    let rows = ROWS.iter().filter(|(_, place)| places.contains(place));
    rows.map(|(id, _)| *id).collect()
}

#[test]
fn every_row_is_tried_where_the_list_says() {
    assert_eq!(tried(ALL), listed([Place::Tables, Place::Both]));
    assert_eq!(tried(RENDERING), listed([Place::Rendering, Place::Both]));
    assert_eq!(tried(BLOBS), listed([Place::Blobs, Place::Blobs]));
}

#[test]
fn no_row_is_left_out() {
    let counts = [
        ('V', 37),
        ('H', 25),
        ('D', 7),
        ('C', 15),
        ('U', 10),
        ('S', 16),
        ('F', 7),
        ('T', 14),
        ('A', 16),
        ('K', 8),
        ('B', 39),
        ('G', 31),
        ('P', 12),
    ];
    let expected: Vec<_> = counts
        .iter()
        .flat_map(|(letter, count)| (1..=*count).map(move |row| format!("{letter}{row:02}")))
        .collect();

    let names = |rows: &[(&str, Place)]| -> Vec<_> {
        rows.iter().map(|(id, _)| (*id).to_owned()).collect()
    };
    assert_eq!(names(ROWS), expected);
    let hosts: Vec<_> = (1..=18)
        .chain([21, 28])
        .map(|row| format!("W{row:02}"))
        .collect();
    assert_eq!(names(FRONT_END_ROWS), hosts);
}
