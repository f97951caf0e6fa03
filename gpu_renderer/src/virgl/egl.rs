//! The EGL that virglrenderer renders with: what it can do, and what it says.
//!
//! It is loaded here first because the library's own loader ends the process
//! where it is missing.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::fmt;

use khronos_egl as egl;

use super::log;

type Instance = egl::DynamicInstance<egl::EGL1_4>;

/// `eglDebugMessageControlKHR` of EGL_KHR_debug.
type DebugMessageControl = unsafe extern "system" fn(
    callback: Option<DebugCallback>,
    attributes: *const isize,
) -> egl::Int;

/// What [`DebugMessageControl`] is given.
type DebugCallback = unsafe extern "system" fn(
    error: egl::Enum,
    command: *const c_char,
    kind: egl::Int,
    thread_label: *mut c_void,
    object_label: *mut c_void,
    message: *const c_char,
);

/// `glGetError` and `glGetString`, the same in every GL.
type GetError = unsafe extern "system" fn() -> u32;
type GetString = unsafe extern "system" fn(name: u32) -> *const c_char;

const DEBUG_MSG_WARN: isize = 0x33bb;
const GL_RENDERER: u32 = 0x1f01;
const GL_VERSION: u32 = 0x1f02;
const GL_OUT_OF_MEMORY: u32 = 0x0505;

/// Errors are flags, one for each kind: reading more of them than this means
/// that there is no context to ask.
const ERROR_KINDS: usize = 16;

/// The EGL library.
pub(super) struct Egl {
    instance: Instance,
    get_error: Option<GetError>,
}

impl fmt::Debug for Egl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Egl").finish_non_exhaustive()
    }
}

impl Egl {
    /// Loads it.
    pub(super) fn load() -> Result<Self, String> {
        // SAFETY: libEGL's initialisers may be run at any time.
        let instance = unsafe { Instance::load_required() }.map_err(|error| error.to_string())?;
        let get_error = instance.get_proc_address("glGetError").map(|address| {
            // SAFETY: a GL function of that name has this type.
            unsafe { std::mem::transmute::<extern "system" fn(), GetError>(address) }
        });
        Ok(Self {
            instance,
            get_error,
        })
    }

    /// Whether it has an extension without a display.
    pub(super) fn has_client_extension(&self, name: &str) -> bool {
        self.instance
            .query_string(None, egl::EXTENSIONS)
            .is_ok_and(|all| has_word(all, name))
    }

    /// Whether a display has an extension.
    pub(super) fn has_extension(&self, display: egl::Display, name: &str) -> bool {
        self.instance
            .query_string(Some(display), egl::EXTENSIONS)
            .is_ok_and(|all| has_word(all, name))
    }

    /// The display of the current context.
    pub(super) fn current_display(&self) -> Option<egl::Display> {
        self.instance.get_current_display()
    }

    /// Whether fences of the current display can be sync files.
    pub(super) fn has_native_fences(&self) -> bool {
        self.current_display().is_some_and(|display| {
            ["EGL_KHR_fence_sync", "EGL_ANDROID_native_fence_sync"]
                .into_iter()
                .all(|name| self.has_extension(display, name))
        })
    }

    /// The current context.
    pub(super) fn current_context(&self) -> Option<*mut c_void> {
        let context = self.instance.get_current_context()?;
        Some(context.as_ptr())
    }

    /// A function of an extension or of GL.
    pub(super) fn function(&self, name: &str) -> Option<extern "system" fn()> {
        self.instance.get_proc_address(name)
    }

    /// Sends what it says to `log` from now on, where it can be asked to.
    pub(super) fn capture(&self) {
        self.control_debug(Some(said), &[DEBUG_MSG_WARN, 1, isize_of(egl::NONE)]);
    }

    fn control_debug(&self, callback: Option<DebugCallback>, attributes: &[isize]) {
        if !self.has_client_extension("EGL_KHR_debug") {
            return;
        }
        let Some(control) = self.instance.get_proc_address("eglDebugMessageControlKHR") else {
            return;
        };
        // SAFETY: the extension is there, and its function has this type.
        let control: DebugMessageControl =
            unsafe { std::mem::transmute::<extern "system" fn(), DebugMessageControl>(control) };
        // SAFETY: the callback is a function that lives forever, the list
        // ends with EGL_NONE.
        unsafe { control(callback, attributes.as_ptr()) };
    }

    /// Renderer and version of the current GL context.
    pub(super) fn describe(&self) -> String {
        let Some(get_string) = self.instance.get_proc_address("glGetString") else {
            return String::new();
        };
        // SAFETY: a GL function of that name has this type.
        let get_string: GetString =
            unsafe { std::mem::transmute::<extern "system" fn(), GetString>(get_string) };
        let string = |name| {
            // SAFETY: the function may be called with any name; without a
            // context it returns null.
            let text = unsafe { get_string(name) };
            if text.is_null() {
                return "?".to_owned();
            }
            // SAFETY: not null, so a string that ends with a zero byte and
            // lives as long as the context.
            let text = unsafe { CStr::from_ptr(text) };
            text.to_string_lossy().into_owned()
        };
        format!("{}, OpenGL {}", string(GL_RENDERER), string(GL_VERSION))
    }

    /// Takes all errors of the current GL context; whether one of them says
    /// that there is no memory.
    pub(super) fn take_gl_errors(&self) -> GlErrors {
        let mut found = GlErrors::None;
        let Some(get_error) = self.get_error else {
            return found;
        };
        for _ in 0..ERROR_KINDS {
            // SAFETY: it may be called at any time.
            match unsafe { get_error() } {
                0 => break,
                GL_OUT_OF_MEMORY => found = GlErrors::OutOfMemory,
                _ if found == GlErrors::None => found = GlErrors::Other,
                _ => {}
            }
        }
        found
    }
}

impl Drop for Egl {
    fn drop(&mut self) {
        self.control_debug(None, &[isize_of(egl::NONE)]);
    }
}

/// What GL has to complain about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GlErrors {
    None,
    OutOfMemory,
    Other,
}

fn has_word(all: &CStr, word: &str) -> bool {
    all.to_bytes()
        .split(|&byte| byte == b' ')
        .any(|each| each == word.as_bytes())
}

const fn isize_of(value: c_int) -> isize {
    value as isize
}

unsafe extern "system" fn said(
    _error: egl::Enum,
    command: *const c_char,
    _kind: egl::Int,
    _thread_label: *mut c_void,
    _object_label: *mut c_void,
    message: *const c_char,
) {
    let text = |pointer: *const c_char| {
        if pointer.is_null() {
            return "";
        }
        // SAFETY: EGL_KHR_debug passes strings that end with a zero byte and
        // live for the call.
        unsafe { CStr::from_ptr(pointer) }.to_str().unwrap_or("?")
    };
    log::line(
        "EGL",
        format!("{}: {}", text(command), text(message)).as_bytes(),
    );
}
