//! Scatter lists resolve guest ranges as a whole or not at all.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]

use std::sync::Arc;

use gpu_buffer::{Error, ScatterList};
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryMmap, GuestRegionMmap};

/// Two adjacent regions at 0x1000 and 0x3000, a hole, one at 0x8000; each byte tells its address.
fn memory() -> GuestMemoryMmap {
    let ranges = [(0x1000, 0x2000), (0x3000, 0x1000), (0x8000, 0x1000)];
    let ranges = ranges.map(|(base, size)| (GuestAddress(base), size));
    let memory = GuestMemoryMmap::from_ranges(&ranges).unwrap();
    for (base, size) in ranges {
        let bytes: Vec<u8> = (base.0..).take(size).map(tag).collect();
        memory.write_slice(&bytes, base).unwrap();
    }
    memory
}

fn tag(address: u64) -> u8 {
    (address % 251).try_into().unwrap()
}

fn resolve(memory: &GuestMemoryMmap, entries: &[(u64, u32)]) -> Result<ScatterList, Error> {
    ScatterList::resolve(memory, entries.iter().copied())
}

/// The pieces from `offset` on, copied.
fn pieces(list: &ScatterList, offset: u64, length: u64) -> Option<Vec<Vec<u8>>> {
    let slices = list.slices_at(offset, length)?;
    let copied = slices.map(|slice| {
        let mut bytes = vec![0; slice.len()];
        slice.copy_to(&mut bytes[..]);
        bytes
    });
    Some(copied.collect())
}

#[test]
fn the_entries_are_read_as_one_run_of_bytes() {
    let list = resolve(&memory(), &[(0x8010, 3), (0x1000, 2), (0x3ffe, 2)]).unwrap();

    assert_eq!(list.total(), 7);
    let expected: Vec<u8> = [0x8010, 0x8011, 0x8012, 0x1000, 0x1001, 0x3ffe, 0x3fff]
        .map(tag)
        .to_vec();
    assert_eq!(pieces(&list, 0, 7).unwrap().concat(), expected);
    assert_eq!(pieces(&list, 2, 4).unwrap().concat(), expected[2..6]);
}

#[test]
fn an_entry_may_span_adjacent_regions() {
    let list = resolve(&memory(), &[(0x2ffe, 4)]).unwrap();

    assert_eq!(
        pieces(&list, 0, 4).unwrap(),
        [
            vec![tag(0x2ffe), tag(0x2fff)],
            vec![tag(0x3000), tag(0x3001)]
        ]
    );
}

#[test]
fn neighbours_in_one_region_become_one_piece() {
    let pages = [(0x1000, 0x800), (0x1800, 0x800), (0x2000, 0x1000)];
    let list = resolve(&memory(), &pages).unwrap();

    assert_eq!(pieces(&list, 0, 0x2000).unwrap().len(), 1);
}

#[test]
fn entries_in_another_order_are_not_merged() {
    let list = resolve(&memory(), &[(0x1002, 2), (0x1000, 2), (0x1000, 1)]).unwrap();

    let expected = [
        vec![tag(0x1002), tag(0x1003)],
        vec![tag(0x1000), tag(0x1001)],
        vec![tag(0x1000)],
    ];
    assert_eq!(pieces(&list, 0, 5).unwrap(), expected);
}

#[test]
fn no_piece_is_empty_even_where_one_ends() {
    let list = resolve(&memory(), &[(0x8010, 3), (0x1000, 2)]).unwrap();

    assert_eq!(
        pieces(&list, 3, 2).unwrap(),
        [vec![tag(0x1000), tag(0x1001)]]
    );
    assert_eq!(pieces(&list, 0, 3).unwrap().len(), 1);
}

#[test]
fn one_mapping_at_two_addresses_is_no_neighbour_of_itself() {
    let first = GuestRegionMmap::from_range(GuestAddress(0x1000), 0x1000, None).unwrap();
    let next = GuestRegionMmap::with_arc(first.get_mmap(), GuestAddress(0x2000)).unwrap();
    let far = GuestRegionMmap::with_arc(first.get_mmap(), GuestAddress(0x8000)).unwrap();
    let memory = GuestMemoryMmap::from_regions(vec![first, next, far]).unwrap();
    memory
        .write_slice(&[1, 2, 3, 4], GuestAddress(0x1000))
        .unwrap();
    memory.write_slice(&[9], GuestAddress(0x1fff)).unwrap();

    let wrapped = resolve(&memory, &[(0x1fff, 3)]).unwrap();
    let mut across = resolve(&memory, &[(0x1000, 2), (0x8002, 2)]).unwrap();

    assert_eq!(pieces(&wrapped, 0, 3).unwrap(), [vec![9], vec![1, 2]]);
    assert_eq!(pieces(&across, 0, 4).unwrap(), [vec![1, 2], vec![3, 4]]);
    let (without, _) = memory.remove_region(GuestAddress(0x8000), 0x1000).unwrap();
    assert!(!across.remap(&without));
}

#[test]
fn an_entry_of_no_bytes_is_empty_wherever_it_points() {
    let list = resolve(&memory(), &[(0x1000, 1), (0xdead_0000, 0), (u64::MAX, 0)]).unwrap();

    assert_eq!(list.total(), 1);
    assert_eq!(resolve(&memory(), &[]).unwrap().total(), 0);
}

#[test]
fn one_byte_outside_memory_fails_the_whole_list() {
    let bad = [
        (0x0fff, 1),        // before the first region
        (0x3fff, 2),        // runs into the hole
        (0x2fff, 0x1002),   // across two regions, then into the hole
        (0x7fff, 2),        // begins in the hole
        (0x8fff, 2),        // beyond the last region
        (0x1000, u32::MAX), // long
        (u64::MAX, 1),      // the last address
        (u64::MAX, 2),      // wraps
        (0xffff_ffff_ffff_f000, u32::MAX),
    ];
    for entry in bad {
        let error = resolve(&memory(), &[(0x1000, 16), entry]).unwrap_err();
        assert!(
            matches!(error, Error::Unmapped { address, length } if (address, length) == entry),
            "{entry:x?}: {error}"
        );
    }
}

#[test]
fn bytes_beyond_the_end_are_not_there() {
    let list = resolve(&memory(), &[(0x1000, 8), (0x2000, 8)]).unwrap();

    assert!(pieces(&list, 0, 16).is_some());
    assert!(pieces(&list, 16, 0).unwrap().is_empty());
    assert!(pieces(&list, 0, 17).is_none());
    assert!(pieces(&list, 16, 1).is_none());
    assert!(pieces(&list, u64::MAX, 2).is_none());
    assert!(pieces(&ScatterList::default(), 0, 1).is_none());
}

#[test]
fn a_list_without_all_of_its_memory_is_not_read_and_comes_back_with_it() {
    let memory = memory();
    let mut list = resolve(&memory, &[(0x1000, 0x10), (0x8000, 0x10)]).unwrap();
    assert!(list.remap(&memory.clone()));
    let before = pieces(&list, 0, 0x20).unwrap().concat();

    let (without, region) = memory.remove_region(GuestAddress(0x8000), 0x1000).unwrap();
    assert!(!list.remap(&without));
    assert!(!list.is_mapped());
    assert!(pieces(&list, 0, 1).is_none());
    assert_eq!((list.total(), list.ranges()), (0x20, 2));

    let again = without.insert_region(region).unwrap();
    assert!(list.remap(&again));
    assert_eq!(pieces(&list, 0, 0x20).unwrap().concat(), before);
}

#[test]
fn memory_that_took_another_s_place_is_what_is_read() {
    let memory = memory();
    let mut list = resolve(&memory, &[(0x8000, 4)]).unwrap();
    let (without, _) = memory.remove_region(GuestAddress(0x8000), 0x1000).unwrap();
    let other = GuestRegionMmap::from_range(GuestAddress(0x7ff0), 0x1000, None).unwrap();
    let replaced = without.insert_region(Arc::new(other)).unwrap();
    replaced
        .write_slice(&[7, 7, 7, 7], GuestAddress(0x8000))
        .unwrap();

    assert!(list.remap(&replaced));

    assert_eq!(pieces(&list, 0, 4).unwrap().concat(), [7; 4]);
}

#[test]
fn a_range_that_now_runs_over_two_regions_is_found_whole() {
    let whole = GuestMemoryMmap::from_ranges(&[(GuestAddress(0x1000), 0x2000)]).unwrap();
    let mut list = resolve(&whole, &[(0x1ffe, 4)]).unwrap();
    let split = GuestMemoryMmap::from_ranges(&[
        (GuestAddress(0x1000), 0x1000),
        (GuestAddress(0x2000), 0x1000),
    ])
    .unwrap();
    split
        .write_slice(&[1, 2, 3, 4], GuestAddress(0x1ffe))
        .unwrap();

    assert!(list.remap(&split));

    assert_eq!(pieces(&list, 0, 4).unwrap(), [vec![1, 2], vec![3, 4]]);
}

#[test]
fn a_region_that_left_the_memory_map_stays_readable() {
    let memory = memory();
    let list = resolve(&memory, &[(0x8000, 4)]).unwrap();

    let regions = memory.num_regions();
    drop(memory);

    assert_eq!(regions, 3);
    let expected: Vec<u8> = (0x8000..0x8004).map(tag).collect();
    assert_eq!(pieces(&list, 0, 4).unwrap().concat(), expected);
}
