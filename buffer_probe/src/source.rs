//! Where buffers come from: an allocator, and the driver whose node it is to use.

use std::path::Path;
use std::str::FromStr;

use gpu_buffer::render_node::{self, DRI_FOLDER, DrmNode, NodeKind};
use gpu_buffer::{Allocator, DumbAllocator, GbmAllocator, MemfdAllocator, UdmabufAllocator, Usage};

use crate::error::{Error, Result, explain};

/// An allocator's name and the driver for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// Memory files.
    Memfd,
    /// dma-bufs of pages.
    Udmabuf,
    /// Dumb buffers of a driver.
    Dumb(String),
    /// GBM on a driver's render node.
    Gbm(String),
}

impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text.split_once('@') {
            None if text == "memfd" => Ok(Self::Memfd),
            None if text == "udmabuf" => Ok(Self::Udmabuf),
            Some(("dumb", driver)) => Ok(Self::Dumb(driver.to_owned())),
            Some(("gbm", driver)) => Ok(Self::Gbm(driver.to_owned())),
            _ => Err("write memfd, udmabuf, dumb@DRIVER or gbm@DRIVER".to_owned()),
        }
    }
}

impl Source {
    /// Opens the allocator, on a node of its own.
    pub(crate) fn open(&self) -> Result<Box<dyn Allocator>> {
        Ok(match self {
            Self::Memfd => Box::new(MemfdAllocator),
            Self::Udmabuf => Box::new(UdmabufAllocator::open().map_err(absent)?),
            Self::Dumb(driver) => {
                let node = node(NodeKind::Primary, driver)?;
                Box::new(DumbAllocator::new(node).map_err(Error::buffer("open the card"))?)
            }
            Self::Gbm(driver) => Box::new(gbm(driver)?),
        })
    }

    /// What its images are to be good for.
    pub(crate) fn usage(&self) -> Usage {
        match self {
            Self::Memfd | Self::Udmabuf => Usage::LINEAR,
            Self::Dumb(_) => Usage::LINEAR | Usage::SCANOUT,
            Self::Gbm(_) => Usage::LINEAR | Usage::SCANOUT | Usage::RENDERING,
        }
    }

    /// Whether images that a driver hides from CPUs have to be mapped by it in the second process,
    /// too, and by which.
    pub(crate) fn mapped_by(&self) -> Option<&str> {
        match self {
            Self::Gbm(driver) => Some(driver),
            Self::Memfd | Self::Udmabuf | Self::Dumb(_) => None,
        }
    }
}

/// GBM on the render node of `driver`.
pub(crate) fn gbm(driver: &str) -> Result<GbmAllocator> {
    let node = node(NodeKind::Render, driver)?;
    GbmAllocator::new(node).map_err(Error::buffer("open the render node"))
}

/// The node of `driver`, and no other.
pub(crate) fn node(kind: NodeKind, driver: &str) -> Result<DrmNode> {
    let node = render_node::choose(Path::new(DRI_FOLDER), kind, Some(driver)).map_err(absent)?;
    if node.driver() == driver {
        Ok(node)
    } else {
        let path = node.path().display();
        Err(Error::Absent(format!(
            "no node of {driver}: the best is {path} of {}",
            node.driver()
        )))
    }
}

/// A failure that says that the machine lacks something.
pub(crate) fn absent(error: gpu_buffer::Error) -> Error {
    Error::Absent(explain(&error))
}
