//! A look at a command stream before the library gets it: only what some
//! version of it does not look at itself.

use super::format::Block;
use super::regions;
use super::resources::Resource;
use crate::{RenderError, ResourceId};

/// Lets shaders write to textures: stage, first slot, and five words for each.
const SET_SHADER_IMAGES: u32 = 35;

/// Writes how much memory the GPU has to the start of a resource's backing.
const GET_MEMORY_INFO: u32 = 50;

/// What it writes.
const MEMORY_INFO_BYTES: usize = 24;

/// Checks a stream:
///
/// - Each command ends within it: the library stops at one that does not,
///   and says that all went well.
/// - The regions that it names are there, see [`regions`].
/// - The memory's sizes go to a resource with a place for them: 0.10 writes
///   through a null pointer.
/// - Shader images have formats: 0.10 reads outside of its table.
pub(super) fn check<'a>(
    commands: &[u32],
    find: impl Fn(ResourceId) -> Option<&'a Resource>,
) -> Result<(), RenderError> {
    let impossible = RenderError::Impossible;
    let mut rest = commands;
    while let Some((&header, after)) = rest.split_first() {
        let length = usize::try_from(header >> 16).unwrap_or(usize::MAX);
        let (arguments, next) = after
            .split_at_checked(length)
            .ok_or(impossible("a command that leaves its stream"))?;
        match (header & 0xff, arguments) {
            (GET_MEMORY_INFO, &[resource, ..])
                if !find(ResourceId(resource)).is_some_and(has_place) =>
            {
                return Err(impossible("no place for the memory's sizes"));
            }
            (SET_SHADER_IMAGES, [_, _, images @ ..]) if !have_formats(images) => {
                return Err(impossible("a shader image of an unknown format"));
            }
            (number, arguments) => regions::check(number, arguments, &find)?,
        }
        rest = next;
    }
    Ok(())
}

/// Whether the memory's sizes can be written to a resource's backing.
fn has_place(resource: &Resource) -> bool {
    let backing = resource.backing.as_ref();
    backing.is_some_and(|backing| backing.ranges.first_length() >= MEMORY_INFO_BYTES)
}

fn have_formats(images: &[u32]) -> bool {
    images
        .chunks(5)
        .filter_map(<[u32]>::first)
        .all(|&format| Block::of(format).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound(commands: &[u32]) -> bool {
        check(commands, |_| None).is_ok()
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
        assert!(!sound(&[0x0001_0032, 8]));
        assert!(!sound(&[0, 0x0001_0032, 8]));
        // Not the command: an argument that looks like it.
        assert!(sound(&[0x0002_0007, 0x0001_0032, 8]));
        // Without arguments, the library refuses it.
        assert!(sound(&[0x0000_0032]));
    }

    #[test]
    fn shader_images_have_formats() {
        // R8G8B8A8_UNORM, then none, then one beyond all tables.
        let image = |format| [format, 2, 0, 0, 9];
        let stream = |first, second| {
            let images = [image(first), image(second)].concat();
            [&[0x000c_0023, 1, 0], images.as_slice()].concat()
        };

        assert!(sound(&stream(67, 0)));
        assert!(!sound(&stream(67, 65536)));
        assert!(!sound(&stream(u32::MAX, 67)));
    }
}
