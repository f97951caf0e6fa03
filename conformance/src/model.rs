//! A reference model of the 2D state tracker: what a device must do, written as plainly as can be
//! and without looking at how one does it.
//!
//! Sizes are small, so every byte of a backing has its own place in a list, and every pixel of a
//! scanout its own mark.

use std::collections::BTreeMap;

use gpu_buffer::Rect;

/// UNSPEC.
pub const UNSPEC: u32 = 0x1200;
/// OUT_OF_MEMORY.
pub const OOM: u32 = 0x1201;
/// INVALID_SCANOUT_ID.
pub const BADSCAN: u32 = 0x1202;
/// INVALID_RESOURCE_ID.
pub const BADRES: u32 = 0x1203;
/// INVALID_PARAMETER.
pub const BADPARAM: u32 = 0x1205;

/// A command as the model knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// RESOURCE_CREATE_2D.
    Create {
        /// Id of the resource.
        id: u32,
        /// Pixel format.
        format: u32,
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
    /// RESOURCE_UNREF.
    Unref(u32),
    /// RESOURCE_ATTACH_BACKING: the resource, and (offset in the model's memory, bytes).
    Attach(u32, Vec<(u32, u32)>),
    /// RESOURCE_DETACH_BACKING.
    Detach(u32),
    /// TRANSFER_TO_HOST_2D: resource, rectangle, offset.
    Transfer(u32, Rect, u64),
    /// SET_SCANOUT: scanout, resource, rectangle.
    SetScanout(u32, u32, Rect),
    /// RESOURCE_FLUSH: resource, rectangle.
    Flush(u32, Rect),
    /// UPDATE_CURSOR.
    UpdateCursor {
        /// The scanout.
        scanout: u32,
        /// The image, 0 for none.
        id: u32,
        /// Hot spot.
        hot: (u32, u32),
        /// Place.
        at: (i32, i32),
    },
    /// MOVE_CURSOR: scanout and place.
    MoveCursor(u32, (i32, i32)),
}

/// The caps that the model knows.
#[derive(Debug, Clone, Copy)]
pub struct Caps {
    /// Live resources.
    pub resources: usize,
    /// Bytes of all pixels.
    pub host_bytes: u64,
    /// Width and height.
    pub side: u32,
    /// Bytes on all scanouts.
    pub shown_bytes: u64,
    /// Width and height of a cursor.
    pub cursor_side: u32,
    /// Entries of a backing.
    pub backing_entries: usize,
}

/// A resource.
#[derive(Debug)]
struct Resource {
    format: u32,
    width: u32,
    height: u32,
    /// Bytes of all pixels, row by row.
    bytes: Vec<u8>,
    /// For every byte of the backing, where in memory it is.
    backing: Option<Vec<usize>>,
}

/// What is on a display's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Pixels.
    pub width: u32,
    /// XRGB words, row by row.
    pub pixels: Vec<u32>,
}

/// A scanout.
#[derive(Debug, Default)]
pub struct Scanout {
    /// The resource and the part of it that is shown.
    pub shown: Option<(u32, Rect)>,
    /// What the display has been given.
    pub displayed: Option<Image>,
    /// Which of its pixels the display must be given.
    pending: Vec<bool>,
    /// The cursor over it.
    pub cursor: Cursor,
}

/// A cursor.
#[derive(Debug, Default)]
pub struct Cursor {
    /// The image, `None` while hidden.
    pub image: Option<u32>,
    /// Hot spot.
    pub hot: (u32, u32),
    /// Place.
    pub at: (i32, i32),
    /// What the display has been given.
    pub displayed: Option<Image>,
    /// Whether it must be given the image.
    pending: bool,
}

/// The tracker.
#[derive(Debug)]
pub struct Model {
    caps: Caps,
    /// The memory that backings refer to.
    memory: Vec<u8>,
    resources: BTreeMap<u32, Resource>,
    /// All scanouts.
    pub scanouts: Vec<Scanout>,
}

impl Model {
    /// A tracker without resources.
    pub fn new(caps: Caps, scanouts: u32, memory: usize) -> Self {
        Self {
            caps,
            memory: vec![0; memory],
            resources: BTreeMap::new(),
            scanouts: (0..scanouts).map(|_| Scanout::default()).collect(),
        }
    }

    /// Number of resources.
    pub fn resources(&self) -> usize {
        self.resources.len()
    }

    /// The ids in use.
    pub fn ids(&self) -> Vec<u32> {
        self.resources.keys().copied().collect()
    }

    /// Width and height of a resource.
    pub fn size(&self, id: u32) -> Option<(u32, u32)> {
        let resource = self.resources.get(&id)?;
        Some((resource.width, resource.height))
    }

    /// Bytes of all pixels.
    pub fn host_bytes(&self) -> u64 {
        let bytes = self.resources.values().map(|resource| resource.bytes.len());
        bytes.sum::<usize>() as u64
    }

    /// The memory that backings refer to.
    pub fn memory(&self) -> &[u8] {
        &self.memory
    }

    /// The guest writes to its memory.
    pub fn write(&mut self, at: usize, bytes: &[u8]) {
        self.memory[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// The codes that a device may refuse an operation with; none if it must carry it out. Where
    /// several rules are broken, any of their codes will do.
    pub fn refusals(&self, operation: &Operation) -> Vec<u32> {
        let mut codes = Vec::new();
        let mut rule = |broken: bool, code: u32| {
            if broken {
                codes.push(code);
            }
        };
        match operation {
            Operation::Create {
                id,
                format,
                width,
                height,
            } => {
                let sides = 1..=self.caps.side;
                let bytes = u128::from(*width) * u128::from(*height) * 4;
                rule(*id == 0 || self.resources.contains_key(id), BADRES);
                rule(order(*format).is_none(), BADPARAM);
                rule(!sides.contains(width) || !sides.contains(height), BADPARAM);
                let sum = u128::from(self.host_bytes()) + bytes;
                rule(sum > u128::from(self.caps.host_bytes), OOM);
                rule(self.resources.len() >= self.caps.resources, OOM);
            }
            Operation::Unref(id) => rule(!self.resources.contains_key(id), BADRES),
            Operation::Attach(id, entries) => match self.resources.get(id) {
                None => rule(true, BADRES),
                Some(resource) => {
                    rule(resource.backing.is_some(), UNSPEC);
                    rule(entries.len() > self.caps.backing_entries, UNSPEC);
                }
            },
            Operation::Detach(id) => match self.resources.get(id) {
                None => rule(true, BADRES),
                Some(resource) => rule(resource.backing.is_none(), UNSPEC),
            },
            Operation::Transfer(id, rect, offset) => match self.resources.get(id) {
                None => rule(true, BADRES),
                Some(resource) => {
                    let inside = resource.contains(rect);
                    rule(resource.backing.is_none(), UNSPEC);
                    rule(!inside, BADPARAM);
                    let there = resource.backing.as_ref().map_or(0, Vec::len) as u128;
                    let end = u128::from(*offset)
                        + u128::from(rect.height.saturating_sub(1)) * u128::from(resource.stride())
                        + u128::from(rect.width) * 4;
                    rule(inside && !rect.is_empty() && end > there, BADPARAM);
                }
            },
            Operation::SetScanout(scanout, id, rect) => {
                rule(self.scanout(*scanout).is_none(), BADSCAN);
                match self.resources.get(id) {
                    None => rule(*id != 0, BADRES),
                    Some(resource) => {
                        rule(rect.is_empty() || !resource.contains(rect), BADPARAM);
                        let others: u64 = (0..)
                            .zip(&self.scanouts)
                            .filter(|(index, _)| index != scanout)
                            .filter_map(|(_, other)| other.shown)
                            .map(|(_, rect)| rect.area() * 4)
                            .sum();
                        let area = u128::from(rect.width) * u128::from(rect.height);
                        let sum = u128::from(others) + area * 4;
                        rule(sum > u128::from(self.caps.shown_bytes), OOM);
                    }
                }
            }
            Operation::Flush(id, rect) => match self.resources.get(id) {
                None => rule(true, BADRES),
                Some(resource) => rule(!resource.contains(rect), BADPARAM),
            },
            Operation::UpdateCursor { scanout, id, .. } => {
                rule(self.scanout(*scanout).is_none(), BADSCAN);
                match self.resources.get(id) {
                    None => rule(*id != 0, BADRES),
                    Some(resource) => {
                        let side = resource.width.max(resource.height);
                        rule(side > self.caps.cursor_side, BADPARAM);
                    }
                }
            }
            Operation::MoveCursor(scanout, _) => {
                rule(self.scanout(*scanout).is_none(), BADSCAN);
            }
        }
        codes
    }

    /// Carries out an operation that [`Model::refusals`] finds nothing against.
    pub fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Create {
                id,
                format,
                width,
                height,
            } => {
                let resource = Resource {
                    format: *format,
                    width: *width,
                    height: *height,
                    bytes: vec![0; (width * height * 4) as usize],
                    backing: None,
                };
                self.resources.insert(*id, resource);
            }
            Operation::Unref(id) => self.unref(*id),
            Operation::Attach(id, entries) => {
                let bytes = entries.iter().flat_map(|(at, length)| *at..at + length);
                let backing = bytes.map(|at| at as usize).collect();
                self.resource(*id).backing = Some(backing);
            }
            Operation::Detach(id) => self.resource(*id).backing = None,
            Operation::Transfer(id, rect, offset) => self.transfer(*id, rect, *offset),
            Operation::SetScanout(scanout, id, rect) => self.set_scanout(*scanout, *id, rect),
            Operation::Flush(id, rect) => self.flush(*id, rect),
            Operation::UpdateCursor {
                scanout,
                id,
                hot,
                at,
            } => {
                let cursor = &mut self.scanouts[*scanout as usize].cursor;
                cursor.at = *at;
                if *id == 0 {
                    cursor.image = None;
                    cursor.displayed = None;
                } else {
                    cursor.image = Some(*id);
                    cursor.hot = *hot;
                    cursor.pending = true;
                }
            }
            Operation::MoveCursor(scanout, at) => {
                self.scanouts[*scanout as usize].cursor.at = *at;
            }
        }
    }

    /// What a scanout's display must and may have been given if it takes frames now: for every
    /// pixel its newest value, and whether an older one will do.
    pub fn newest(&self, scanout: usize) -> Option<Vec<(u32, bool)>> {
        let Scanout { shown, pending, .. } = &self.scanouts[scanout];
        let (id, rect) = (*shown)?;
        let pixels = self.resources.get(&id)?.image(&rect).pixels;
        let pixels = pixels.into_iter().zip(pending);
        Some(pixels.map(|(pixel, must)| (pixel, !must)).collect())
    }

    /// The cursor image of a lit scanout, and whether an older one will do.
    pub fn newest_cursor(&self, scanout: usize) -> Option<(Image, bool)> {
        let scanout = &self.scanouts[scanout];
        scanout.shown?;
        let resource = self.resources.get(&scanout.cursor.image?)?;
        let image = resource.image(&resource.bounds());
        Some((image, !scanout.cursor.pending))
    }

    /// Takes over what was found on the display and found right; nothing is pending any more
    /// if it takes frames.
    pub fn settle(&mut self, scanout: usize, shown: Option<Image>, cursor: Option<Image>) {
        let scanout = &mut self.scanouts[scanout];
        scanout.displayed = shown;
        scanout.pending.fill(false);
        scanout.cursor.displayed = cursor;
        scanout.cursor.pending = false;
    }

    fn scanout(&self, scanout: u32) -> Option<&Scanout> {
        self.scanouts.get(scanout as usize)
    }

    fn resource(&mut self, id: u32) -> &mut Resource {
        self.resources
            .get_mut(&id)
            .expect("the resource was looked up")
    }

    fn unref(&mut self, id: u32) {
        self.resources.remove(&id);
        for scanout in &mut self.scanouts {
            if scanout.cursor.image == Some(id) {
                scanout.cursor.image = None;
                scanout.cursor.displayed = None;
            }
            if scanout.shown.is_some_and(|(shown, _)| shown == id) {
                scanout.darken();
            }
        }
    }

    fn transfer(&mut self, id: u32, rect: &Rect, offset: u64) {
        let resource = self.resources.get_mut(&id).expect("it was looked up");
        let stride = resource.stride() as usize;
        let backing = resource.backing.as_ref().expect("it was looked at");
        for row in 0..rect.height as usize {
            for byte in 0..rect.width as usize * 4 {
                let from = backing[offset as usize + row * stride + byte];
                let to = (rect.y as usize + row) * stride + rect.x as usize * 4 + byte;
                resource.bytes[to] = self.memory[from];
            }
        }
    }

    fn set_scanout(&mut self, scanout: u32, id: u32, rect: &Rect) {
        let scanout = &mut self.scanouts[scanout as usize];
        if id == 0 {
            scanout.darken();
            return;
        }
        let before = scanout.shown.replace((id, *rect));
        if before == scanout.shown {
            return;
        }
        let size = before.map(|(_, rect)| (rect.width, rect.height));
        if size != Some((rect.width, rect.height)) {
            scanout.displayed = Some(Image {
                width: rect.width,
                pixels: vec![0; rect.area() as usize],
            });
        }
        scanout.pending = vec![true; rect.area() as usize];
        if before.is_none() {
            scanout.cursor.pending = true;
        }
    }

    fn flush(&mut self, id: u32, rect: &Rect) {
        for scanout in &mut self.scanouts {
            if let Some((shown, part)) = scanout.shown
                && shown == id
            {
                for (place, pending) in (0..).zip(&mut scanout.pending) {
                    let pixel = Rect::new(
                        part.x + place % part.width,
                        part.y + place / part.width,
                        1,
                        1,
                    );
                    *pending |= rect.contains(&pixel);
                }
            }
            scanout.cursor.pending |= scanout.cursor.image == Some(id);
        }
    }
}

impl Scanout {
    fn darken(&mut self) {
        self.shown = None;
        self.displayed = None;
        self.pending.clear();
        self.cursor.displayed = None;
    }
}

impl Resource {
    fn stride(&self) -> u32 {
        self.width * 4
    }

    fn bounds(&self) -> Rect {
        Rect::from_size(self.width, self.height)
    }

    fn contains(&self, rect: &Rect) -> bool {
        u64::from(rect.x) + u64::from(rect.width) <= u64::from(self.width)
            && u64::from(rect.y) + u64::from(rect.height) <= u64::from(self.height)
    }

    /// The pixels of a part.
    fn image(&self, rect: &Rect) -> Image {
        let [red, green, blue] = order(self.format).expect("the format was looked at");
        let pixel = |x: u32, y: u32| {
            let at = ((y * self.width + x) * 4) as usize;
            let byte = |place: usize| u32::from(self.bytes[at + place]);
            byte(red) << 16 | byte(green) << 8 | byte(blue)
        };
        let rows = rect.y..rect.y + rect.height;
        Image {
            width: rect.width,
            pixels: rows
                .flat_map(|y| (rect.x..rect.x + rect.width).map(move |x| (x, y)))
                .map(|(x, y)| pixel(x, y))
                .collect(),
        }
    }
}

/// Which bytes of a pixel are red, green and blue, VIRTIO 1.4 §5.7.6.8: the formats' names list
/// the bytes in the order in which they lie in memory.
fn order(format: u32) -> Option<[usize; 3]> {
    match format {
        1 | 2 => Some([2, 1, 0]),
        3 | 4 => Some([1, 2, 3]),
        67 | 134 => Some([0, 1, 2]),
        68 | 121 => Some([3, 2, 1]),
        _ => None,
    }
}
