//! The second process: it knows an image by what it was told and by the descriptor it inherited.

use std::os::fd::AsFd;

use gpu_buffer::{
    Access, DrmFourcc, DrmModifier, ExportedImage, ExportedPlane, ImportOptions, PlanePlace,
    Unsealed, Usage, import,
};

use crate::error::{Error, Result};
use crate::pattern::{compare, plane_layout};
use crate::source::gbm;

/// What the image is said to be.
#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// WIDTHxHEIGHT
    #[arg(long, value_parser = parse_size)]
    size: (u32, u32),
    /// Four letters
    #[arg(long, value_parser = parse_fourcc)]
    fourcc: DrmFourcc,
    /// A number of `drm_fourcc.h`
    #[arg(long)]
    modifier: u64,
    /// Import and map it with GBM on the node of this driver
    #[arg(long)]
    gbm: Option<String>,
    /// OFFSET:STRIDE of each plane
    #[arg(value_parser = parse_place)]
    planes: Vec<PlanePlace>,
}

/// Imports the image and compares its pixels.
pub(crate) fn run(arguments: &CheckArgs) -> Result<()> {
    let stdin = std::io::stdin();
    let planes: Result<Vec<ExportedPlane>> = arguments
        .planes
        .iter()
        .map(|place| {
            let fd = stdin.as_fd().try_clone_to_owned();
            Ok(ExportedPlane {
                fd: fd.map_err(Error::io("duplicate"))?,
                place: *place,
            })
        })
        .collect();
    let exported = ExportedImage {
        width: arguments.size.0,
        height: arguments.size.1,
        format: arguments.fourcc,
        modifier: DrmModifier::from(arguments.modifier),
        planes: planes?,
    };
    let (image, how) = match &arguments.gbm {
        Some(driver) => {
            let image = gbm(driver)?.import(&exported, Usage::RENDERING);
            (image.map_err(Error::buffer("import with GBM"))?, "GBM")
        }
        None => {
            let options = ImportOptions {
                access: Access::Read,
                unsealed: Unsealed::Refuse,
            };
            let image = import(exported, options);
            (image.map_err(Error::buffer("import"))?, "mapping")
        }
    };
    for plane in 0..image.layout().planes().len() {
        compare(&image, plane, plane_layout(&image, plane)?.bounds())?;
    }
    println!("the second process sees it by {how}");
    Ok(())
}

fn parse_size(text: &str) -> std::result::Result<(u32, u32), String> {
    let sides = text.split_once('x');
    sides
        .and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)))
        .ok_or_else(|| "write WIDTHxHEIGHT".to_owned())
}

fn parse_fourcc(text: &str) -> std::result::Result<DrmFourcc, String> {
    let bytes: [u8; 4] = text
        .as_bytes()
        .try_into()
        .map_err(|_| "a fourcc has four letters".to_owned())?;
    DrmFourcc::try_from(u32::from_le_bytes(bytes)).map_err(|error| error.to_string())
}

fn parse_place(text: &str) -> std::result::Result<PlanePlace, String> {
    let numbers = text.split_once(':');
    numbers
        .and_then(|(offset, stride)| {
            Some(PlanePlace {
                offset: offset.parse().ok()?,
                stride: stride.parse().ok()?,
            })
        })
        .ok_or_else(|| "write OFFSET:STRIDE".to_owned())
}
