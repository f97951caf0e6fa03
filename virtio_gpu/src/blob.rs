//! Guest blobs: resources that are memory of the guest's and nothing else.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use gpu_buffer::{DrmFourcc, Layout, Rect};
use gpu_display::{DmaBuf, DmaBufPlane};

use crate::error::CommandError;
use crate::protocol::{ResourceId, SetScanoutBlob, format};

/// `DRM_FORMAT_MOD_LINEAR`.
const LINEAR: u64 = 0;

/// Width and height of the image that a blob is as a cursor, VIRTIO 1.4
/// §5.7.6.10: nothing else says it.
const CURSOR_SIDE: u32 = 64;

/// A picture in a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Framebuffer {
    /// Size, stride and format.
    pub layout: Layout,
    /// Bytes of the blob before the first pixel.
    pub offset: u32,
}

impl Framebuffer {
    /// The picture that SET_SCANOUT_BLOB describes in a blob of `size` bytes.
    /// Only the first plane counts: all formats have one.
    ///
    /// # Errors
    /// [`CommandError::UnknownFormat`]; [`CommandError::ImpossibleSize`] beyond
    /// `side`; [`CommandError::Framebuffer`] where rows overlap or the blob is
    /// too short.
    pub fn new(
        id: ResourceId,
        request: &SetScanoutBlob,
        size: u64,
        side: u32,
    ) -> Result<Self, CommandError> {
        let (width, height) = (request.width, request.height);
        let fourcc =
            format::from_wire(request.format).ok_or(CommandError::UnknownFormat(request.format))?;
        if width > side || height > side {
            return Err(CommandError::ImpossibleSize { width, height });
        }
        let ([stride, ..], [offset, ..]) = (request.strides, request.offsets);
        let wrong = |source| CommandError::Framebuffer(id, source);
        let layout = Layout::with_stride(width, height, stride, fourcc).map_err(wrong)?;
        let framebuffer = Self { layout, offset };
        let needed = framebuffer.end();
        if needed > size {
            return Err(wrong(gpu_buffer::Error::SourceTooShort {
                needed,
                available: size,
            }));
        }
        Ok(framebuffer)
    }

    /// The picture that a blob of `size` bytes is as a cursor; `None` if it is
    /// too short.
    pub fn cursor(size: u64) -> Option<Self> {
        let layout = Layout::packed(CURSOR_SIDE, CURSOR_SIDE, DrmFourcc::Argb8888).ok()?;
        let framebuffer = Self { layout, offset: 0 };
        (framebuffer.end() <= size).then_some(framebuffer)
    }

    /// Byte of the blob where the pixels of `rect` begin; `None` if it leaves
    /// the picture.
    pub fn start_of(&self, rect: &Rect) -> Option<u64> {
        let span = self.layout.span(rect)?;
        span.first.checked_add(self.offset.into())
    }

    /// Whether a display may be shown this in a dma-buf of `bytes` bytes. A
    /// compositor wants whole rows, the last one too, and ends the connection of
    /// a client whose buffer is shorter; what it counts in is 32 bits wide.
    pub fn has_whole_rows_in(&self, bytes: u64) -> bool {
        let rows = u64::from(self.layout.stride()).saturating_mul(self.layout.height().into());
        let end = rows.saturating_add(self.offset.into());
        end <= bytes.min(u32::MAX.into()) && i32::try_from(self.layout.stride()).is_ok()
    }

    /// One past the last byte of the last pixel.
    fn end(&self) -> u64 {
        let span = self.layout.span(&self.layout.bounds());
        span.map_or(u64::MAX, |span| span.end)
            .saturating_add(self.offset.into())
    }
}

/// Memory of the guest's as a resource. Which memory says the backing.
#[derive(Debug)]
pub struct GuestBlob {
    size: u64,
    pages: Pages,
}

/// What is known of the pages as a dma-buf.
#[derive(Debug, Default)]
enum Pages {
    /// Nobody has asked for it.
    #[default]
    Unknown,
    /// Here it is.
    Shared(SharedPages),
    /// It cannot be had.
    Refused,
}

/// The pages as displays take them.
#[derive(Debug)]
struct SharedPages {
    framebuffer: Framebuffer,
    picture: Arc<DmaBuf>,
}

impl GuestBlob {
    /// A blob of `size` bytes.
    pub fn new(size: u64) -> Self {
        Self {
            size,
            pages: Pages::Unknown,
        }
    }

    /// Bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether a dma-buf of the pages is kept.
    pub fn is_shared(&self) -> bool {
        matches!(self.pages, Pages::Shared(_))
    }

    /// Lets go of the dma-buf of the pages, or of the memory that there is none.
    /// Who shows it keeps it.
    pub fn forget_pages(&mut self) {
        self.pages = Pages::Unknown;
    }

    /// A picture in the pages: the same one as last time if nothing is new.
    /// `share` makes a dma-buf of the pages, where there is none yet; it is
    /// asked once. `None` if it has failed before.
    ///
    /// # Errors
    /// What `share` says, and [`gpu_buffer::Error::Export`].
    pub fn picture(
        &mut self,
        framebuffer: Framebuffer,
        share: impl FnOnce() -> Result<OwnedFd, gpu_buffer::Error>,
    ) -> Result<Option<Arc<DmaBuf>>, gpu_buffer::Error> {
        let fd = match &self.pages {
            Pages::Refused => return Ok(None),
            Pages::Shared(shared) if shared.framebuffer == framebuffer => {
                return Ok(Some(Arc::clone(&shared.picture)));
            }
            Pages::Shared(shared) => duplicate(&shared.picture)?,
            Pages::Unknown => share().inspect_err(|_| self.pages = Pages::Refused)?,
        };
        let picture = Arc::new(DmaBuf {
            width: framebuffer.layout.width(),
            height: framebuffer.layout.height(),
            format: framebuffer.layout.format(),
            modifier: LINEAR,
            planes: vec![DmaBufPlane {
                fd,
                offset: framebuffer.offset,
                stride: framebuffer.layout.stride(),
            }],
        });
        self.pages = Pages::Shared(SharedPages {
            framebuffer,
            picture: Arc::clone(&picture),
        });
        Ok(Some(picture))
    }
}

/// Another descriptor of the dma-buf behind a picture.
fn duplicate(picture: &DmaBuf) -> Result<OwnedFd, gpu_buffer::Error> {
    let plane = picture.planes.first();
    let plane = plane.ok_or(gpu_buffer::Error::NotShareable)?;
    let fd = plane.fd.as_fd().try_clone_to_owned();
    fd.map_err(|source| gpu_buffer::Error::Export { plane: 0, source })
}
