//! Capability sets: what a renderer says it can do.

use std::fmt;

/// The number of a kind of capability set, VIRTIO 1.4 §5.7.6.8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CapsetId(pub u32);

impl CapsetId {
    /// OpenGL through virglrenderer, first edition.
    pub const VIRGL: Self = Self(1);
    /// OpenGL through virglrenderer, current edition.
    pub const VIRGL2: Self = Self(2);
}

impl fmt::Display for CapsetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One capability set, as the renderer filled it in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capset {
    /// Which kind it is.
    pub id: CapsetId,
    /// The newest version of the kind that the renderer knows.
    pub max_version: u32,
    /// The set itself; its layout is between renderer and guest driver.
    pub data: Vec<u8>,
}

impl Capset {
    /// Length of the set in bytes.
    pub fn max_size(&self) -> u32 {
        u32::try_from(self.data.len()).unwrap_or(u32::MAX)
    }
}

/// The capability sets of a device, in the order in which the guest counts
/// them. Empty where there is no renderer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capsets(Vec<Capset>);

impl Capsets {
    /// Adds a set. One without bytes is left out: a guest that is told of it
    /// would find nothing behind it.
    pub fn add(&mut self, capset: Capset) {
        if !capset.data.is_empty() {
            self.0.push(capset);
        }
    }

    /// How many sets there are: the device's `num_capsets`.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The set with an index, which counts from 0.
    pub fn by_index(&self, index: u32) -> Option<&Capset> {
        self.0.get(usize::try_from(index).ok()?)
    }

    /// The set of a kind, if it knows `version`.
    pub fn find(&self, id: CapsetId, version: u32) -> Option<&Capset> {
        self.0
            .iter()
            .find(|capset| capset.id == id && version <= capset.max_version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn virgl(data: Vec<u8>) -> Capset {
        Capset {
            id: CapsetId::VIRGL,
            max_version: 1,
            data,
        }
    }

    #[test]
    fn a_set_without_bytes_is_not_listed() {
        let mut capsets = Capsets::default();

        capsets.add(virgl(Vec::new()));

        assert!(capsets.is_empty());
    }

    #[test]
    fn a_set_is_found_by_index_and_by_id_and_version() {
        let mut capsets = Capsets::default();
        capsets.add(virgl(vec![7; 308]));

        assert_eq!(capsets.by_index(0).map(Capset::max_size), Some(308));
        assert_eq!(capsets.by_index(1), None);
        assert_eq!(capsets.by_index(u32::MAX), None);
        assert!(capsets.find(CapsetId(1), 1).is_some());
        assert!(capsets.find(CapsetId(1), 2).is_none());
        assert!(capsets.find(CapsetId(2), 0).is_none());
    }
}
