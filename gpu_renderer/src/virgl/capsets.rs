//! Capability sets, as the library fills them in.

use super::library::Library;
use crate::{Capset, CapsetId, Capsets};

/// Bytes of room beyond what the library says it needs.
const SPARE_BYTES: u32 = 4096;

/// The longest set that is believed.
const MAX_BYTES: u32 = 1 << 20;

/// Reads those sets of `wanted` that can be had: with a size and something in
/// them. The library names a size for sets whose renderer is not started, and
/// fills in nothing then.
pub(super) fn read(library: &Library, wanted: &[CapsetId]) -> Capsets {
    library.make_current();
    let mut capsets = Capsets::default();
    for &id in wanted {
        match read_one(library, id) {
            Some(capset) => capsets.add(capset),
            None => log::warn!("virglrenderer has no capability set {id}"),
        }
    }
    capsets
}

fn read_one(library: &Library, id: CapsetId) -> Option<Capset> {
    let (max_version, size) = library.capset_size(id);
    if size == 0 || size > MAX_BYTES {
        return None;
    }
    let room = size.checked_add(SPARE_BYTES)?.div_ceil(8);
    let mut words = vec![0u64; usize::try_from(room).ok()?];
    library.fill_capset(id, max_version, &mut words);
    let mut data: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    data.truncate(usize::try_from(size).ok()?);
    if data.iter().all(|&byte| byte == 0) {
        return None;
    }
    Some(Capset {
        id,
        max_version,
        data,
    })
}
