//! EGL images of dma-bufs and of textures.
//!
//! Only where a DRM device is behind EGL: Mesa's software EGL advertises some
//! of these extensions without their functions.

use std::ffi::{CStr, c_char, c_void};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr::null_mut;

use gpu_buffer::DrmFourcc;
use khronos_egl::{Boolean, Enum, Int, TRUE};

use super::dmabuf::MAX_PLANES;
use super::egl::Egl;
use crate::{DmaBuf, Plane, RenderError};

type CreateImage = unsafe extern "system" fn(
    display: *mut c_void,
    context: *mut c_void,
    target: Enum,
    buffer: *mut c_void,
    attributes: *const Int,
) -> *mut c_void;
type DestroyImage = unsafe extern "system" fn(display: *mut c_void, image: *mut c_void) -> Boolean;
type QueryExport = unsafe extern "system" fn(
    display: *mut c_void,
    image: *mut c_void,
    fourcc: *mut Int,
    planes: *mut Int,
    modifiers: *mut u64,
) -> Boolean;
type Export = unsafe extern "system" fn(
    display: *mut c_void,
    image: *mut c_void,
    fds: *mut Int,
    strides: *mut Int,
    offsets: *mut Int,
) -> Boolean;
type QueryDisplay =
    unsafe extern "system" fn(display: *mut c_void, attribute: Int, value: *mut isize) -> Boolean;
type QueryDeviceString = unsafe extern "system" fn(device: *mut c_void, name: Int) -> *const c_char;

const NONE: Int = 0x3038;
const HEIGHT: Int = 0x3056;
const WIDTH: Int = 0x3057;
const GL_TEXTURE_2D: Enum = 0x30b1;
const DEVICE: Int = 0x322c;
const DRM_DEVICE_FILE: Int = 0x3233;
const LINUX_DMA_BUF: Enum = 0x3270;
const LINUX_DRM_FOURCC: Int = 0x3271;
/// File, offset and stride of each plane.
const PLANES: [[Int; 3]; MAX_PLANES] = [
    [0x3272, 0x3273, 0x3274],
    [0x3275, 0x3276, 0x3277],
    [0x3278, 0x3279, 0x327a],
    [0x3440, 0x3441, 0x3442],
];
/// Low and high half of each plane's modifier.
const MODIFIERS: [[Int; 2]; MAX_PLANES] = [
    [0x3443, 0x3444],
    [0x3445, 0x3446],
    [0x3447, 0x3448],
    [0x3449, 0x344a],
];

/// The functions, and the display that virglrenderer made.
#[derive(Debug)]
pub(super) struct Images {
    display: *mut c_void,
    create: CreateImage,
    destroy: DestroyImage,
    query_export: QueryExport,
    export: Export,
    takes_modifiers: bool,
}

/// An image of an [`Images`], to be given back to [`Images::destroy`].
#[derive(Debug)]
#[must_use]
pub(super) struct Image(*mut c_void);

impl Image {
    pub(super) fn as_ptr(&self) -> *mut c_void {
        self.0
    }
}

/// Looks a function up.
macro_rules! function {
    ($egl:expr, $name:literal, $type:ty) => {
        $egl.function($name).map(|address| {
            // SAFETY: the extension that has the function is there, and says
            // that it has this type.
            unsafe { std::mem::transmute::<extern "system" fn(), $type>(address) }
        })
    };
}

impl Images {
    /// What the current display can do; `None` where it is not on a DRM
    /// device or lacks an extension.
    pub(super) fn new(egl: &Egl) -> Option<Self> {
        let display = egl.current_display()?;
        let has = |name| egl.has_extension(display, name);
        let needed = [
            "EGL_KHR_image_base",
            "EGL_EXT_image_dma_buf_import",
            "EGL_MESA_image_dma_buf_export",
        ];
        if !is_on_drm(egl, display.as_ptr()) || !needed.into_iter().all(has) {
            return None;
        }
        Some(Self {
            display: display.as_ptr(),
            create: function!(egl, "eglCreateImageKHR", CreateImage)?,
            destroy: function!(egl, "eglDestroyImageKHR", DestroyImage)?,
            query_export: function!(egl, "eglExportDMABUFImageQueryMESA", QueryExport)?,
            export: function!(egl, "eglExportDMABUFImageMESA", Export)?,
            takes_modifiers: has("EGL_EXT_image_dma_buf_import_modifiers"),
        })
    }

    /// An image of a picture in dma-bufs.
    pub(super) fn of_dmabuf(&self, picture: &DmaBuf) -> Result<Image, RenderError> {
        let attributes = self
            .attributes(picture)
            .ok_or(RenderError::Impossible("planes that EGL cannot take"))?;
        self.make(null_mut(), LINUX_DMA_BUF, null_mut(), &attributes)
    }

    /// An image of a texture of the current context.
    pub(super) fn of_texture(&self, egl: &Egl, texture: u32) -> Result<Image, RenderError> {
        let context = egl.current_context().unwrap_or(null_mut());
        let name = usize::try_from(texture).unwrap_or(0);
        let buffer = std::ptr::without_provenance_mut(name);
        self.make(context, GL_TEXTURE_2D, buffer, &[NONE])
    }

    fn make(
        &self,
        context: *mut c_void,
        target: Enum,
        buffer: *mut c_void,
        attributes: &[Int],
    ) -> Result<Image, RenderError> {
        // SAFETY: the display is virglrenderer's, which lives as long as
        // this; the list ends with NONE.
        let image =
            unsafe { (self.create)(self.display, context, target, buffer, attributes.as_ptr()) };
        if image.is_null() {
            return Err(refused("eglCreateImageKHR"));
        }
        Ok(Image(image))
    }

    fn attributes(&self, picture: &DmaBuf) -> Option<Vec<Int>> {
        let fourcc = (picture.fourcc as u32).cast_signed();
        let mut list = vec![
            WIDTH,
            Int::try_from(picture.width).ok()?,
            HEIGHT,
            Int::try_from(picture.height).ok()?,
            LINUX_DRM_FOURCC,
            fourcc,
        ];
        if picture.planes.is_empty() || picture.planes.len() > MAX_PLANES {
            return None;
        }
        for ((plane, names), halves) in picture.planes.iter().zip(PLANES).zip(MODIFIERS) {
            let [file, offset, stride] = names;
            list.extend([file, plane.fd.as_raw_fd()]);
            list.extend([offset, Int::try_from(plane.offset).ok()?]);
            list.extend([stride, Int::try_from(plane.stride).ok()?]);
            if let Some(modifier) = picture.modifier {
                if !self.takes_modifiers {
                    return None;
                }
                let [low, high] = halves;
                let bits = |value: u64| u32::try_from(value & 0xffff_ffff).ok();
                list.extend([low, bits(modifier)?.cast_signed()]);
                list.extend([high, bits(modifier >> 32)?.cast_signed()]);
            }
        }
        list.push(NONE);
        Some(list)
    }

    /// The dma-bufs of an image of that size.
    pub(super) fn export(
        &self,
        image: &Image,
        width: u32,
        height: u32,
    ) -> Result<DmaBuf, RenderError> {
        let (mut fourcc, mut count) = (0, 0);
        let mut modifiers = [u64::MAX; MAX_PLANES];
        // SAFETY: the image is of this display; there is room for a modifier
        // of each plane that a format can have.
        let done = unsafe {
            (self.query_export)(
                self.display,
                image.0,
                &raw mut fourcc,
                &raw mut count,
                modifiers.as_mut_ptr(),
            )
        };
        let count = usize::try_from(count).unwrap_or(0);
        if done != TRUE || count == 0 || count > MAX_PLANES {
            return Err(refused("eglExportDMABUFImageQueryMESA"));
        }
        let (mut fds, mut strides, mut offsets) =
            ([-1; MAX_PLANES], [0; MAX_PLANES], [0; MAX_PLANES]);
        // SAFETY: the image is of this display; there is room for `count`
        // planes.
        let done = unsafe {
            (self.export)(
                self.display,
                image.0,
                fds.as_mut_ptr(),
                strides.as_mut_ptr(),
                offsets.as_mut_ptr(),
            )
        };
        if done != TRUE {
            return Err(refused("eglExportDMABUFImageMESA"));
        }
        let planes = own(fds)
            .into_iter()
            .zip(strides)
            .zip(offsets)
            .take(count)
            .map(|((fd, stride), offset)| {
                Some(Plane {
                    fd: fd?,
                    stride: u32::try_from(stride).ok()?,
                    offset: u32::try_from(offset).ok()?,
                })
            })
            .collect::<Option<Vec<_>>>()
            .ok_or(RenderError::Impossible("planes that share a file"))?;
        Ok(DmaBuf {
            width,
            height,
            fourcc: DrmFourcc::try_from(fourcc.cast_unsigned())
                .map_err(|_| RenderError::Impossible("a format without a name"))?,
            modifier: modifiers.first().copied().filter(|&bits| bits != INVALID),
            planes,
        })
    }

    pub(super) fn destroy(&self, image: Image) {
        // SAFETY: the image is of this display, and not used after this.
        unsafe { (self.destroy)(self.display, image.0) };
    }
}

/// `DRM_FORMAT_MOD_INVALID`: the driver does not tell.
const INVALID: u64 = 0x00ff_ffff_ffff_ffff;

/// Each file once: planes in the same one get no other of it.
fn own(fds: [RawFd; MAX_PLANES]) -> [Option<OwnedFd>; MAX_PLANES] {
    fds.map(|fd| {
        // SAFETY: EGL hands the files over, each its own.
        (fd >= 0).then(|| unsafe { OwnedFd::from_raw_fd(fd) })
    })
}

/// Whether the display renders on a DRM device.
fn is_on_drm(egl: &Egl, display: *mut c_void) -> bool {
    if !egl.has_client_extension("EGL_EXT_device_query")
        && !egl.has_client_extension("EGL_EXT_device_base")
    {
        return false;
    }
    let query = function!(egl, "eglQueryDisplayAttribEXT", QueryDisplay);
    let string = function!(egl, "eglQueryDeviceStringEXT", QueryDeviceString);
    let (Some(query), Some(string)) = (query, string) else {
        return false;
    };
    let mut device = 0isize;
    // SAFETY: the display is initialised, the value good for a write.
    if unsafe { query(display, DEVICE, &raw mut device) } != TRUE || device == 0 {
        return false;
    }
    let device = std::ptr::with_exposed_provenance_mut(device.cast_unsigned());
    // SAFETY: the device is the one that the display named; the name may be
    // unknown to it.
    let file = unsafe { string(device, DRM_DEVICE_FILE) };
    if file.is_null() {
        return false;
    }
    // SAFETY: not null, so a string that lives as long as the device.
    !unsafe { CStr::from_ptr(file) }.is_empty()
}

fn refused(call: &'static str) -> RenderError {
    RenderError::Refused { call, code: 0 }
}
