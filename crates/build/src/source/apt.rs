//! The host's apt sources, sources.list(5), in both notations:
//!
//! ```text
//! deb [signed-by=KEYRING] URI SUITE COMPONENT…          one line
//!
//! Types: deb                                            deb822
//! URIs: URI…
//! Suites: SUITE…
//! Components: COMPONENT…
//! Signed-By: KEYRING
//! ```
//!
//! From them a mirror for *another* release is derived: an entry for `bookworm-security` at some URI
//! becomes one for `trixie-security` at the same URI. Entries for anything but the host's own release
//! (third parties' repositories) are left alone.

use std::path::{Path, PathBuf};

/// Suites that name a release by its state instead of its code name.
const ALIASES: &[&str] = &["oldstable", "stable", "testing", "unstable"];

/// Where Debian puts the keys of its archives.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// One archive at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The archive's address.
    pub uri: String,
    /// `trixie`, `trixie-security`, …
    pub suite: String,
    /// The file with the keys that vouch for it.
    pub keyring: Option<String>,
}

/// Why no mirror can be derived.
#[derive(Debug, thiserror::Error)]
pub enum AptError {
    /// A file of the host cannot be read.
    #[error("reading {path} failed")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The host is no Debian, or its sources name no archive of its release.
    #[error("the host's apt sources name no Debian archive: set `mirror` in [root]")]
    NoMirror,
}

/// The lines that mmdebstrap takes for `suite`, from the sources below `root` (`/` of the host).
pub fn lines(root: &Path, suite: &str, components: &[String]) -> Result<Vec<String>, AptError> {
    let os_release = read(&root.join("etc/os-release"))?;
    let field = |key: &str| {
        let line = os_release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.map(|value| value.trim_matches('"').to_owned())
    };
    if field("ID").as_deref() != Some("debian") {
        return Err(AptError::NoMirror);
    }
    let codename = field("VERSION_CODENAME").unwrap_or_else(|| "sid".to_owned());
    let entries = derive(&host_entries(root)?, &codename, suite);
    if entries.is_empty() {
        return Err(AptError::NoMirror);
    }
    Ok(entries.iter().map(|entry| line(entry, components)).collect())
}

/// The line for a mirror that the recipe names.
pub fn mirror_line(uri: &str, suite: &str, keyring: Option<&Path>, components: &[String]) -> String {
    let keyring = match keyring {
        Some(path) => Some(path.display().to_string()),
        None => Path::new(KEYRING).exists().then(|| KEYRING.to_owned()),
    };
    line(&Entry { uri: uri.to_owned(), suite: suite.to_owned(), keyring }, components)
}

fn line(entry: &Entry, components: &[String]) -> String {
    let keyring = entry.keyring.as_ref().map(|path| format!("[signed-by={path}] ")).unwrap_or_default();
    format!("deb {keyring}{} {} {}", entry.uri, entry.suite, components.join(" "))
}

/// Turns entries of the release `from` into those of the release `to`, without doubles.
fn derive(entries: &[Entry], from: &str, to: &str) -> Vec<Entry> {
    let rolling = matches!(to, "sid" | "unstable");
    let mut derived = Vec::new();
    for entry in entries {
        let names = ALIASES.iter().copied().chain([from]);
        let rest = names.filter_map(|name| entry.suite.strip_prefix(name)).min_by_key(|rest| rest.len());
        let suite = match rest {
            Some("") => to.to_owned(),
            // Unstable has neither updates nor security archives.
            Some("-updates" | "-security") if !rolling => format!("{to}{}", rest.unwrap_or_default()),
            _ => continue,
        };
        let keyring = match &entry.keyring {
            // A keyring of one release does not vouch for the next.
            Some(path) if path.contains(from) && from != to => Some(KEYRING.to_owned()),
            Some(path) => Some(path.clone()),
            None => Some(KEYRING.to_owned()),
        };
        let entry = Entry { uri: entry.uri.clone(), suite, keyring };
        if !derived.contains(&entry) {
            derived.push(entry);
        }
    }
    derived
}

/// Every enabled binary entry below `root/etc/apt`.
fn host_entries(root: &Path) -> Result<Vec<Entry>, AptError> {
    let mut files = vec![root.join("etc/apt/sources.list")];
    if let Ok(directory) = std::fs::read_dir(root.join("etc/apt/sources.list.d")) {
        files.extend(directory.flatten().map(|entry| entry.path()));
    }
    files.sort();
    let mut entries = Vec::new();
    for file in files.iter().filter(|file| file.is_file()) {
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("list") => entries.extend(read(file)?.lines().filter_map(one_line)),
            Some("sources") => entries.extend(stanzas(&read(file)?)),
            _ => {}
        }
    }
    Ok(entries)
}

fn read(path: &Path) -> Result<String, AptError> {
    std::fs::read_to_string(path).map_err(|source| AptError::Read { path: path.to_owned(), source })
}

fn one_line(line: &str) -> Option<Entry> {
    let line = line.split('#').next()?.trim();
    let mut rest = line.strip_prefix("deb")?.strip_prefix([' ', '\t'])?.trim_start();
    let mut keyring = None;
    if let Some(options) = rest.strip_prefix('[') {
        let (options, after) = options.split_once(']')?;
        let signed = options.split_whitespace().find_map(|option| option.strip_prefix("signed-by="));
        keyring = signed.and_then(first_keyring);
        rest = after;
    }
    let mut words = rest.split_whitespace();
    Some(Entry { uri: words.next()?.to_owned(), suite: words.next()?.to_owned(), keyring })
}

fn stanzas(text: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    for stanza in paragraphs(text) {
        let field = |key: &str| {
            let found = stanza.iter().find(|(name, _)| name.eq_ignore_ascii_case(key));
            found.map(|(_, value)| value.as_str())
        };
        let no =
            |value: Option<&str>| value.is_some_and(|value| matches!(value.trim(), "no" | "false" | "0"));
        let binary = field("Types").is_some_and(|types| types.split_whitespace().any(|kind| kind == "deb"));
        if !binary || no(field("Enabled")) {
            continue;
        }
        let keyring = field("Signed-By").and_then(first_keyring);
        for uri in field("URIs").unwrap_or_default().split_whitespace() {
            for suite in field("Suites").unwrap_or_default().split_whitespace() {
                entries.push(Entry {
                    uri: uri.to_owned(),
                    suite: suite.to_owned(),
                    keyring: keyring.clone(),
                });
            }
        }
    }
    entries
}

/// The fields of each paragraph, continuation lines joined by spaces.
fn paragraphs(text: &str) -> Vec<Vec<(String, String)>> {
    let mut paragraphs = vec![Vec::<(String, String)>::new()];
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some(current) = paragraphs.last_mut() else { break };
        if line.trim().is_empty() {
            paragraphs.push(Vec::new());
        } else if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = current.last_mut() {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((key, value)) = line.split_once(':') {
            current.push((key.trim().to_owned(), value.trim().to_owned()));
        }
    }
    paragraphs
}

/// The first path of a Signed-By, which may also list fingerprints or hold a whole key.
fn first_keyring(value: &str) -> Option<String> {
    value.split([',', ' ']).find(|part| part.starts_with('/')).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEB822: &str = "\
Types: deb deb-src
# a comment
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main

Types: deb
URIs: https://vendor.example/apt
Suites: nodistro
Components: main

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
";

    fn host(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("etc/apt/sources.list.d")).unwrap();
        for (path, text) in files {
            std::fs::write(root.path().join(path), text).unwrap();
        }
        root
    }

    const BOOKWORM: (&str, &str) = ("etc/os-release", "ID=debian\nVERSION_CODENAME=bookworm\n");

    #[test]
    fn the_hosts_mirror_serves_another_release() {
        let root = host(&[BOOKWORM, ("etc/apt/sources.list.d/debian.sources", DEB822)]);
        let lines = lines(root.path(), "trixie", &["main".into(), "non-free-firmware".into()]).unwrap();
        let signed = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]";
        assert_eq!(
            lines,
            [
                format!("deb {signed} http://mirror.example/debian trixie main non-free-firmware"),
                format!("deb {signed} http://mirror.example/debian trixie-updates main non-free-firmware"),
                format!(
                    "deb {signed} http://mirror.example/debian-security trixie-security main non-free-firmware"
                ),
            ]
        );
    }

    #[test]
    fn the_one_line_notation_is_read_too_and_unstable_has_one_archive() {
        let text = "# deb http://commented.example/ bookworm main\n\
            deb [arch=amd64 signed-by=/etc/keys.gpg] http://mirror.example/debian bookworm main # end\n\
            deb-src http://mirror.example/debian bookworm main\n\
            deb http://mirror.example/debian bookworm-backports main\n\
            deb http://mirror.example/debian-security stable-security main\n";
        let root = host(&[BOOKWORM, ("etc/apt/sources.list", text)]);
        let components = ["main".to_owned()];
        let expected = ["deb [signed-by=/etc/keys.gpg] http://mirror.example/debian sid main"];
        assert_eq!(lines(root.path(), "sid", &components).unwrap(), expected);
        assert_eq!(lines(root.path(), "bookworm", &components).unwrap().len(), 2);
    }

    #[test]
    fn a_host_without_debian_sources_is_told_to_name_a_mirror() {
        let ubuntu = host(&[("etc/os-release", "ID=ubuntu\nVERSION_CODENAME=noble\n")]);
        assert!(matches!(lines(ubuntu.path(), "trixie", &[]), Err(AptError::NoMirror)));
        let bare = host(&[BOOKWORM]);
        assert!(matches!(lines(bare.path(), "trixie", &[]), Err(AptError::NoMirror)));
    }
}
