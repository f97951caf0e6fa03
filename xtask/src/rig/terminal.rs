//! What a command prints on the guest's terminal, and where it ends.

/// Separates the end mark that the guest prints after a command from the command's own output.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    pending: Vec<u8>,
    ready: Vec<u8>,
}

const MARK: &[u8] = b"\x1erig-exit ";

impl Splitter {
    /// Takes more output; returns the exit code once the whole mark has come.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Option<i32> {
        self.pending.extend_from_slice(bytes);
        let Some(start) = self.pending.iter().position(|byte| *byte == 0x1e) else {
            self.ready.append(&mut self.pending);
            return None;
        };
        let mark = self.pending.split_off(start);
        self.ready.append(&mut self.pending);
        let text = mark.strip_prefix(MARK);
        let code = text
            .and_then(|text| text.split(|byte| *byte == b'\n').next())
            .filter(|_| mark.contains(&b'\n'))
            .and_then(|digits| std::str::from_utf8(digits).ok()?.trim().parse().ok());
        if code.is_none() && !MARK.starts_with(mark.get(..MARK.len()).unwrap_or(&mark)) {
            // The command itself printed the first byte of a mark.
            self.ready.extend_from_slice(&mark);
        } else {
            self.pending = mark;
        }
        code
    }

    /// What has come of the command's own output.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.ready)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_is_found_in_pieces() {
        let mut splitter = Splitter::default();
        assert_eq!(splitter.feed(b"out\x1erig-"), None);
        assert_eq!(splitter.feed(b"exit 4"), None);
        assert_eq!(splitter.take(), b"out");
        assert_eq!(splitter.feed(b"2\n"), Some(42));
        assert!(splitter.take().is_empty());
    }

    #[test]
    fn other_uses_of_the_byte_pass_through() {
        let mut splitter = Splitter::default();
        assert_eq!(splitter.feed(b"a\x1eb"), None);
        assert_eq!(splitter.take(), b"a\x1eb");
    }
}
