//! Every table against the device in this process.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use conformance::rows::{FRONT_END_ROWS, Place, ROWS};
use conformance::tables::{ALL, Setting};
use conformance::{InProcess, run};
use virtio_gpu::Limits;

fn clean(name: &str, scanouts: u32) {
    let setting = Setting {
        scanouts,
        rounds: 2000,
    };
    let (_, table) = ALL.iter().find(|(known, _)| *known == name).unwrap();
    let mut device = InProcess::new(scanouts, Limits::default());
    let report = run(&mut device, &table(&setting));
    println!("{name}: {} cases, {} inputs", report.cases, report.inputs);
    report.assert_clean();
}

macro_rules! tables {
    ($($test:ident: $name:literal;)*) => {
        $(
            #[test]
            fn $test() {
                clean($name, 4);
            }
        )*

        #[test]
        fn every_table_is_run() {
            let run = BTreeSet::from([$($name),*]);
            let all: BTreeSet<_> = ALL.iter().map(|(name, _)| *name).collect();
            assert_eq!(run, all);
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
    cursors: "P";
}

#[test]
fn scanouts_at_the_most_there_can_be() {
    clean("S", 16);
}

#[test]
fn every_row_is_tried_where_the_list_says() {
    let setting = Setting {
        scanouts: 4,
        rounds: 1,
    };
    let tried: BTreeSet<_> = ALL
        .iter()
        .flat_map(|(_, table)| table(&setting))
        .map(|case| case.id)
        .collect();
    let listed: BTreeSet<_> = ROWS
        .iter()
        .filter(|(_, place)| *place == Place::Tables)
        .map(|(id, _)| *id)
        .collect();

    assert_eq!(tried, listed);
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
        .chain([28])
        .map(|row| format!("W{row:02}"))
        .collect();
    assert_eq!(names(FRONT_END_ROWS), hosts);
}
