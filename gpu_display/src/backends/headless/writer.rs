//! Pictures into PNG files, on a thread of their own: the disk may be slow, the display may not.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use log::warn;
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::Picture;
use super::encode::{Cancel, encode};
use crate::{DisplayError, Lease};

/// Bytes that are written between two looks at whether to stop.
const PIECE_BYTES: usize = 1 << 20;

/// Writes the pictures of a display into a directory. Dropping it cancels what is not written yet, and waits for no
/// more than one row to be encoded, or one piece to be written and its file removed.
#[derive(Debug)]
pub(super) struct Writer {
    directory: PathBuf,
    /// Readable when a buffer came back.
    ready: Arc<EventFd>,
    /// Started by the first picture.
    thread: Option<Thread>,
    /// Whether the last picture was not written, and that was said.
    failing: bool,
    cancel: Cancel,
}

#[derive(Debug)]
struct Thread {
    jobs: Sender<Job>,
    done: Receiver<Done>,
    /// Jobs that the thread is not done with.
    open: usize,
    handle: JoinHandle<()>,
}

/// A buffer lent to the thread.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) output: u32,
    pub(super) lease: Lease<Picture>,
}

#[derive(Debug)]
struct Done {
    job: Job,
    result: Result<(), DisplayError>,
}

/// What became of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Written,
    Failed,
}

impl Writer {
    pub(super) fn new(directory: PathBuf) -> Result<Self, DisplayError> {
        fs::create_dir_all(&directory).map_err(|source| DisplayError::Directory {
            path: directory.clone(),
            source,
        })?;
        let ready = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
            .map_err(|errno| DisplayError::EventFd(errno.into()))?;
        Ok(Self {
            directory,
            ready: Arc::new(ready),
            thread: None,
            failing: false,
            cancel: Cancel::default(),
        })
    }

    pub(super) fn ready(&self) -> &EventFd {
        &self.ready
    }

    /// Hands a picture to the thread; gives it back if there is none and none can be started.
    pub(super) fn start(&mut self, job: Job) -> Result<(), Job> {
        let mut thread = match self.thread.take() {
            Some(thread) => thread,
            None => match self.spawn() {
                Ok(thread) => thread,
                Err(source) => {
                    let path = path_in(&self.directory, job.output);
                    self.report(&Err(DisplayError::WritePicture { path, source }));
                    return Err(job);
                }
            },
        };
        // A thread that ended early is not kept: the next picture starts another.
        thread.jobs.send(job).map_err(|mpsc::SendError(job)| job)?;
        thread.open = thread.open.saturating_add(1);
        self.thread = Some(thread);
        Ok(())
    }

    /// The buffers that the thread is done with.
    pub(super) fn finished(&mut self) -> Vec<(Job, Outcome)> {
        // Clears the descriptor. It has nothing to read when the thread said nothing.
        let _ = self.ready.read();
        let mut finished = Vec::new();
        while let Some(done) = self.next(|done| done.try_recv().ok()) {
            finished.push(done);
        }
        finished
    }

    /// The next buffer that the thread is done with, for which this waits until `end`; `None` if it has none or is not
    /// done by then.
    pub(super) fn wait(&mut self, end: Instant) -> Option<(Job, Outcome)> {
        self.next(|done| {
            done.recv_timeout(end.saturating_duration_since(Instant::now()))
                .ok()
        })
    }

    fn next(
        &mut self,
        take: impl FnOnce(&Receiver<Done>) -> Option<Done>,
    ) -> Option<(Job, Outcome)> {
        let thread = self.thread.as_mut().filter(|thread| thread.open > 0)?;
        let Done { job, result } = take(&thread.done)?;
        thread.open = thread.open.saturating_sub(1);
        self.report(&result);
        let outcome = match result {
            Ok(()) => Outcome::Written,
            Err(_) => Outcome::Failed,
        };
        Some((job, outcome))
    }

    /// Says once what goes wrong until something goes right again.
    pub(super) fn report(&mut self, result: &Result<(), DisplayError>) {
        match result {
            Err(error) if !self.failing => match std::error::Error::source(error) {
                Some(cause) => warn!("{error}: {cause}"),
                None => warn!("{error}"),
            },
            _ => {}
        }
        self.failing = result.is_err();
    }

    fn spawn(&self) -> io::Result<Thread> {
        let (jobs, to_do) = mpsc::channel::<Job>();
        let (finished, done) = mpsc::channel();
        let ready = Arc::clone(&self.ready);
        let directory = self.directory.clone();
        let cancel = self.cancel.clone();
        let handle = thread::Builder::new()
            .name("picture-writer".into())
            .spawn(move || {
                for job in to_do {
                    let path = path_in(&directory, job.output);
                    let result = write_file(&path, &job.lease.buffer, &cancel);
                    if finished.send(Done { job, result }).is_err() {
                        return;
                    }
                    // Fails only when the counter is full: then the descriptor is readable anyway.
                    let _ = ready.write(1);
                }
            })?;
        Ok(Thread {
            jobs,
            done,
            open: 0,
            handle,
        })
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let Some(Thread {
            jobs, open, handle, ..
        }) = self.thread.take()
        else {
            return;
        };
        if open > 0 {
            warn!("no time is left for the last picture: its file stays as it was");
        }
        self.cancel.cancel();
        drop(jobs);
        if handle.join().is_err() {
            warn!("the thread that writes pictures ended early");
        }
    }
}

fn path_in(directory: &Path, output: u32) -> PathBuf {
    directory.join(format!("scanout-{output}.png"))
}

/// Writes a PNG file that is at every moment the old picture or the new one. A cancelled one stays the old one.
pub(super) fn write_file(
    path: &Path,
    picture: &Picture,
    cancel: &Cancel,
) -> Result<(), DisplayError> {
    let error = |source| DisplayError::WritePicture {
        path: path.to_owned(),
        source,
    };
    let name = path
        .file_name()
        .ok_or_else(|| error(io::ErrorKind::InvalidFilename.into()))?;
    let mut part_name = std::ffi::OsString::from(".");
    part_name.push(name);
    part_name.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(part_name);
    let bytes = encode(picture, cancel).map_err(error)?;
    write_part(&part, &bytes, cancel)
        .and_then(|()| fs::rename(&part, path))
        .map_err(|source| {
            // Whether or not there is a file to remove: the error to tell is the first one.
            let _ = fs::remove_file(&part);
            error(source)
        })
}

fn write_part(path: &Path, bytes: &[u8], cancel: &Cancel) -> io::Result<()> {
    cancel.check()?;
    // One that a killed process of the same id left behind is in the way of `create_new`, which
    // follows no link that someone else put there.
    let _ = fs::remove_file(path);
    write_pieces(&mut File::create_new(path)?, bytes, cancel)
}

fn write_pieces(file: &mut impl Write, bytes: &[u8], cancel: &Cancel) -> io::Result<()> {
    for piece in bytes.chunks(PIECE_BYTES) {
        file.write_all(piece)?;
        cancel.check()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancelled_file_stays_as_it_was_and_no_other_is_left() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("scanout-0.png");
        fs::write(&path, "old").unwrap();
        let cancel = Cancel::default();
        cancel.cancel();

        let picture = write_file(&path, &Picture::new(4, 4).unwrap(), &cancel);
        let part = write_part(&directory.path().join("part"), b"new", &cancel);

        assert!(picture.is_err());
        assert!(part.is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    /// A file whose writing is cancelled during its first piece.
    struct Cancelling {
        cancel: Cancel,
        written: usize,
    }

    impl Write for Cancelling {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.cancel.cancel();
            self.written = self.written.saturating_add(bytes.len());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_file_that_is_cancelled_while_it_is_written_ends_after_one_mebibyte() {
        let cancel = Cancel::default();
        let mut file = Cancelling {
            cancel: cancel.clone(),
            written: 0,
        };

        let result = write_pieces(&mut file, &[0; 3 << 20], &cancel);

        assert!(result.is_err());
        assert_eq!(file.written, 1 << 20);
    }
}
