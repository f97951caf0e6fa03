//! Pictures into PNG files, on a thread of their own: the disk may be slow, the display may not.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

use log::warn;
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::Picture;
use crate::{DisplayError, Lease};

/// Writes the pictures of a display into a directory.
#[derive(Debug)]
pub(super) struct Writer {
    directory: PathBuf,
    /// Readable when a buffer came back.
    ready: Arc<EventFd>,
    /// Started by the first picture.
    thread: Option<Thread>,
    /// Whether the last picture was not written, and that was said.
    failing: bool,
}

#[derive(Debug)]
struct Thread {
    jobs: Sender<Job>,
    done: Receiver<Done>,
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
        })
    }

    pub(super) fn ready(&self) -> &EventFd {
        &self.ready
    }

    /// Hands a picture to the thread; gives it back if there is none and none can be started.
    pub(super) fn start(&mut self, job: Job) -> Result<(), Job> {
        let thread = match self.thread.take() {
            Some(thread) => thread,
            None => match self.spawn() {
                Ok(thread) => thread,
                Err(source) => {
                    let path = self.path(job.output);
                    self.report(Err(DisplayError::WritePicture { path, source }));
                    return Err(job);
                }
            },
        };
        // A thread that ended early is not kept: the next picture starts another.
        thread.jobs.send(job).map_err(|mpsc::SendError(job)| job)?;
        self.thread = Some(thread);
        Ok(())
    }

    /// The buffers that the thread is done with.
    pub(super) fn finished(&mut self) -> Vec<Job> {
        // Clears the descriptor. It has nothing to read when the thread said nothing.
        let _ = self.ready.read();
        let done: Vec<Done> = match &self.thread {
            Some(thread) => thread.done.try_iter().collect(),
            None => Vec::new(),
        };
        done.into_iter()
            .map(|Done { job, result }| {
                self.report(result);
                job
            })
            .collect()
    }

    /// Waits until all that was handed over is written, and ends the thread.
    pub(super) fn stop(&mut self) {
        let Some(Thread { jobs, done, handle }) = self.thread.take() else {
            return;
        };
        drop(jobs);
        if handle.join().is_err() {
            warn!("the thread that writes pictures ended early");
        }
        for done in done.try_iter() {
            self.report(done.result);
        }
    }

    /// Writes a picture on the calling thread.
    pub(super) fn write_now(&mut self, output: u32, picture: &Picture) {
        let result = write_file(&self.path(output), picture);
        self.report(result);
    }

    /// Says once what goes wrong until something goes right again.
    pub(super) fn report(&mut self, result: Result<(), DisplayError>) {
        match &result {
            Err(error) if !self.failing => match std::error::Error::source(error) {
                Some(cause) => warn!("{error}: {cause}"),
                None => warn!("{error}"),
            },
            _ => {}
        }
        self.failing = result.is_err();
    }

    fn path(&self, output: u32) -> PathBuf {
        path_in(&self.directory, output)
    }

    fn spawn(&self) -> io::Result<Thread> {
        let (jobs, to_do) = mpsc::channel::<Job>();
        let (finished, done) = mpsc::channel();
        let ready = Arc::clone(&self.ready);
        let directory = self.directory.clone();
        let handle = thread::Builder::new()
            .name("picture-writer".into())
            .spawn(move || {
                for job in to_do {
                    let path = path_in(&directory, job.output);
                    let result = write_file(&path, &job.lease.buffer);
                    if finished.send(Done { job, result }).is_err() {
                        return;
                    }
                    // Fails only when the counter is full: then the descriptor is readable anyway.
                    let _ = ready.write(1);
                }
            })?;
        Ok(Thread { jobs, done, handle })
    }
}

fn path_in(directory: &Path, output: u32) -> PathBuf {
    directory.join(format!("scanout-{output}.png"))
}

/// Writes a PNG file that is at every moment the old picture or the new one.
pub(super) fn write_file(path: &Path, picture: &Picture) -> Result<(), DisplayError> {
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
    encode(&part, picture)
        .and_then(|()| fs::rename(&part, path))
        .map_err(|source| {
            // Whether or not there is a file to remove: the error to tell is the first one.
            let _ = fs::remove_file(&part);
            error(source)
        })
}

fn encode(path: &Path, picture: &Picture) -> io::Result<()> {
    // One that a killed process of the same id left behind is in the way of `create_new`, which
    // follows no link that someone else put there.
    let _ = fs::remove_file(path);
    let mut file = BufWriter::new(File::create_new(path)?);
    let mut encoder = png::Encoder::new(&mut file, picture.width, picture.height);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&picture.pixels)?;
    writer.finish()?;
    file.flush()
}
