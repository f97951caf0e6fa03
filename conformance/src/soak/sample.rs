//! What a process holds at a moment.

use std::fs;

/// What a process holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample {
    /// Open descriptors.
    pub(super) descriptors: u64,
    /// Mappings.
    pub(super) mappings: u64,
    /// Threads.
    pub(super) threads: u64,
    /// Resident memory in KiB, without the guest's own, which is resident as soon as the process has looked at it.
    pub(super) resident: u64,
}

impl Sample {
    /// Of a process that is not at work.
    pub(super) fn of(process: u32) -> Self {
        let entries = |directory: &str| {
            let entries = fs::read_dir(format!("/proc/{process}/{directory}"));
            entries.expect("the daemon runs").count() as u64
        };
        let smaps = fs::read_to_string(format!("/proc/{process}/smaps"));
        let (mappings, resident) = of_mappings(&smaps.expect("the daemon runs"));
        Self {
            descriptors: entries("fd"),
            mappings,
            threads: entries("task"),
            resident,
        }
    }
}

/// How many mappings a text of `/proc/PID/smaps` has, and what is resident of those that are not a guest's memory.
fn of_mappings(smaps: &str) -> (u64, u64) {
    let (mut mappings, mut resident) = (0, 0);
    let mut is_guest = false;
    for line in smaps.lines() {
        let first = line.split(' ').next().unwrap_or_default();
        if let Some(kibibytes) = line.strip_prefix("Rss:") {
            let number = kibibytes.trim().trim_end_matches(" kB");
            if !is_guest {
                resident += number.parse::<u64>().expect("Rss is a number");
            }
        } else if !first.ends_with(':') {
            mappings += 1;
            is_guest = line.contains("/memfd:guest");
        }
    }
    (mappings, resident)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mappings_are_counted_and_the_guests_memory_is_not_the_daemons() {
        let smaps = "7f0000000000-7f0000001000 rw-p 00000000 00:00 0 \n\
                     Size:                  8 kB\n\
                     Rss:                   8 kB\n\
                     VmFlags: rd wr\n\
                     7f0000002000-7f0000003000 rw-s 00000000 00:01 7  /memfd:guest (deleted)\n\
                     Rss:                4096 kB\n\
                     7f0000004000-7f0000005000 r-xp 00000000 fe:00 9  /usr/bin/daemon\n\
                     Rss:                  12 kB\n";
        assert_eq!(of_mappings(smaps), (3, 20));
    }

    #[test]
    fn this_process_holds_something() {
        let sample = Sample::of(std::process::id());

        assert!(sample.descriptors >= 1 && sample.threads >= 1);
        assert!(sample.mappings >= 3 && sample.resident >= 100);
    }
}
