//! Finds the Debian archive that this machine is configured to use.

use std::fs;
use std::path::Path;

const DEFAULT_KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// One archive: where it is, and the options apt needs to trust it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Archive {
    /// Its address, as configured.
    pub(crate) uri: String,
    options: String,
}

impl Archive {
    /// The one-line entry that adds `suite` of this archive.
    pub(crate) fn entry(&self, suite: &str) -> String {
        let mut options = self.options.clone();
        if !options.contains("signed-by=") && Path::new(DEFAULT_KEYRING).is_file() {
            options = format!("{options} signed-by={DEFAULT_KEYRING}");
        }
        let options = options.trim();
        let options = if options.is_empty() {
            String::new()
        } else {
            format!("[{options}] ")
        };
        format!("deb {options}{} {suite} main\n", self.uri)
    }
}

/// The archive configured for `codename`, the one that looks most like Debian's own first.
pub(crate) fn find(codename: &str) -> Option<Archive> {
    let mut found = Vec::new();
    let mut files = vec!["/etc/apt/sources.list".into()];
    if let Ok(folder) = fs::read_dir("/etc/apt/sources.list.d") {
        files.extend(folder.flatten().map(|entry| entry.path()));
    }
    files.sort();
    for file in files {
        let text = fs::read_to_string(&file).unwrap_or_default();
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("list") => found.extend(parse_lines(&text, codename)),
            Some("sources") => found.extend(parse_stanzas(&text, codename)),
            _ => {}
        }
    }
    let own = |archive: &Archive| archive.uri.trim_end_matches('/').ends_with("/debian");
    let best = found.iter().position(own).unwrap_or(0);
    found.into_iter().nth(best)
}

fn parse_lines(text: &str, codename: &str) -> Vec<Archive> {
    text.lines()
        .filter_map(|line| {
            let rest = line.trim().strip_prefix("deb ")?.trim_start();
            let (options, rest) = match rest.strip_prefix('[') {
                Some(rest) => rest.split_once(']')?,
                None => ("", rest),
            };
            let mut words = rest.split_whitespace();
            let uri = words.next()?;
            let suite = words.next()?;
            (suite == codename && words.any(|word| word == "main")).then(|| Archive {
                uri: uri.to_owned(),
                options: options.trim().to_owned(),
            })
        })
        .collect()
}

fn parse_stanzas(text: &str, codename: &str) -> Vec<Archive> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    lines
        .split(|line| line.trim().is_empty())
        .filter_map(|stanza| {
            let field = |name: &str| {
                stanza.iter().find_map(|line| {
                    let (key, value) = line.split_once(':')?;
                    key.eq_ignore_ascii_case(name).then(|| value.trim())
                })
            };
            let has =
                |name: &str, word: &str| field(name)?.split_whitespace().find(|have| *have == word);
            if field("Enabled").is_some_and(|value| value.eq_ignore_ascii_case("no")) {
                return None;
            }
            has("Types", "deb")?;
            has("Suites", codename)?;
            has("Components", "main")?;
            let mut options = Vec::new();
            if let Some(key) = field("Signed-By").filter(|key| key.starts_with('/')) {
                options.push(format!("signed-by={key}"));
            }
            if let Some(trusted) = field("Trusted") {
                options.push(format!("trusted={trusted}"));
            }
            Some(Archive {
                uri: field("URIs")?.split_whitespace().next()?.to_owned(),
                options: options.join(" "),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(uri: &str, options: &str) -> Archive {
        Archive {
            uri: uri.to_owned(),
            options: options.to_owned(),
        }
    }

    #[test]
    fn one_line_entries() {
        let text = "# deb http://no/debian bookworm main\n\
                    deb [signed-by=/k.gpg arch=amd64] http://a/debian bookworm contrib main\n\
                    deb http://b/debian bookworm-updates main\n\
                    deb-src http://c/debian bookworm main\n\
                    deb http://d/debian bookworm non-free\n";
        assert_eq!(
            parse_lines(text, "bookworm"),
            [archive("http://a/debian", "signed-by=/k.gpg arch=amd64")]
        );
    }

    #[test]
    fn stanzas() {
        let text = "Types: deb deb-src\nURIs: http://a/debian\n# a remark\nSuites: bookworm bookworm-updates\n\
                    Components: main\nSigned-By: /k.gpg\n\n\
                    Types: deb\nURIs: http://b/security\nSuites: bookworm-security\nComponents: main\n\n\
                    Enabled: no\nTypes: deb\nURIs: http://c\nSuites: bookworm\nComponents: main\n";
        assert_eq!(
            parse_stanzas(text, "bookworm"),
            [archive("http://a/debian", "signed-by=/k.gpg")]
        );
    }

    #[test]
    fn an_entry_names_its_suite_and_key() {
        assert_eq!(
            archive("http://a/debian", "signed-by=/k.gpg").entry("sid"),
            "deb [signed-by=/k.gpg] http://a/debian sid main\n"
        );
    }
}
