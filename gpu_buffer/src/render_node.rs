//! The device files of GPUs: `/dev/dri/renderD*` to draw and allocate, `/dev/dri/card*` to display.

use std::fs::{self, File, OpenOptions};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use drm::Device as _;

use crate::Error;
use crate::error::explain;

/// Where Linux has them.
pub const DRI_FOLDER: &str = "/dev/dri";
/// It holds buffers and draws nothing.
const VGEM: &str = "vgem";

/// What a node is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NodeKind {
    /// Drawing, for any number of programs: `renderD*`.
    Render,
    /// Displaying as well: `card*`.
    Primary,
}

impl NodeKind {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Render => "renderD",
            Self::Primary => "card",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Render => "render node",
            Self::Primary => "card",
        }
    }
}

/// An open node. Give each thread its own: two that share one share its handles, too.
#[derive(Debug)]
pub struct DrmNode {
    path: PathBuf,
    driver: String,
    file: File,
}

impl AsFd for DrmNode {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

struct Asked<'a>(&'a File);

impl AsFd for Asked<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl drm::Device for Asked<'_> {}

impl DrmNode {
    /// Opens the node `path` and asks for its driver.
    ///
    /// # Errors
    /// [`Error::OpenDevice`], [`Error::WrongDevice`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        let opened = OpenOptions::new().read(true).write(true).open(path);
        let file = opened.map_err(|source| Error::OpenDevice {
            path: path.to_owned(),
            source,
        })?;
        let driver = Asked(&file)
            .get_driver()
            .map_err(|source| Error::WrongDevice {
                path: path.to_owned(),
                wanted: "a DRM device",
                source,
            })?;
        Ok(Self {
            path: path.to_owned(),
            driver: driver.name().to_string_lossy().into_owned(),
            file,
        })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The kernel's name of its driver, such as `i915` or `virtio_gpu`.
    pub fn driver(&self) -> &str {
        &self.driver
    }

    #[cfg(any(feature = "dumb", feature = "gbm"))]
    pub(crate) fn into_parts(self) -> (PathBuf, File) {
        (self.path, self.file)
    }
}

/// The nodes of `kind` in `folder`, lowest number first, each opened or with the reason why not.
///
/// # Errors
/// [`Error::NoNode`] if the folder has none or cannot be read.
pub fn enumerate(folder: &Path, kind: NodeKind) -> Result<Vec<Result<DrmNode, Error>>, Error> {
    let no_node = |reason: String| Error::NoNode {
        kind: kind.name(),
        reason,
    };
    let entries = fs::read_dir(folder)
        .map_err(|error| no_node(format!("cannot read {}: {error}", folder.display())))?;
    let mut numbers: Vec<u32> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            name.to_str()?.strip_prefix(kind.prefix())?.parse().ok()
        })
        .collect();
    if numbers.is_empty() {
        return Err(no_node(format!("{} has none", folder.display())));
    }
    numbers.sort_unstable();
    let path = |number| folder.join(format!("{}{number}", kind.prefix()));
    Ok(numbers
        .into_iter()
        .map(|number| DrmNode::open(&path(number)))
        .collect())
}

/// Opens the best node of `kind` in `folder`: the first whose driver is `prefer`, else the first
/// that belongs to a GPU (`vgem` belongs to none, and is taken only where it is preferred).
///
/// # Errors
/// [`Error::NoNode`], whose message has the reason for each node.
pub fn choose(folder: &Path, kind: NodeKind, prefer: Option<&str>) -> Result<DrmNode, Error> {
    let mut reasons = Vec::new();
    let mut usable = Vec::new();
    for node in enumerate(folder, kind)? {
        match node {
            Ok(node) => usable.push(node),
            Err(error) => reasons.push(explain(&error)),
        }
    }
    let drivers: Vec<&str> = usable.iter().map(DrmNode::driver).collect();
    if let Some(best) = best(&drivers, prefer) {
        return Ok(usable.swap_remove(best));
    }
    let not_a_gpu = |node: &DrmNode| format!("{} is {VGEM}", node.path.display());
    reasons.extend(usable.iter().map(not_a_gpu));
    Err(Error::NoNode {
        kind: kind.name(),
        reason: reasons.join(", "),
    })
}

/// Which of `drivers` to take.
fn best(drivers: &[&str], prefer: Option<&str>) -> Option<usize> {
    let preferred = |driver: &&str| Some(*driver) == prefer;
    let position = drivers.iter().position(preferred);
    position.or_else(|| drivers.iter().position(|driver| *driver != VGEM))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_driver_comes_first_and_vgem_only_by_name() {
        assert_eq!(best(&["vgem", "i915", "amdgpu"], None), Some(1));
        assert_eq!(best(&["vgem", "i915", "amdgpu"], Some("amdgpu")), Some(2));
        assert_eq!(best(&["vgem", "i915"], Some("nouveau")), Some(1));
        assert_eq!(best(&["vgem"], None), None);
        assert_eq!(best(&["i915", "vgem"], Some("vgem")), Some(1));
        assert_eq!(best(&[], None), None);
    }
}
