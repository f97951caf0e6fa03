//! Which allocator serves on this machine, found out by trying, and why not the better ones.

use std::fmt;
use std::path::PathBuf;

use drm_fourcc::DrmFourcc;

use crate::error::explain;
use crate::{Allocator, BufferRequest, Error, ImageRequest, Layout, MemfdAllocator, Usage};

/// What the allocator will be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Buffers, which stay mapped, and are best shared as dma-bufs.
    Buffers,
    /// Images for some use.
    Images(Usage),
}

/// Where the devices are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// The folder of the nodes of GPUs.
    pub dri: PathBuf,
    /// The device that makes dma-bufs of pages.
    pub udmabuf: PathBuf,
    /// The driver whose node is preferred.
    pub driver: Option<String>,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            dri: PathBuf::from("/dev/dri"),
            udmabuf: PathBuf::from("/dev/udmabuf"),
            driver: None,
        }
    }
}

/// The allocator that was chosen. In text it is one line: what became of each that was tried, best
/// first, the chosen one last.
#[derive(Debug)]
pub struct Choice {
    /// The allocator.
    pub allocator: Box<dyn Allocator + Send>,
    name: &'static str,
    reasons: Vec<String>,
}

impl Choice {
    /// The allocator's name: `gbm`, `dumb`, `udmabuf` or `memfd`.
    pub fn name(&self) -> &'static str {
        self.name
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for reason in &self.reasons {
            write!(formatter, "{reason}; ")?;
        }
        write!(formatter, "{}: works", self.name)
    }
}

type Opened = Result<Box<dyn Allocator + Send>, Error>;
type Opener = fn(&Places) -> Opened;

/// Tries the allocators that were built in, best first: `gbm`, `dumb` where something is to be
/// displayed, `udmabuf`, `memfd`. One that works except for [`Usage::SCANOUT`] is taken if none does
/// that.
///
/// # Errors
/// [`Error::NoAllocator`], with the reason for each.
pub fn choose(wanted: Wanted, places: &Places) -> Result<Choice, Error> {
    let displayed = match wanted {
        Wanted::Buffers => Usage::empty(),
        Wanted::Images(usage) => usage & (Usage::SCANOUT | Usage::CURSOR),
    };
    let candidates: [(&'static str, Opener); 4] = [
        ("gbm", open_gbm),
        ("dumb", open_dumb),
        ("udmabuf", open_udmabuf),
        ("memfd", |_| Ok(Box::new(MemfdAllocator))),
    ];
    let mut reasons = Vec::new();
    let mut without_scanout = None;
    for (name, open) in candidates {
        if name == "dumb" && displayed.is_empty() {
            continue;
        }
        let tried = open(places).and_then(|mut allocator| {
            let granted = try_out(allocator.as_mut(), wanted)?;
            Ok((allocator, granted))
        });
        match tried {
            Ok((allocator, Granted::All)) => {
                return Ok(Choice {
                    allocator,
                    name,
                    reasons,
                });
            }
            Ok((allocator, Granted::AllButScanout)) => {
                let reason = format!("{name}: nothing for scanout");
                without_scanout.get_or_insert((allocator, name, reasons.clone()));
                reasons.push(reason);
            }
            Err(error) => reasons.push(format!("{name}: {}", explain(&error))),
        }
    }
    match without_scanout {
        Some((allocator, name, reasons)) => Ok(Choice {
            allocator,
            name,
            reasons,
        }),
        None => Err(Error::NoAllocator {
            reasons: reasons.join("; "),
        }),
    }
}

enum Granted {
    All,
    AllButScanout,
}

/// Makes one small picture, which shows what an allocator can do here.
fn try_out(allocator: &mut dyn Allocator, wanted: Wanted) -> Result<Granted, Error> {
    const SIDE: u32 = 64;
    const FORMAT: DrmFourcc = DrmFourcc::Xrgb8888;
    let usage = match wanted {
        Wanted::Buffers => {
            let layout = Layout::packed(SIDE, SIDE, FORMAT)?;
            allocator.allocate(&BufferRequest { layout })?;
            return Ok(Granted::All);
        }
        Wanted::Images(usage) => usage,
    };
    let image = allocator.create(&ImageRequest {
        width: SIDE,
        height: SIDE,
        format: FORMAT,
        usage,
        modifiers: Vec::new(),
    })?;
    if image.usage().contains(usage) {
        Ok(Granted::All)
    } else {
        Ok(Granted::AllButScanout)
    }
}

#[cfg(feature = "gbm")]
fn open_gbm(places: &Places) -> Opened {
    use crate::render_node::{NodeKind, choose};

    let node = choose(&places.dri, NodeKind::Render, places.driver.as_deref())?;
    Ok(Box::new(crate::GbmAllocator::new(node)?))
}

#[cfg(feature = "dumb")]
fn open_dumb(places: &Places) -> Opened {
    use crate::render_node::{NodeKind, choose};

    let node = choose(&places.dri, NodeKind::Primary, places.driver.as_deref())?;
    Ok(Box::new(crate::DumbAllocator::new(node)?))
}

#[cfg(feature = "udmabuf")]
fn open_udmabuf(places: &Places) -> Opened {
    use crate::allocators::udmabuf::UdmabufLimits;

    let allocator = crate::UdmabufAllocator::open_at(&places.udmabuf, UdmabufLimits::current())?;
    Ok(Box::new(allocator))
}

#[cfg(not(feature = "gbm"))]
fn open_gbm(_: &Places) -> Opened {
    Err(Error::NotBuiltIn)
}

#[cfg(not(feature = "dumb"))]
fn open_dumb(_: &Places) -> Opened {
    Err(Error::NotBuiltIn)
}

#[cfg(not(feature = "udmabuf"))]
fn open_udmabuf(_: &Places) -> Opened {
    Err(Error::NotBuiltIn)
}
