//! The messages that change the memory table. The device has let go of the old memory before any of them is
//! acknowledged.

use gpu_display::Display;
use vhost::vhost_user::message::{
    FrontendReq, VhostUserMemory, VhostUserMemoryRegion, VhostUserSingleMemoryRegion,
};
use vm_memory::ByteValued;

use super::message::{Descriptors, Message};
use super::{Answer, Session};
use crate::Error;
use crate::memory::RegionInfo;
use crate::remote_display::FrontEndSocket;

/// Bytes of one region in SET_MEM_TABLE.
const REGION_SIZE: usize = size_of::<VhostUserMemoryRegion>();

impl<D: Display + FrontEndSocket> Session<D> {
    pub(super) fn set_memory_table(&mut self, mut message: Message) -> Result<Answer, Error> {
        let request = FrontendReq::SET_MEM_TABLE;
        let (table, regions) = message.leading_body::<VhostUserMemory>(request)?;
        let (regions, rest) = regions.as_chunks::<REGION_SIZE>();
        let count = usize::try_from(table.num_regions).unwrap_or(usize::MAX);
        if regions.len() != count || !rest.is_empty() {
            return Err(Error::PayloadSize {
                request,
                size: message.payload.len(),
            });
        }
        let regions: Vec<RegionInfo> = regions.iter().map(region_info).collect();
        let fds = message.take_descriptors(request, count)?;
        self.memory
            .replace(regions.into_iter().zip(fds).collect())?;
        self.device.set_memory(self.memory.guest_memory());
        Ok(Answer::Done)
    }

    pub(super) fn add_memory_region(&mut self, mut message: Message) -> Result<Answer, Error> {
        let request = FrontendReq::ADD_MEM_REG;
        let fd = message.take_descriptor(request)?;
        let region: VhostUserSingleMemoryRegion = message.body(request)?;
        self.memory.add(RegionInfo::from(*region), fd)?;
        self.device.set_memory(self.memory.guest_memory());
        Ok(Answer::Done)
    }

    pub(super) fn remove_memory_region(&mut self, mut message: Message) -> Result<Answer, Error> {
        let request = FrontendReq::REM_MEM_REG;
        // Some front ends send the region's descriptor along, which says nothing new.
        let expected = match &message.descriptors {
            Descriptors::Whole(fds) => fds.len().min(1),
            Descriptors::Lost => 0,
        };
        message.take_descriptors(request, expected)?;
        let region: VhostUserSingleMemoryRegion = message.body(request)?;
        self.memory.remove(RegionInfo::from(*region))?;
        self.device.set_memory(self.memory.guest_memory());
        Ok(Answer::Done)
    }
}

fn region_info(bytes: &[u8; REGION_SIZE]) -> RegionInfo {
    let mut region = VhostUserMemoryRegion::default();
    region.as_mut_slice().copy_from_slice(bytes);
    RegionInfo::from(region)
}
