//! EGL without a window system: a context that is current on the only thread, for good.

#![allow(unsafe_code)]

use std::ffi::c_void;
use std::marker::PhantomData;
use std::os::fd::AsFd;

use gbm::AsRaw as _;
use khronos_egl as egl;

use crate::error::{Error, Result};

/// EGL_PLATFORM_SURFACELESS_MESA, of EGL_MESA_platform_surfaceless.
const SURFACELESS: egl::Enum = 0x31dd;
/// EGL_PLATFORM_GBM_KHR, of EGL_KHR_platform_gbm.
const GBM: egl::Enum = 0x31d7;

type Library = egl::DynamicInstance<egl::EGL1_5>;

/// A display connection. It is never closed: the process's end does that.
pub(crate) struct Egl<'device> {
    library: Library,
    display: egl::Display,
    device: PhantomData<&'device ()>,
}

/// Proof that a context is current on this thread; none of ours is ever taken away.
pub(crate) struct Current {
    /// Bound to its thread.
    thread: PhantomData<*const ()>,
}

/// What frames are drawn into and shown from. It borrows the buffers' owner.
pub(crate) struct Window<'surface> {
    surface: egl::Surface,
    owner: PhantomData<&'surface ()>,
}

impl Egl<'static> {
    /// Opens the device that Mesa finds by itself, for drawing off screen.
    pub(crate) fn surfaceless() -> Result<Self> {
        Self::open(SURFACELESS, egl::DEFAULT_DISPLAY)
    }
}

impl<'device> Egl<'device> {
    /// Opens the device that `gbm` stands for.
    pub(crate) fn on_gbm<T: AsFd>(gbm: &'device gbm::Device<T>) -> Result<Self> {
        Self::open(GBM, gbm.as_raw().cast_mut().cast::<c_void>())
    }

    fn open(platform: egl::Enum, native: *mut c_void) -> Result<Self> {
        // SAFETY: the library that the loader finds under this name is a libEGL, and its
        // initialisers ask nothing of their callers.
        let library = unsafe { Library::load_required() }
            .map_err(|error| Error::NoEgl(format!("{error:?}")))?;
        // SAFETY: `native` is what the platform wants: EGL_DEFAULT_DISPLAY, or a GBM device that
        // outlives `Self` by the lifetime of `on_gbm`.
        let display =
            unsafe { library.get_platform_display(platform, native, &[egl::ATTRIB_NONE]) }
                .map_err(Error::egl("open an EGL display"))?;
        library
            .initialize(display)
            .map_err(Error::egl("initialise EGL"))?;
        library
            .bind_api(egl::OPENGL_ES_API)
            .map_err(Error::egl("choose OpenGL ES"))?;
        Ok(Self {
            library,
            display,
            device: PhantomData,
        })
    }

    /// Makes a context current that draws into framebuffer objects only.
    pub(crate) fn make_current_without_window(&self) -> Result<Current> {
        let config = self
            .configs(0)?
            .into_iter()
            .next()
            .ok_or(Error::NoConfiguration("for OpenGL ES 3"))?;
        self.make_current(config, None)
    }

    /// Makes a context current that draws into the buffers of a GBM surface.
    pub(crate) fn make_current_on<'surface, T: 'static>(
        &self,
        buffers: &'surface gbm::Surface<T>,
        format: gbm::Format,
    ) -> Result<(Current, Window<'surface>)> {
        let config = self
            .configs(egl::WINDOW_BIT)?
            .into_iter()
            .find(|config| self.visual(*config) == Some(format as egl::Int))
            .ok_or(Error::NoConfiguration("in the screen's format"))?;
        let native = buffers.as_raw().cast_mut().cast::<c_void>();
        // SAFETY: the display's platform is GBM, for which `native` is a GBM surface; it outlives
        // the window by its lifetime.
        let surface = unsafe {
            self.library.create_platform_window_surface(
                self.display,
                config,
                native,
                &[egl::ATTRIB_NONE],
            )
        }
        .map_err(Error::egl("make a window of GBM buffers"))?;
        let current = self.make_current(config, Some(surface))?;
        let window = Window {
            surface,
            owner: PhantomData,
        };
        Ok((current, window))
    }

    /// Ends a frame: what was drawn becomes the surface's front buffer.
    pub(crate) fn swap(&self, window: &Window<'_>) -> Result<()> {
        self.library
            .swap_buffers(self.display, window.surface)
            .map_err(Error::egl("swap buffers"))
    }

    /// The address of a function of GL; null when there is none.
    pub(crate) fn function(&self, name: &str) -> *const c_void {
        self.library
            .get_proc_address(name)
            .map_or(std::ptr::null(), |function| function as *const c_void)
    }

    fn configs(&self, surface: egl::Int) -> Result<Vec<egl::Config>> {
        let wanted = [
            egl::SURFACE_TYPE,
            surface,
            egl::RENDERABLE_TYPE,
            egl::OPENGL_ES3_BIT,
            egl::RED_SIZE,
            8,
            egl::GREEN_SIZE,
            8,
            egl::BLUE_SIZE,
            8,
            egl::DEPTH_SIZE,
            24,
            egl::NONE,
        ];
        let mut configs = Vec::with_capacity(256);
        self.library
            .choose_config(self.display, &wanted, &mut configs)
            .map_err(Error::egl("list EGL's configurations"))?;
        Ok(configs)
    }

    fn visual(&self, config: egl::Config) -> Option<egl::Int> {
        self.library
            .get_config_attrib(self.display, config, egl::NATIVE_VISUAL_ID)
            .ok()
    }

    fn make_current(&self, config: egl::Config, surface: Option<egl::Surface>) -> Result<Current> {
        let version = [egl::CONTEXT_MAJOR_VERSION, 3, egl::NONE];
        let context = self
            .library
            .create_context(self.display, config, None, &version)
            .map_err(Error::egl("make an OpenGL ES 3 context"))?;
        self.library
            .make_current(self.display, surface, surface, Some(context))
            .map_err(Error::egl("make a context current"))?;
        Ok(Current {
            thread: PhantomData,
        })
    }
}
