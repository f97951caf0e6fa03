//! A small VNC client: it learns the cursor's image and hotspot, and may ask for another size.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use kms_probe::Picture;

use crate::error::{Error, Result};

const ANSWER_LIMIT: Duration = Duration::from_secs(20);
const RAW: i32 = 0;
const DESKTOP_SIZE: i32 = -223;
const EXTENDED_DESKTOP_SIZE: i32 = -308;
const ALPHA_CURSOR: i32 = -314;
/// No picture of ours is larger; a peer that says otherwise is not believed.
const LARGEST: u32 = 16_384;

/// A cursor as the front end hands it to a viewer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// Its pixels with premultiplied alpha.
    pub(crate) image: Picture,
    /// The pixel that points.
    pub(crate) hotspot: (u32, u32),
}

/// A connection to one screen's VNC server.
#[derive(Debug)]
pub(crate) struct Viewer {
    stream: UnixStream,
    size: (u16, u16),
}

impl Viewer {
    /// Connects, without a password, and asks for updates.
    pub(crate) fn connect(path: &Path) -> Result<Self> {
        let failed = || Error::io("connect to", path);
        let stream = UnixStream::connect(path).map_err(failed())?;
        stream
            .set_read_timeout(Some(ANSWER_LIMIT))
            .map_err(failed())?;
        let mut viewer = Self {
            stream,
            size: (0, 0),
        };
        viewer.shake_hands()?;
        viewer.prepare()?;
        Ok(viewer)
    }

    fn shake_hands(&mut self) -> Result<()> {
        let version: [u8; 12] = self.read()?;
        if !version.starts_with(b"RFB 003.") {
            return Err(unexpected("a greeting that is not VNC's"));
        }
        self.write(b"RFB 003.008\n")?;
        let [count] = self.read()?;
        let mut offered = vec![0; usize::from(count)];
        self.fill(&mut offered)?;
        if !offered.contains(&1) {
            return Err(unexpected("it wants a password"));
        }
        self.write(&[1])?;
        if self.read::<4>()? != [0; 4] {
            return Err(unexpected("it refuses us"));
        }
        self.write(&[1])?;
        self.size = (self.read_u16()?, self.read_u16()?);
        let _format: [u8; 16] = self.read()?;
        let length = self.read_u32()?.min(LARGEST);
        self.skip(length)
    }

    /// Asks for 32-bit pixels, blue first, and for the encodings this client knows.
    fn prepare(&mut self) -> Result<()> {
        self.write(&[
            0, 0, 0, 0, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0,
        ])?;
        let encodings = [RAW, DESKTOP_SIZE, EXTENDED_DESKTOP_SIZE, ALPHA_CURSOR];
        let mut message = vec![2, 0, 0, 4];
        for encoding in encodings {
            message.extend_from_slice(&encoding.to_be_bytes());
        }
        self.write(&message)
    }

    fn request_update(&mut self, incremental: u8) -> Result<()> {
        let mut message = vec![3, incremental, 0, 0, 0, 0];
        message.extend_from_slice(&self.size.0.to_be_bytes());
        message.extend_from_slice(&self.size.1.to_be_bytes());
        self.write(&message)
    }

    /// Asks the guest to use another size, as resizing a window would. Stay connected until it
    /// has: the server drops what a viewer said last when it goes.
    pub(crate) fn resize(&mut self, width: u16, height: u16) -> Result<()> {
        self.request_update(0)?;
        self.read_update()?;
        let mut message = vec![251, 0];
        for value in [width, height] {
            message.extend_from_slice(&value.to_be_bytes());
        }
        message.extend_from_slice(&[1, 0]);
        message.extend_from_slice(&[0; 8]);
        for value in [width, height] {
            message.extend_from_slice(&value.to_be_bytes());
        }
        message.extend_from_slice(&[0; 4]);
        self.write(&message)
    }

    /// Waits for the cursor; the server sends it to every new viewer.
    pub(crate) fn cursor(&mut self) -> Result<Cursor> {
        for _ in 0..20 {
            self.request_update(0)?;
            if let Some(cursor) = self.read_update()? {
                return Ok(cursor);
            }
        }
        Err(unexpected("no cursor in 20 updates"))
    }

    /// Reads messages up to and with the next update; returns the cursor if it held one.
    fn read_update(&mut self) -> Result<Option<Cursor>> {
        loop {
            match self.read::<1>()? {
                [0] => break,
                [2] => {}
                [3] => {
                    let _padding: [u8; 3] = self.read()?;
                    let length = self.read_u32()?;
                    self.skip(length)?;
                }
                [other] => return Err(unexpected(&format!("message {other}"))),
            }
        }
        let _padding: [u8; 1] = self.read()?;
        let count = self.read_u16()?;
        let mut cursor = None;
        for _ in 0..count {
            let (x, y) = (self.read_u16()?, self.read_u16()?);
            let (width, height) = (self.read_u16()?, self.read_u16()?);
            match i32::from_be_bytes(self.read()?) {
                RAW => self.skip(
                    u32::from(width)
                        .saturating_mul(u32::from(height))
                        .saturating_mul(4),
                )?,
                DESKTOP_SIZE => self.size = (width, height),
                EXTENDED_DESKTOP_SIZE => {
                    self.size = (width, height);
                    let [screens, _, _, _] = self.read()?;
                    self.skip(u32::from(screens).saturating_mul(16))?;
                }
                ALPHA_CURSOR => {
                    let _encoding: [u8; 4] = self.read()?;
                    cursor = Some(Cursor {
                        image: self.read_image(width, height)?,
                        hotspot: (u32::from(x), u32::from(y)),
                    });
                }
                other => return Err(unexpected(&format!("encoding {other}"))),
            }
        }
        Ok(cursor)
    }

    fn read_image(&mut self, width: u16, height: u16) -> Result<Picture> {
        let count = usize::from(width)
            .saturating_mul(usize::from(height))
            .saturating_mul(4);
        let mut bytes = vec![0; count];
        self.fill(&mut bytes)?;
        let pixels = bytes
            .chunks_exact(4)
            .filter_map(|bytes| Some(u32::from_le_bytes(bytes.try_into().ok()?)))
            .collect();
        Picture::from_pixels(u32::from(width), u32::from(height), pixels)
            .ok_or_else(|| unexpected("an image of another size"))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream
            .write_all(bytes)
            .map_err(Error::io("write to", Path::new("QEMU's VNC server")))
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<()> {
        self.stream
            .read_exact(bytes)
            .map_err(Error::io("read from", Path::new("QEMU's VNC server")))
    }

    fn read<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn read_u16(&mut self) -> Result<u16> {
        self.read().map(u16::from_be_bytes)
    }

    fn read_u32(&mut self) -> Result<u32> {
        self.read().map(u32::from_be_bytes)
    }

    fn skip(&mut self, count: u32) -> Result<()> {
        let mut left = u64::from(count);
        let mut bytes = [0; 4096];
        while left > 0 {
            let part = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
            let (head, _) = bytes.split_at_mut(part);
            self.fill(head)?;
            left = left.saturating_sub(u64::try_from(part).unwrap_or(u64::MAX));
        }
        Ok(())
    }
}

fn unexpected(what: &str) -> Error {
    Error::Protocol {
        peer: "QEMU's VNC server",
        message: what.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a server sends to a viewer that then gets one update with a 2x1 cursor.
    fn server_side() -> Vec<u8> {
        let mut bytes = b"RFB 003.008\n".to_vec();
        bytes.extend([1, 1]);
        bytes.extend([0; 4]);
        bytes.extend([0, 3, 0, 2]);
        bytes.extend([0; 16]);
        bytes.extend([0, 0, 0, 2]);
        bytes.extend(b"vm");
        bytes.extend([0, 0, 0, 2]);
        bytes.extend([0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 9, 9, 9, 9]);
        bytes.extend([0, 1, 0, 0, 0, 2, 0, 1]);
        bytes.extend((-314_i32).to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend([1, 2, 3, 4, 5, 6, 7, 8]);
        bytes
    }

    #[test]
    fn a_cursor_is_taken_from_an_update() {
        let (mut server, client) = UnixStream::pair().unwrap();
        server.write_all(&server_side()).unwrap();
        let mut viewer = Viewer {
            stream: client,
            size: (0, 0),
        };
        viewer.shake_hands().unwrap();
        assert_eq!(viewer.size, (3, 2));
        let cursor = viewer.cursor().unwrap();
        assert_eq!(cursor.hotspot, (1, 0));
        assert_eq!(cursor.image.pixels(), [0x0403_0201, 0x0807_0605]);
    }
}
