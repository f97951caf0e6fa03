//! A look at a command stream before the library gets it: only what it does
//! not look at itself.

use crate::{RenderError, ResourceId};

/// Writes how much memory the GPU has to the start of a resource's backing.
const GET_MEMORY_INFO: u32 = 50;

/// Checks that each command ends within the stream: the library stops at one
/// that does not, and says that all went well. `takes_memory_info` says
/// whether a resource has a place for what [`GET_MEMORY_INFO`] writes: up to
/// 1.0 the library does not look.
pub(super) fn check(
    commands: &[u32],
    takes_memory_info: impl Fn(ResourceId) -> bool,
) -> Result<(), RenderError> {
    let mut rest = commands;
    while let Some((&header, after)) = rest.split_first() {
        let length = usize::try_from(header >> 16).unwrap_or(usize::MAX);
        let arguments = after
            .get(..length)
            .ok_or(RenderError::Impossible("a command that leaves its stream"))?;
        if header & 0xff == GET_MEMORY_INFO
            && let Some(&resource) = arguments.first()
            && !takes_memory_info(ResourceId(resource))
        {
            return Err(RenderError::Impossible("no place for the memory's sizes"));
        }
        rest = after.get(length..).unwrap_or_default();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound(commands: &[u32]) -> bool {
        check(commands, |resource| resource == ResourceId(7)).is_ok()
    }

    #[test]
    fn commands_end_with_their_stream() {
        assert!(sound(&[]));
        assert!(sound(&[0, 0x0002_0007, 1, 2]));
        assert!(!sound(&[0x0001_0000]));
        assert!(!sound(&[0, 0x0003_0007, 1, 2]));
        assert!(!sound(&[u32::MAX]));
    }

    #[test]
    fn memory_sizes_need_a_place() {
        assert!(sound(&[0x0001_0032, 7]));
        assert!(!sound(&[0x0001_0032, 8]));
        // Not the command: an argument that looks like it.
        assert!(sound(&[0x0002_0007, 0x0001_0032, 8]));
        // Without arguments, the library refuses it.
        assert!(sound(&[0x0000_0032]));
    }
}
