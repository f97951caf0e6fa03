//! RESOURCE_ASSIGN_UUID: names by which other devices know a resource.

use gpu_display::Display;
use resource_bridge::Uuid;

use super::Backend;
use crate::error::CommandError;
use crate::protocol::{ResourceId, Success};

impl<D: Display> Backend<D> {
    /// A resource keeps its UUID as long as it lives, and no other ever has it:
    /// who was told of it never gets something else for it.
    pub(super) fn assign_uuid(&mut self, id: ResourceId) -> Result<Success, CommandError> {
        let uuid = self.resources.assign_uuid(id, || random(id))?;
        Ok(Success::ResourceUuid(uuid))
    }
}

/// A UUID of version 4, RFC 9562 §5.4: 122 random bits.
fn random(id: ResourceId) -> Result<Uuid, CommandError> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|source| CommandError::Uuid(id, source))?;
    let version = 0x4 << 76;
    let variant = 0b10 << 62;
    let bits = u128::from_be_bytes(random) & !(0xf << 76) & !(0b11 << 62);
    Ok((bits | version | variant).to_be_bytes())
}
