//! Starting the library, once at a time, with the reason where it fails.

use std::fs::File;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::egl::Egl;
use super::library::Library;
use super::{VirglConfig, capsets, ffi, log};
use crate::{Capsets, RenderError};

/// The library keeps its state in global variables.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The number of DRM's character devices.
const DRM_MAJOR: u32 = 226;

/// The right to use the library.
#[derive(Debug)]
pub(super) struct Claim(());

impl Claim {
    fn take() -> Result<Self, RenderError> {
        if TAKEN.swap(true, Ordering::AcqRel) {
            return Err(RenderError::Unavailable {
                reason: "this process has a virgl renderer already, and virglrenderer \
                         allows one at a time"
                    .to_owned(),
                hint: None,
            });
        }
        Ok(Self(()))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        TAKEN.store(false, Ordering::Release);
    }
}

/// All that a renderer needs. The library ends before EGL does.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) library: Library,
    pub(super) egl: Egl,
    pub(super) capsets: Capsets,
}

pub(super) fn start(config: &VirglConfig) -> Result<Started, RenderError> {
    let claim = Claim::take()?;
    if let Some(node) = &config.render_node {
        check_node(node)?;
    }
    log::capture();
    if config.render_node.is_none() {
        draw_on_one_thread();
    }
    let egl = Egl::load().map_err(|error| RenderError::Unavailable {
        reason: format!("libEGL cannot be loaded: {error}"),
        hint: Some("install libEGL and a driver for it (Debian: libegl1, libegl-mesa0)".to_owned()),
    })?;
    egl.capture();
    check_gl()?;
    check_platforms(&egl, config)?;
    let library = Library::start(claim, config.render_node.clone())
        .map_err(|error| explain(&error, config.render_node.as_deref()))?;
    let capsets = capsets::read(&library, &config.capsets);
    if capsets.is_empty() {
        return Err(RenderError::Unavailable {
            reason: "virglrenderer fills in none of the capability sets that are wanted".to_owned(),
            hint: None,
        });
    }
    log::forget();
    Ok(Started {
        library,
        egl,
        capsets,
    })
}

/// Has Mesa's software GL draw on the thread that calls it, unless somebody
/// has decided otherwise. Its own threads let go of a fence while one of them
/// still holds it (seen with Mesa 22.3): once in some hundred thousand fences
/// that ends the process.
fn draw_on_one_thread() {
    const THREADS: &str = "LP_NUM_THREADS";
    if std::env::var_os(THREADS).is_none() {
        // SAFETY: std's lock keeps Rust code off the environment meanwhile; the
        // documentation of `VirglRenderer::new` asks that no C code reads it on
        // other threads.
        unsafe { std::env::set_var(THREADS, "0") };
    }
}

fn check_node(node: &Path) -> Result<(), RenderError> {
    let unavailable = |reason| RenderError::Unavailable {
        reason,
        hint: Some(
            "give a node below /dev/dri that this user may read and write \
             (often the group `render`), or none for software rendering"
                .to_owned(),
        ),
    };
    let name = node.display();
    let opened = File::options().read(true).write(true).open(node);
    let metadata = opened
        .and_then(|file| file.metadata())
        .map_err(|error| unavailable(format!("render node {name} cannot be opened: {error}")))?;
    // On anything else Mesa silently renders in software.
    if !metadata.file_type().is_char_device() || libc::major(metadata.rdev()) != DRM_MAJOR {
        return Err(unavailable(format!("{name} is no render node")));
    }
    Ok(())
}

/// The library's loader ends the process where there is none of these.
fn check_gl() -> Result<(), RenderError> {
    if ffi::opens(c"libOpenGL.so.0") || ffi::opens(c"libGL.so.1") {
        return Ok(());
    }
    Err(RenderError::Unavailable {
        reason: "neither libOpenGL.so.0 nor libGL.so.1 can be opened".to_owned(),
        hint: Some("install OpenGL (Debian: libopengl0 or libgl1)".to_owned()),
    })
}

/// The library takes the platforms for granted: without them it reads through
/// a null pointer.
fn check_platforms(egl: &Egl, config: &VirglConfig) -> Result<(), RenderError> {
    let platform = match config.render_node {
        Some(_) => "EGL_KHR_platform_gbm",
        None => "EGL_MESA_platform_surfaceless",
    };
    let gbm_by_another_name = "EGL_MESA_platform_gbm";
    let has_platform = egl.has_client_extension(platform)
        || (config.render_node.is_some() && egl.has_client_extension(gbm_by_another_name));
    if egl.has_client_extension("EGL_EXT_platform_base") && has_platform {
        return Ok(());
    }
    Err(RenderError::Unavailable {
        reason: format!("EGL has no {platform}"),
        hint: Some("install a driver for EGL that has it (Debian: libegl-mesa0)".to_owned()),
    })
}

fn explain(error: &RenderError, node: Option<&Path>) -> RenderError {
    let mut reason = error.to_string();
    for line in log::last_lines() {
        reason.push_str("; ");
        reason.push_str(&line);
    }
    let hint = match node {
        Some(node) => format!(
            "is there a GPU with a Mesa driver behind {}? Without a render node \
             virglrenderer renders in software",
            node.display()
        ),
        None => "set LIBGL_ALWAYS_SOFTWARE=1 to keep Mesa off a GPU; EGL_LOG_LEVEL=debug \
                 makes it say more"
            .to_owned(),
    };
    RenderError::Unavailable {
        reason,
        hint: Some(hint),
    }
}
