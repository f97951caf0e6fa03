//! GET_CAPSET_INFO and GET_CAPSET.

use gpu_display::Display;
use gpu_renderer::{Capset, CapsetId};

use super::Backend;
use crate::error::CommandError;
use crate::protocol::Success;

impl<D: Display> Backend<D> {
    pub(super) fn get_capset_info(&mut self, index: u32) -> Result<Success, CommandError> {
        let capset = self
            .capsets()
            .by_index(index)
            .ok_or(CommandError::NoCapset(index))?;
        Ok(Success::CapsetInfo {
            id: capset.id.0,
            max_version: capset.max_version,
            max_size: capset.max_size(),
        })
    }

    pub(super) fn get_capset(&mut self, id: u32, version: u32) -> Result<Success, CommandError> {
        let Capset { data, .. } = self
            .capsets()
            .find(CapsetId(id), version)
            .ok_or(CommandError::NoCapset(id))?;
        Ok(Success::Capset(data.clone()))
    }
}
