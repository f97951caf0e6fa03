//! The device's configuration space (VIRTIO 1.4 §5.7.4).

use super::wire;
use zerocopy::IntoBytes;

/// What the configuration space shows. `events_clear` holds nothing and reads
/// as 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConfigSpace {
    /// Events that wait for the driver: `EVENT_*` bits.
    pub events_read: u32,
    /// Scanouts of the device, 1 to 16.
    pub num_scanouts: u32,
    /// Capability sets of the device.
    pub num_capsets: u32,
    /// Alignment in bytes of blob sizes and mapping offsets, a power of two;
    /// given exactly when the feature `BLOB_ALIGNMENT` is offered.
    pub blob_alignment: Option<u32>,
}

impl ConfigSpace {
    /// Bytes without, and with, `blob_alignment`.
    const SIZE: usize = 16;
    const SIZE_WITH_ALIGNMENT: usize = 20;

    /// Bytes of the configuration space: 16, or 20 with a blob alignment.
    #[must_use]
    pub fn size(&self) -> usize {
        match self.blob_alignment {
            None => Self::SIZE,
            Some(_) => Self::SIZE_WITH_ALIGNMENT,
        }
    }

    /// Fills `data` with the bytes from `offset` on; zeros past the end.
    pub fn read(&self, offset: u64, data: &mut [u8]) {
        data.fill(0);
        let config = self.to_wire();
        let bytes = config.as_bytes().get(..self.size()).unwrap_or_default();
        let rest = usize::try_from(offset)
            .ok()
            .and_then(|start| bytes.get(start..))
            .unwrap_or_default();
        for (to, from) in data.iter_mut().zip(rest) {
            *to = *from;
        }
    }

    /// Takes a driver's write of `data` at `offset`. Bits set in
    /// `events_clear` clear those of `events_read`; all else is read-only and
    /// ignored.
    pub fn write(&mut self, offset: u64, data: &[u8]) {
        const EVENTS_CLEAR: std::ops::Range<u64> = 4..8;
        let mut clear = [0; 4];
        for (address, byte) in (offset..=u64::MAX).zip(data) {
            if EVENTS_CLEAR.contains(&address) {
                let index = usize::try_from(address.saturating_sub(EVENTS_CLEAR.start));
                if let Some(slot) = index.ok().and_then(|index| clear.get_mut(index)) {
                    *slot = *byte;
                }
            }
            if address >= EVENTS_CLEAR.end {
                break;
            }
        }
        self.events_read &= !u32::from_le_bytes(clear);
    }

    fn to_wire(self) -> wire::Config {
        wire::Config {
            events_read: self.events_read.into(),
            events_clear: 0.into(),
            num_scanouts: self.num_scanouts.into(),
            num_capsets: self.num_capsets.into(),
            blob_alignment: self.blob_alignment.unwrap_or(0).into(),
        }
    }
}
