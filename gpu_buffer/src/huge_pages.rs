//! Memory in pages of 2 MiB, for which a processor needs fewer look-ups than for small ones. Most of
//! all in a virtual machine, where each look-up goes through two tables.
#![allow(unsafe_code)]

use nix::sys::mman::{MmapAdvise, madvise};
use vm_memory::MmapRegion;

/// Below this no whole page of the larger size fits.
const WORTH_IT: usize = 2 << 20;

/// Asks the kernel for large pages behind memory that is still untouched. What it can't give stays as
/// it is, so nobody needs to know.
pub(crate) fn ask(region: &MmapRegion) {
    if region.size() < WORTH_IT {
        return;
    }
    let Some(start) = std::ptr::NonNull::new(region.as_ptr()) else {
        return;
    };
    // SAFETY: madvise(2): the range is the whole of a mapping that `region` keeps, and MADV_HUGEPAGE
    // changes neither its contents nor its addresses.
    let _ = unsafe { madvise(start.cast(), region.size(), MmapAdvise::MADV_HUGEPAGE) };
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// The flags that the kernel tells of a mapping.
    fn flags_of(region: &MmapRegion) -> String {
        let smaps = fs::read_to_string("/proc/self/smaps").unwrap();
        let start = format!("{:x}-", region.as_ptr().addr());
        let mapping = smaps.lines().skip_while(|line| !line.starts_with(&start));
        let mut flags = mapping.filter_map(|line| line.strip_prefix("VmFlags:"));
        flags.next().unwrap().to_owned()
    }

    fn is_asked(bytes: usize) -> bool {
        let region = MmapRegion::new(bytes).unwrap();
        ask(&region);
        flags_of(&region).split(' ').any(|flag| flag == "hg")
    }

    #[test]
    fn a_picture_of_a_screen_is_asked_in_large_pages_and_a_cursor_is_not() {
        if !Path::new("/sys/kernel/mm/transparent_hugepage").exists() {
            println!("SKIP: this kernel has no transparent huge pages");
            return;
        }

        assert!(is_asked(1920 * 1080 * 4));
        assert!(!is_asked(64 * 64 * 4));
    }
}
