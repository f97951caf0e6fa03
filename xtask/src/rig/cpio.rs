//! Writes the archive format that Linux unpacks as its first file system: cpio, "newc" variant.

/// An archive under construction.
#[derive(Debug, Default)]
pub(crate) struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

const FOLDER: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const SYMLINK: u32 = 0o120_777;

impl Archive {
    /// Adds a folder.
    pub(crate) fn folder(&mut self, name: &str) {
        self.entry(name, FOLDER, &[]);
    }

    /// Adds a file that may be executed.
    pub(crate) fn program(&mut self, name: &str, content: &[u8]) {
        self.entry(name, PROGRAM, content);
    }

    /// Adds a symbolic link to `target`.
    pub(crate) fn symlink(&mut self, name: &str, target: &str) {
        self.entry(name, SYMLINK, target.as_bytes());
    }

    /// Ends the archive.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.bytes
    }

    fn entry(&mut self, name: &str, mode: u32, content: &[u8]) {
        self.entries = self.entries.saturating_add(1);
        let length = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
        let fields = [
            self.entries,
            mode,
            0, // owner
            0, // group
            1, // links
            0, // time
            length(content.len()),
            0,
            0,
            0,
            0,
            length(name.len()).saturating_add(1),
            0, // no checksum in this variant
        ];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes
                .extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_byte_by_byte() {
        let mut archive = Archive::default();
        archive.program("init", b"hello");
        let bytes = archive.finish();
        let expected = "070701\
             00000001000081ed00000000000000000000000100000000\
             00000005000000000000000000000000000000000000000500000000\
             init\0\0hello\0\0\0\
             070701\
             00000002000000000000000000000000000000010000000000000000\
             000000000000000000000000000000000000000b00000000\
             TRAILER!!!\0\0\0\0";
        assert_eq!(String::from_utf8_lossy(&bytes), expected);
    }

    #[test]
    fn links_hold_their_target() {
        let mut archive = Archive::default();
        archive.folder("bin");
        archive.symlink("bin/sh", "busybox");
        let text = String::from_utf8_lossy(&archive.finish()).into_owned();
        assert!(text.contains("0000a1ff"), "{text}");
        assert!(text.contains("bin/sh\0\0\0\0busybox"), "{text}");
    }
}
