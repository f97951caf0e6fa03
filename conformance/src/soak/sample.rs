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
    /// Resident memory in KiB that the process itself made: without the guest's own, which is resident as soon as the
    /// process has looked at it, and without what is mapped of programs and libraries, of which the kernel brings in
    /// 64 KiB at a time whenever something is run for the first time.
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

/// How many mappings a text of `/proc/PID/smaps` has, and what is resident of those that the process made.
fn of_mappings(smaps: &str) -> (u64, u64) {
    let (mut mappings, mut resident) = (0, 0);
    let mut counted = "Rss";
    for line in smaps.lines() {
        let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
        if let Some(key) = first.strip_suffix(':') {
            if key == counted {
                let number = rest.trim().trim_end_matches(" kB");
                resident += number.parse::<u64>().expect("a number of KiB");
            }
        } else {
            mappings += 1;
            counted = counted_of(line);
        }
    }
    (mappings, resident)
}

/// The line that says how much a mapping counts.
fn counted_of(mapping: &str) -> &'static str {
    let path = mapping.find('/').map(|at| &mapping[at..]);
    match path {
        Some(path) if path.starts_with("/memfd:guest") => "none",
        Some(path) if path.starts_with("/memfd:") || path.starts_with("/dev/") => "Rss",
        // What was written of a private mapping of a file is the process's own.
        Some(_) => "Anonymous",
        None => "Rss",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_mapped_of_a_guest_or_a_program_is_not_what_the_process_made() {
        let smaps = "7f0000000000-7f0000001000 rw-p 00000000 00:00 0 \n\
                     Size:                  8 kB\n\
                     Rss:                   8 kB\n\
                     Anonymous:             8 kB\n\
                     VmFlags: rd wr\n\
                     7f0000002000-7f0000003000 rw-s 00000000 00:01 7  /memfd:guest (deleted)\n\
                     Rss:                4096 kB\n\
                     Anonymous:             0 kB\n\
                     7f0000004000-7f0000005000 rw-s 00000000 00:01 8  /memfd:pixels (deleted)\n\
                     Rss:                  16 kB\n\
                     Anonymous:             0 kB\n\
                     7f0000006000-7f0000007000 rw-p 00000000 fe:00 9  /usr/bin/daemon\n\
                     Rss:                  64 kB\n\
                     Anonymous:             4 kB\n";
        assert_eq!(of_mappings(smaps), (4, 8 + 16 + 4));
    }

    #[test]
    fn this_process_holds_something() {
        let sample = Sample::of(std::process::id());

        assert!(sample.descriptors >= 1 && sample.threads >= 1);
        assert!(sample.mappings >= 3 && sample.resident >= 100);
    }
}
