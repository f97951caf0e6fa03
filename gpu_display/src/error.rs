//! What can go wrong at a display.

use std::io;
use std::path::PathBuf;

use gpu_buffer::{DrmFourcc, Rect};
use thiserror::Error;

use crate::SurfaceId;

/// An error of a display. Unless a variant says otherwise, what is shown stays as it was.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DisplayError {
    /// No surface has this name, or no longer.
    #[error("there is no surface {surface}")]
    UnknownSurface {
        /// The name that was given.
        surface: SurfaceId,
    },
    /// The display has no output of this number.
    #[error("there is no output {output}")]
    UnknownOutput {
        /// The number that was given.
        output: u32,
    },
    /// The output already has a scanout surface.
    #[error("output {output} already has a scanout")]
    OutputTaken {
        /// Number of the output.
        output: u32,
    },
    /// A scanout was used as a cursor.
    #[error("surface {surface} is not a cursor")]
    NotACursor {
        /// The surface.
        surface: SurfaceId,
    },
    /// A cursor was used as a scanout.
    #[error("surface {surface} is not a scanout")]
    NotAScanout {
        /// The surface.
        surface: SurfaceId,
    },
    /// A surface's role would become another kind of role, or a scanout would change its output.
    #[error("surface {surface} cannot take another role")]
    RoleChange {
        /// The surface.
        surface: SurfaceId,
    },
    /// All surface names were given out.
    #[error("every surface id has been used")]
    OutOfSurfaceIds,
    /// The window system cannot show a picture of this size.
    #[error("a surface of {width}x{height} pixels is too large")]
    TooLarge {
        /// Width of the surface.
        width: u32,
        /// Height of the surface.
        height: u32,
    },
    /// The part of a frame to show has not the surface's size.
    #[error("a frame of {width}x{height} pixels for a surface of {surface_width}x{surface_height}")]
    FrameSize {
        /// Width of the frame's crop.
        width: u32,
        /// Height of the frame's crop.
        height: u32,
        /// Width of the surface.
        surface_width: u32,
        /// Height of the surface.
        surface_height: u32,
    },
    /// A damage rectangle is empty or leaves the surface.
    #[error("damage {rect:?} is empty or leaves the surface")]
    Damage {
        /// The rectangle.
        rect: Rect,
    },
    /// The pixels do not fit together with their layout, or have no memory.
    #[error("the pixels cannot be used")]
    Pixels(#[from] gpu_buffer::Error),
    /// The display cannot show this dma-buf: it takes none, or not of this kind, or the compositor
    /// refused it. It will not take another of the kind while it has the same compositor.
    #[error("a dma-buf of format {format} and modifier {modifier:#x} cannot be shown")]
    DmaBufRefused {
        /// Its pixel format.
        format: DrmFourcc,
        /// Its format modifier.
        modifier: u64,
    },
    /// There is no memory for a picture.
    #[error("no memory for a picture of {bytes} bytes")]
    OutOfMemory {
        /// Bytes of the picture.
        bytes: u64,
    },
    /// The output shows nothing.
    #[error("output {output} shows no picture")]
    NoPicture {
        /// Number of the output.
        output: u32,
    },
    /// The directory for pictures cannot be used.
    #[error("cannot use the directory {}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A picture could not be written to its file.
    #[error("cannot write the picture {}", path.display())]
    WritePicture {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The kernel made no eventfd.
    #[error("cannot create an eventfd")]
    EventFd(#[source] io::Error),
    /// No window system answers at a socket.
    #[error("cannot connect to {}", path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A compositor lacks something that no window can do without.
    #[error("the compositor offers no {interface}")]
    MissingInterface {
        /// Name of the Wayland interface.
        interface: &'static str,
    },
    /// A compositor ended the connection with an error, or broke the rules itself.
    #[error("protocol error {code}: {message}")]
    Protocol {
        /// The error's number, 0 if it is not the compositor's.
        code: u32,
        /// Its text.
        message: String,
    },
    /// The display is gone: its surfaces are shown no longer, and it will say nothing more.
    #[error("the display is lost")]
    Lost(#[source] io::Error),
}
