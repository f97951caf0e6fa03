//! Pictures of the renderer's that a display shows where they are, without a
//! copy.

use std::sync::Arc;

use gpu_display::{DmaBuf, DmaBufPlane};
use gpu_renderer::JobId;

/// `DRM_FORMAT_MOD_INVALID`: only the driver knows how the pixels lie.
const MODIFIER_INVALID: u64 = 0x00ff_ffff_ffff_ffff;

/// What is known of the memory of a picture.
#[derive(Debug, Default)]
pub(crate) enum Share {
    /// Nobody has asked for it.
    #[default]
    Unknown,
    /// The renderer was asked for it, with this job.
    Asked(JobId),
    /// Here it is. A display may keep a reference beyond the resource's life.
    Given(Arc<DmaBuf>),
    /// It cannot be had.
    Refused,
}

/// The picture as displays take it.
pub(crate) fn for_display(picture: gpu_renderer::DmaBuf) -> Arc<DmaBuf> {
    let planes = picture.planes.into_iter().map(|plane| DmaBufPlane {
        fd: plane.fd,
        offset: plane.offset,
        stride: plane.stride,
    });
    Arc::new(DmaBuf {
        width: picture.width,
        height: picture.height,
        format: picture.fourcc,
        modifier: picture.modifier.unwrap_or(MODIFIER_INVALID),
        planes: planes.collect(),
    })
}
