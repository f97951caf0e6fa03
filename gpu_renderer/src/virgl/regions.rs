//! The regions that a command stream names, held against its resources. The
//! library leaves most of this to GL, and software GL does not look: it writes
//! beyond textures, and draws layers that are not there for hours.

use super::check::{self, target};
use super::resources::Resource;
use crate::{Box3, Direction, RenderError, ResourceId, Transfer};

const BLIT: u32 = 16;
const RESOURCE_COPY_REGION: u32 = 17;
const TRANSFER3D: u32 = 43;
const COPY_TRANSFER3D: u32 = 45;
const CLEAR_TEXTURE: u32 = 47;

/// Of `TRANSFER3D`: out of the resource.
const FROM_HOST: u32 = 2;

/// Of `COPY_TRANSFER3D`: out of the resource.
const READ_FROM_HOST: u32 = 1 << 1;

/// Guests may blit from and to pixels beyond a picture, which are cut off, but
/// have no reason to go further than this.
const FARTHEST: i64 = 1 << 16;

/// Checks one command. Resources that `find` does not know and commands of
/// another length are left to the library, which refuses them.
pub(super) fn check<'a>(
    number: u32,
    arguments: &[u32],
    find: impl Fn(ResourceId) -> Option<&'a Resource>,
) -> Result<(), RenderError> {
    let known = |id| find(ResourceId(id));
    let checked = match number {
        BLIT => arguments.get(3..).and_then(|sides| blit(sides, known)),
        RESOURCE_COPY_REGION => copy(arguments, known),
        CLEAR_TEXTURE => clear(arguments, known),
        TRANSFER3D => transfer(arguments, known),
        COPY_TRANSFER3D => copy_transfer(arguments, known),
        _ => None,
    };
    checked.unwrap_or(Ok(()))
}

/// What is known of a resource that a command names.
type Known<'a> = Option<&'a Resource>;

/// `None` where there is nothing to check.
type Checked = Option<Result<(), RenderError>>;

/// Where to and where from, nine words each.
fn blit<'a>(sides: &[u32], known: impl Fn(u32) -> Known<'a>) -> Checked {
    let sides = sides.as_chunks::<9>().0.iter();
    sides
        .filter_map(|&[resource, level, _, x, y, z, width, height, depth]| {
            let resource = known(resource)?;
            Some(blit_side(
                resource,
                level,
                [x, y, z],
                [width, height, depth],
            ))
        })
        .find(Result::is_err)
}

fn copy<'a>(arguments: &[u32], known: impl Fn(u32) -> Known<'a>) -> Checked {
    let (&[to, to_level, x, y, z], source) = arguments.split_first_chunk()?;
    let &[from, level, from_x, from_y, from_z, width, height, depth] = source.first_chunk()?;
    let (from, to) = (known(from)?, known(to)?);
    let source = region([from_x, from_y, from_z], [width, height, depth]);
    let size = converted([width, height, depth], from, to);
    let target = region([x, y, z], size);
    Some(copied(from, level, &source).and_then(|()| copied(to, to_level, &target)))
}

fn clear<'a>(arguments: &[u32], known: impl Fn(u32) -> Known<'a>) -> Checked {
    let &[resource, level, x, y, z, width, height, depth] = arguments.first_chunk()?;
    let region = region([x, y, z], [width, height, depth]);
    Some(cleared(known(resource)?, level, &region))
}

fn transfer<'a>(arguments: &[u32], known: impl Fn(u32) -> Known<'a>) -> Checked {
    let (place, &[offset, direction, ..]) = arguments.split_first_chunk()? else {
        return None;
    };
    let resource = known(place[0])?;
    let direction = match direction {
        FROM_HOST => Direction::FromHost,
        _ => Direction::ToHost,
    };
    Some(transferred(
        resource,
        resource,
        &named(place, offset, direction),
    ))
}

fn copy_transfer<'a>(arguments: &[u32], known: impl Fn(u32) -> Known<'a>) -> Checked {
    let (place, &[staging, offset, flags]) = arguments.split_first_chunk()? else {
        return None;
    };
    let direction = match flags & READ_FROM_HOST {
        0 => Direction::ToHost,
        _ => Direction::FromHost,
    };
    let (resource, staging) = (known(place[0])?, known(staging)?);
    Some(transferred(
        resource,
        staging,
        &named(place, offset, direction),
    ))
}

/// The transfer whose words are `place`.
fn named(place: &[u32; 11], offset: u32, direction: Direction) -> Transfer {
    let &[
        resource,
        level,
        _,
        stride,
        layer_stride,
        x,
        y,
        z,
        width,
        height,
        depth,
    ] = place;
    Transfer {
        direction,
        context: None,
        resource: ResourceId(resource),
        level,
        stride,
        // Guests do not care what it is where there is one layer.
        layer_stride: if depth == 1 { 0 } else { layer_stride },
        region: region([x, y, z], [width, height, depth]),
        offset: offset.into(),
    }
}

/// One side of a blit. Negative sizes mirror the picture.
fn blit_side(
    resource: &Resource,
    level: u32,
    start: [u32; 3],
    size: [u32; 3],
) -> Result<(), RenderError> {
    let [_, _, layers] = level_of(resource, level)?;
    if resource.args.target == target::BUFFER {
        return Err(RenderError::Impossible("a blit of a buffer"));
    }
    let [x, y, z] = start.map(|word| i64::from(word.cast_signed()));
    let [width, height, depth] = size.map(|word| i64::from(word.cast_signed()));
    let is_near = [(x, width), (y, height)].into_iter().all(|(from, length)| {
        from.abs() <= FARTHEST && from.saturating_add(length).abs() <= FARTHEST
    });
    if !is_near {
        return Err(RenderError::Impossible("a blit far outside of its picture"));
    }
    if z < 0 || depth < 1 || z.saturating_add(depth) > i64::from(layers) {
        return Err(RenderError::Impossible(
            "a blit of layers that are not there",
        ));
    }
    Ok(())
}

/// One side of a copy. The last block of a level may be cut short; a copy of it
/// need not be.
fn copied(resource: &Resource, level: u32, region: &Box3) -> Result<(), RenderError> {
    let [width, height, layers] = level_of(resource, level)?;
    let block = resource.block;
    let whole = |side: u32, block: u32| side.checked_next_multiple_of(block).unwrap_or(side);
    let sides = [
        whole(width, block.width),
        whole(height, block.height),
        layers,
    ];
    contained(sides, region)
}

/// The size of a copy of `from` in `to`: as many blocks.
fn converted([width, height, depth]: [u32; 3], from: &Resource, to: &Resource) -> [u32; 3] {
    let scale = |length: u32, from: u32, to: u32| match from == to {
        true => length,
        false => length.div_ceil(from).saturating_mul(to),
    };
    [
        scale(width, from.block.width, to.block.width),
        scale(height, from.block.height, to.block.height),
        depth,
    ]
}

fn cleared(resource: &Resource, level: u32, region: &Box3) -> Result<(), RenderError> {
    if resource.args.target == target::BUFFER {
        return Err(RenderError::Impossible("a buffer cleared as a texture"));
    }
    contained(level_of(resource, level)?, region)
}

/// A transfer between a resource and the backing of `staging`.
fn transferred(
    resource: &Resource,
    staging: &Resource,
    transfer: &Transfer,
) -> Result<(), RenderError> {
    let backing = staging.backing.as_ref();
    let bytes = backing.map_or(0, |backing| backing.list.total());
    check::transfer(&resource.args, resource.block, transfer, bytes).map(drop)
}

fn level_of(resource: &Resource, level: u32) -> Result<[u32; 3], RenderError> {
    if level > resource.args.last_level {
        return Err(RenderError::Impossible("a level that is not there"));
    }
    Ok(check::level_sides(&resource.args, level))
}

fn contained(sides: [u32; 3], region: &Box3) -> Result<(), RenderError> {
    if check::contains(sides, region) {
        Ok(())
    } else {
        Err(RenderError::Impossible("a region that leaves the resource"))
    }
}

fn region([x, y, z]: [u32; 3], [width, height, depth]: [u32; 3]) -> Box3 {
    Box3 {
        x,
        y,
        z,
        width,
        height,
        depth,
    }
}

#[cfg(test)]
mod tests;
