//! QEMU's machine protocol: one JSON object a line over a socket.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::process;

/// The qdev id that the rig gives to the GPU.
pub(crate) const GPU: &str = "gpu0";

const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// A connection that has left the greeting behind.
#[derive(Debug)]
pub(crate) struct Qmp {
    stream: UnixStream,
    reader: BufReader<UnixStream>,
}

impl Qmp {
    /// Connects to the socket that QEMU is about to create.
    pub(crate) fn connect(path: &Path, mut alive: impl FnMut() -> Result<()>) -> Result<Self> {
        let stream = process::wait_until("QEMU's control socket", ANSWER_LIMIT, || {
            alive()?;
            Ok(UnixStream::connect(path).ok())
        })?;
        let failed = || Error::io("talk to", path);
        stream
            .set_read_timeout(Some(ANSWER_LIMIT))
            .map_err(failed())?;
        stream
            .set_write_timeout(Some(ANSWER_LIMIT))
            .map_err(failed())?;
        let reader = BufReader::new(stream.try_clone().map_err(failed())?);
        let mut qmp = Self { stream, reader };
        qmp.read()?;
        qmp.execute("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    /// Runs one command and returns what it returned.
    pub(crate) fn execute(&mut self, command: &str, arguments: Value) -> Result<Value> {
        let mut line = json!({"execute": command, "arguments": arguments}).to_string();
        line.push('\n');
        self.stream
            .write_all(line.as_bytes())
            .map_err(Error::io("write to", Path::new("QEMU's control socket")))?;
        loop {
            let mut answer = self.read()?;
            if let Some(error) = answer.get("error") {
                return Err(Error::Protocol {
                    peer: "QEMU",
                    message: format!("{command}: {error}"),
                });
            }
            // Anything else is an event.
            if let Some(value) = answer.get_mut("return") {
                return Ok(value.take());
            }
        }
    }

    /// Saves what the front end shows of one scanout as a PNG.
    pub(crate) fn screendump(&mut self, head: u32, file: &Path) -> Result<()> {
        self.execute(
            "screendump",
            json!({
                "filename": file,
                "device": GPU,
                "head": head,
                "format": "png",
            }),
        )?;
        Ok(())
    }

    fn read(&mut self) -> Result<Value> {
        let mut line = String::new();
        let length = self
            .reader
            .read_line(&mut line)
            .map_err(Error::io("read from", Path::new("QEMU's control socket")))?;
        if length == 0 {
            return Err(Error::Protocol {
                peer: "QEMU",
                message: "closed its control socket".to_owned(),
            });
        }
        serde_json::from_str(&line).map_err(|error| Error::Protocol {
            peer: "QEMU",
            message: error.to_string(),
        })
    }
}
