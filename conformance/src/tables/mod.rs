//! The tables, one file for each family of rows.
//!
//! Codes are those of the specification where it names one, else QEMU's, which guests have been
//! written for. Where the rows leave a choice, each of the choices is accepted.

mod backing;
mod blob;
mod blob_scanout;
mod capset;
mod context;
mod create;
mod cursor;
mod display;
mod flush;
mod framing;
mod header;
mod lengths;
mod limits;
mod picture_3d;
mod ring;
mod scanout;
mod stream;
mod texture;
mod timeline;
mod transfer;
mod transfer_3d;
mod unref;
mod uuid;

pub use limits::{LimitTable, limit_tables, rendering_limit_tables};

use crate::case::{Case, Expect, OK_OR_ANY_ERROR};
use crate::map::IMAGE;
use crate::message::{Message, attach, create, set_scanout, transfer, whole};
use crate::picture::{Picture, gradient};

/// What the tables have to know about the device.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Number of its scanouts.
    pub scanouts: u32,
    /// How often what is repeated is repeated, at most.
    pub rounds: u32,
    /// What it renders with.
    pub rendering: Rendering,
}

/// What a device renders with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rendering {
    /// Nothing: it is a 2D device.
    Nothing,
    /// The recording renderer of `gpu_renderer`, which takes textures that no GL has.
    Recording,
    /// virglrenderer.
    Virgl,
}

impl Rendering {
    /// How what must be refused may end: the recording renderer does not look at it.
    fn refusal(self, expect: Expect) -> Expect {
        match self {
            Self::Recording => OK_OR_ANY_ERROR,
            Self::Nothing | Self::Virgl => expect,
        }
    }
}

/// A table: what it is called, and how its cases are made.
pub type Table = (&'static str, fn(&Setting) -> Vec<Case>);

/// Every table. On a device that renders too, but for K.
pub const ALL: &[Table] = &[
    ("V, chains", framing::cases),
    ("V, rings", ring::cases),
    ("H, headers", header::cases),
    ("H, lengths", lengths::cases),
    ("D", display::cases),
    ("C", create::cases),
    ("U", unref::cases),
    ("S", scanout::cases),
    ("F", flush::cases),
    ("T", transfer::cases),
    ("A", backing::cases),
    ("K", capset::cases),
    ("K, UUIDs", uuid::cases),
    ("P", cursor::cases),
];

/// The tables of devices that render.
pub const RENDERING: &[Table] = &[
    ("G, contexts", context::cases),
    ("G, resources", texture::cases),
    ("G, transfers", transfer_3d::cases),
    ("G, streams", stream::cases),
    ("H, timelines", timeline::cases),
    ("K, with 3D", capset::rendering_cases),
    ("K, UUIDs with 3D", uuid::rendering_cases),
    ("S and P, with 3D", picture_3d::cases),
];

/// The gradient in this size.
fn drawn(width: u32, height: u32) -> Picture {
    Picture::new(width, height, gradient)
}

/// Those of a device that offers blobs of the guest's memory.
pub const BLOBS: &[Table] = &[
    ("B, memory", blob::cases),
    ("B, scanouts", blob_scanout::cases),
];

/// What a guest does to have a picture in a resource; its pixels have to be at [`IMAGE`].
fn image(id: u32, width: u32, height: u32) -> [Message; 3] {
    [
        create(id, width, height),
        attach(id, &[(IMAGE, width * height * 4)]),
        transfer(id, whole(width, height), 0),
    ]
}

impl Case {
    /// The gradient is in a resource of this size.
    fn with_image(self, id: u32, width: u32, height: u32) -> Self {
        self.write(IMAGE, drawn(width, height).bytes())
            .given(image(id, width, height))
    }

    /// The gradient is in a resource of this size, on scanout 0.
    fn with_screen(self, id: u32, width: u32, height: u32) -> Self {
        self.with_image(id, width, height)
            .given([set_scanout(0, id, whole(width, height))])
            .shows(0, Some(drawn(width, height)))
    }
}
