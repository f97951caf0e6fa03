//! The folder through which host and guest talk: jobs in, output and exit codes out, requests.
//!
//! The guest is not trusted: names it sends are checked before they become paths.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The host's side of the folder.
#[derive(Debug)]
pub(crate) struct Exchange {
    folder: PathBuf,
    next_job: u32,
}

/// Something the guest asks the host to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// Save what one scanout shows under a name.
    Screenshot {
        /// Name of the picture, without its ending.
        name: String,
        /// Which scanout.
        head: u32,
    },
}

impl Exchange {
    /// Lays the folder out and tells the guest where its modules and our programs are.
    pub(crate) fn create(folder: &Path, modules: &Path, programs: &Path) -> Result<Self> {
        for name in ["jobs", "requests", "out"] {
            let path = folder.join(name);
            fs::create_dir_all(&path).map_err(Error::io("create", &path))?;
        }
        let exchange = Self {
            folder: folder.to_owned(),
            next_job: 0,
        };
        let settings = format!(
            "modules={}\nprograms={}\n",
            quote(&modules.to_string_lossy()),
            quote(&programs.to_string_lossy())
        );
        exchange.put("settings", &settings)?;
        Ok(exchange)
    }

    /// The identity of the boot that is ready for jobs, if one is.
    pub(crate) fn boot_id(&self) -> Option<String> {
        fs::read_to_string(self.folder.join("ready")).ok()
    }

    /// Hands `words` to the guest as a command to run in `directory`; returns the job's name.
    pub(crate) fn submit(
        &mut self,
        words: &[String],
        directory: &Path,
        console: bool,
    ) -> Result<String> {
        let id = format!("{:04}", self.next_job);
        self.next_job = self.next_job.saturating_add(1);
        let command: Vec<String> = words.iter().map(|word| quote(word)).collect();
        let script = format!(
            "cd {} 2>/dev/null || cd /\necho $$ >/rig/jobs/{id}.pid\nexec {}\n",
            quote(&directory.to_string_lossy()),
            command.join(" ")
        );
        if console {
            self.put(&format!("jobs/{id}.console"), "")?;
        }
        self.put(&format!("jobs/{id}.sh"), &script)?;
        Ok(id)
    }

    /// The exit code of a job that has ended.
    pub(crate) fn status(&self, id: &str) -> Option<i32> {
        let text = fs::read_to_string(self.job_file(id, "status")).ok()?;
        text.trim().parse().ok()
    }

    /// What a job has printed so far.
    pub(crate) fn output(&self, id: &str) -> String {
        let bytes = fs::read(self.job_file(id, "out")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The process that runs a job in the guest, once it runs.
    pub(crate) fn pid(&self, id: &str) -> Option<u32> {
        let text = fs::read_to_string(self.job_file(id, "pid")).ok()?;
        text.trim().parse().ok()
    }

    /// The next request of the guest, with the name under which to answer it.
    pub(crate) fn next_request(&self) -> Option<(String, std::result::Result<Request, String>)> {
        let folder = self.folder.join("requests");
        fs::read_dir(folder).ok()?.flatten().find_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let id = name.strip_suffix(".request")?.to_owned();
            let text = fs::read_to_string(entry.path()).ok()?;
            // Taken: whatever becomes of it, it must not come again.
            fs::remove_file(entry.path()).ok()?;
            Some((id, parse_request(&text)))
        })
    }

    /// Answers a request.
    pub(crate) fn answer(&self, id: &str, text: &str) -> Result<()> {
        self.put(&format!("requests/{id}.answer"), &format!("{text}\n"))
    }

    fn job_file(&self, id: &str, kind: &str) -> PathBuf {
        self.folder.join("jobs").join(format!("{id}.{kind}"))
    }

    /// Writes a file that the guest sees complete or not at all.
    fn put(&self, name: &str, text: &str) -> Result<()> {
        let path = self.folder.join(name);
        let partial = path.with_extension("partial");
        fs::write(&partial, text).map_err(Error::io("write", &partial))?;
        fs::rename(&partial, &path).map_err(Error::io("rename", &partial))
    }
}

fn parse_request(text: &str) -> std::result::Result<Request, String> {
    let mut words = text.split_whitespace();
    match (words.next(), words.next(), words.next(), words.next()) {
        (Some("screenshot"), Some(name), Some(head), None) => {
            if !is_plain_name(name) {
                return Err(
                    "a picture's name is made of letters, digits, dots, dashes and underscores"
                        .to_owned(),
                );
            }
            let head = head
                .parse()
                .map_err(|_| "the head is a number from 0".to_owned())?;
            Ok(Request::Screenshot {
                name: name.to_owned(),
                head,
            })
        }
        _ => Err("no such request".to_owned()),
    }
}

fn is_plain_name(name: &str) -> bool {
    !name.starts_with('.')
        && name.len() <= 100
        && name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "._-".contains(letter))
}

/// One word for a POSIX shell.
fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Follows a file that another program appends to.
#[derive(Debug)]
pub(crate) struct Follower {
    path: PathBuf,
    file: Option<File>,
    position: u64,
}

impl Follower {
    /// Begins at the start of a file that need not exist yet.
    pub(crate) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            file: None,
            position: 0,
        }
    }

    /// What was appended since the last call.
    pub(crate) fn read(&mut self) -> Result<Vec<u8>> {
        let failed = || Error::io("read", &self.path);
        if self.file.is_none() {
            self.file = File::open(&self.path).ok();
        }
        let mut bytes = Vec::new();
        if let Some(file) = &mut self.file {
            file.seek(SeekFrom::Start(self.position))
                .map_err(failed())?;
            let read = file.read_to_end(&mut bytes).map_err(failed())?;
            self.position = self
                .position
                .saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_the_shell() {
        assert_eq!(quote("a b"), "'a b'");
        assert_eq!(quote("it's"), r"'it'\''s'");
    }

    #[test]
    fn requests_with_odd_names_are_refused() {
        assert_eq!(
            parse_request("screenshot a-1.b 2\n"),
            Ok(Request::Screenshot {
                name: "a-1.b".to_owned(),
                head: 2
            })
        );
        for bad in [
            "screenshot ../a 0",
            "screenshot .a 0",
            "screenshot a x",
            "screenshot a",
            "shell a 0",
            "",
        ] {
            assert!(parse_request(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_follower_sees_only_what_is_new() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut follower = Follower::new(&path);
        assert!(follower.read().unwrap().is_empty());
        fs::write(&path, "one").unwrap();
        assert_eq!(follower.read().unwrap(), b"one");
        fs::write(&path, "one two").unwrap();
        assert_eq!(follower.read().unwrap(), b" two");
    }

    #[test]
    fn a_job_is_a_script_with_its_words_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let mut exchange =
            Exchange::create(folder.path(), Path::new("/m"), Path::new("/p")).unwrap();
        let words = ["echo".to_owned(), "a b".to_owned()];
        let id = exchange.submit(&words, Path::new("/tmp"), true).unwrap();
        let script = fs::read_to_string(folder.path().join("jobs").join(format!("{id}.sh")));
        assert!(script.unwrap().ends_with("exec 'echo' 'a b'\n"));
        assert_eq!(exchange.status(&id), None);
    }
}
