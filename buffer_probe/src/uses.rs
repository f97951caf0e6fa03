//! What GBM is asked for besides plain images, and what it must refuse.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::time::Duration;

use gpu_buffer::{
    Access, Allocator, DrmFourcc, DrmModifier, Error as BufferError, GbmAllocator, Image,
    ImageRequest, MemfdAllocator, Rect, Usage,
};

use crate::error::{Error, Result, explain};
use crate::pattern::compare;
use crate::share::draw;
use crate::source::gbm;

const LIMIT: Duration = Duration::from_secs(10);
const SIDE: u32 = 64;

/// Runs all of it on the node of `driver`.
pub(crate) fn run(driver: &str) -> Result<()> {
    for usage in [
        Usage::RENDERING,
        Usage::SCANOUT | Usage::RENDERING,
        Usage::CURSOR,
        Usage::LINEAR,
    ] {
        let image = create(&mut gbm(driver)?, usage, &[])
            .map_err(Error::buffer(format!("create for {usage:?}")))?;
        // Its allocator has gone, and the node with it, but for the image.
        draw(&image, 0)?;
        compare(&image, 0, Rect::from_size(SIDE, SIDE))?;
        let idle = image.wait_idle(Access::Write, LIMIT);
        if !idle.map_err(Error::buffer("wait"))? {
            return Err(Error::Wrong("the driver is not done".to_owned()));
        }
        println!("{usage:?}: {:?}, {:?}", image.usage(), image.modifier());
    }
    modifiers(driver)?;
    refusals(&mut gbm(driver)?)
}

fn create(
    allocator: &mut GbmAllocator,
    usage: Usage,
    modifiers: &[DrmModifier],
) -> std::result::Result<Image, BufferError> {
    allocator.create(&ImageRequest {
        width: SIDE,
        height: SIDE,
        format: DrmFourcc::Argb8888,
        usage,
        modifiers: modifiers.to_vec(),
    })
}

/// A driver takes a list of modifiers, or says that it knows none.
fn modifiers(driver: &str) -> Result<()> {
    match create(&mut gbm(driver)?, Usage::RENDERING, &[DrmModifier::Linear]) {
        Ok(image) if image.modifier() == DrmModifier::Linear => {
            println!("takes a list of modifiers");
            Ok(())
        }
        Ok(image) => Err(Error::Wrong(format!("it is {:?}", image.modifier()))),
        Err(refused @ BufferError::Refused { .. }) => {
            println!("takes no list of modifiers: {}", explain(&refused));
            Ok(())
        }
        Err(error) => Err(Error::buffer("create with modifiers")(error)),
    }
}

/// What others hand in is looked at before the driver sees it.
fn refusals(allocator: &mut GbmAllocator) -> Result<()> {
    let image =
        create(allocator, Usage::LINEAR, &[]).map_err(Error::buffer("create a linear image"))?;
    let mut longer = image.export().map_err(Error::buffer("export"))?;
    longer.height = 1 << 20;
    match allocator.import(&longer, Usage::RENDERING) {
        Err(BufferError::FileTooShort { .. }) => {}
        other => return Err(Error::Wrong(format!("too high an image: {other:?}"))),
    }
    let mut other_file = image.export().map_err(Error::buffer("export"))?;
    let memory = MemfdAllocator.create(&ImageRequest {
        width: SIDE,
        height: SIDE,
        format: DrmFourcc::Argb8888,
        usage: Usage::LINEAR,
        modifiers: Vec::new(),
    });
    let memory = memory.map_err(Error::buffer("create a memory file"))?;
    let not_dma_bufs: [OwnedFd; 2] = [
        memory.export_plane(0).map_err(Error::buffer("export"))?,
        File::open("/dev/null")
            .map_err(Error::io("open /dev/null"))?
            .into(),
    ];
    for fd in not_dma_bufs {
        if let Some(plane) = other_file.planes.first_mut() {
            plane.fd = fd;
        }
        match allocator.import(&other_file, Usage::RENDERING) {
            Err(BufferError::NotABuffer) => {}
            other => return Err(Error::Wrong(format!("no dma-buf: {other:?}"))),
        }
    }
    println!("refuses what is no image");
    Ok(())
}
