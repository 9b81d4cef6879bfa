//! `aria2_options=`: what of aria2c(1)'s options counts here.
//!
//! | options | here |
//! |---|---|
//! | `-m` `--max-tries`, `-t` `--timeout`, `--retry-wait` | how patient a download is, seconds and tries |
//! | `--checksum=sha-256=…` | what the file must be, where one is fetched |
//! | how it fetches: `-s` `-x` `-j` `-k` `-c`, `--bt-*` … | the agent does that by itself: passed over |
//! | all others | not done, and named with the reason |

use std::time::Duration;

use bootwright_image::Digest;

/// What counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Aria2Options {
    /// How often a download is tried; 0: as often as it takes.
    pub max_tries: Option<u32>,
    /// How long nothing may come.
    pub timeout: Option<Duration>,
    /// From one try to the next.
    pub retry_wait: Option<Duration>,
    /// What the file must be.
    pub checksum: Option<Digest>,
    /// Options that are not done, and why.
    pub refused: Vec<String>,
}

/// An option of aria2c: its long name, its letter, whether a value follows it as a word of its own.
type Known = (&'static str, Option<char>, Value);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Value {
    /// `-x4`, `-x 4`, `--split=4`, `--split 4`.
    Needed,
    /// `-c`, `--continue`, `--continue=true`.
    Optional,
}

const HEEDED: &[Known] = &[
    ("max-tries", Some('m'), Value::Needed),
    ("timeout", Some('t'), Value::Needed),
    ("retry-wait", None, Value::Needed),
    ("checksum", None, Value::Needed),
];

/// What the agent does anyway, or what is of no account to it.
const BY_ITSELF: &[Known] = &[
    ("split", Some('s'), Value::Needed),
    ("max-connection-per-server", Some('x'), Value::Needed),
    ("max-concurrent-downloads", Some('j'), Value::Needed),
    ("min-split-size", Some('k'), Value::Needed),
    ("continue", Some('c'), Value::Optional),
    ("check-integrity", Some('V'), Value::Optional),
    ("quiet", Some('q'), Value::Optional),
    ("remote-time", Some('R'), Value::Optional),
    ("no-netrc", Some('n'), Value::Optional),
    ("no-conf", None, Value::Optional),
    ("file-allocation", Some('a'), Value::Needed),
    ("allow-overwrite", None, Value::Optional),
    ("auto-file-renaming", None, Value::Optional),
    ("always-resume", None, Value::Optional),
    ("connect-timeout", None, Value::Needed),
    ("lowest-speed-limit", None, Value::Needed),
    ("console-log-level", None, Value::Needed),
    ("summary-interval", None, Value::Needed),
    ("show-console-readout", None, Value::Optional),
    ("download-result", None, Value::Needed),
    ("enable-color", None, Value::Optional),
    ("human-readable", None, Value::Optional),
    ("disk-cache", None, Value::Needed),
    ("uri-selector", None, Value::Needed),
    ("http-accept-gzip", None, Value::Optional),
    ("enable-http-keep-alive", None, Value::Optional),
    ("enable-http-pipelining", None, Value::Optional),
    ("use-head", None, Value::Optional),
    ("async-dns", None, Value::Optional),
    ("enable-mmap", None, Value::Optional),
];

/// What is not done, and why.
const REFUSED: &[(Known, &str)] = &[
    (("dir", Some('d'), Value::Needed), "output_dir= says where files go"),
    (("out", Some('o'), Value::Needed), "a file has the name that its URL gives it"),
    (("check-certificate", None, Value::Optional), "no server is believed that nobody vouches for"),
    (("conf-path", None, Value::Needed), "the agent reads no configuration of aria2's"),
    (("input-file", Some('i'), Value::Needed), "url= says what is fetched"),
    (("log", Some('l'), Value::Needed), "the console and the report have it"),
    (("header", None, Value::Needed), "the agent sends no headers of others"),
    (("user-agent", Some('U'), Value::Needed), "the agent says who it is"),
    (("referer", None, Value::Needed), "the agent sends no headers of others"),
    (("daemon", Some('D'), Value::Optional), "the boot waits for its files"),
    (("max-download-limit", None, Value::Needed), "a machine that boots takes what the link gives"),
    (("max-overall-download-limit", None, Value::Needed), "a machine that boots takes what the link gives"),
];

/// What begins so.
const BY_BEGINNING: &[(&str, Option<&str>)] = &[
    ("bt-", None),
    ("dht-", None),
    ("enable-dht", None),
    ("enable-peer-exchange", None),
    ("seed-", None),
    ("listen-port", None),
    ("max-upload-limit", None),
    ("max-overall-upload-limit", None),
    ("follow-", None),
    ("on-", Some("the agent runs no programs for it")),
    ("rpc-", Some("nobody steers the agent from outside")),
    ("enable-rpc", Some("nobody steers the agent from outside")),
    ("http-", Some("the agent sends no password")),
    ("ftp-", Some("only HTTP and HTTPS are fetched")),
];

impl Aria2Options {
    /// Reads the value of `aria2_options=`.
    pub fn read(text: &str) -> Self {
        let mut options = Self::default();
        let mut words = text.split_ascii_whitespace().peekable();
        while let Some(word) = words.next() {
            let Some(option) = Word::of(word) else {
                options.refuse(word, "url= says what is fetched");
                continue;
            };
            let follows =
                option.known().is_some_and(|(.., value)| value == Value::Needed) && option.value.is_none();
            let value = match option.value {
                None if follows => words.next_if(|next| !next.starts_with('-')),
                value => value,
            };
            options.take(word, &option, value);
        }
        options
    }

    fn take(&mut self, word: &str, option: &Word<'_>, value: Option<&str>) {
        if HEEDED.iter().any(|known| option.is(known)) {
            if self.heed(option, value.unwrap_or_default()).is_none() {
                self.refuse(word, "its value is none");
            }
            return;
        }
        if BY_ITSELF.iter().any(|known| option.is(known)) {
            return;
        }
        let refused = REFUSED.iter().find(|(known, _)| option.is(known)).map(|(_, why)| *why);
        let begins =
            || BY_BEGINNING.iter().find(|(start, _)| option.long().is_some_and(|it| it.starts_with(start)));
        match (refused, begins().copied()) {
            (Some(why), _) | (None, Some((_, Some(why)))) => self.refuse(word, why),
            (None, Some((_, None))) => {}
            (None, None) => self.refuse(word, "it is not known here"),
        }
    }

    fn heed(&mut self, option: &Word<'_>, value: &str) -> Option<()> {
        /// aria2c's own bounds.
        const LONGEST: u64 = 600;
        let seconds = || value.parse().ok().filter(|seconds| *seconds <= LONGEST).map(Duration::from_secs);
        match option.name() {
            "max-tries" | "m" => self.max_tries = Some(value.parse().ok()?),
            "timeout" | "t" => self.timeout = Some(seconds().filter(|time| !time.is_zero())?),
            "retry-wait" => self.retry_wait = Some(seconds()?),
            _ => {
                let hex = value.strip_prefix("sha-256=")?;
                self.checksum = Some(format!("sha256:{}", hex.to_lowercase()).parse().ok()?);
            }
        }
        Some(())
    }

    fn refuse(&mut self, word: &str, why: &str) {
        self.refused.push(format!("aria2_options: {word} has no effect: {why}"));
    }
}

/// One option as it stands there.
struct Word<'a> {
    name: &'a str,
    is_long: bool,
    value: Option<&'a str>,
}

impl<'a> Word<'a> {
    fn of(word: &'a str) -> Option<Self> {
        if let Some(long) = word.strip_prefix("--") {
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (long, None),
            };
            return Some(Self { name, is_long: true, value });
        }
        let short = word.strip_prefix('-')?;
        let letter = short.chars().next()?;
        let (name, rest) = short.split_at(letter.len_utf8());
        Some(Self { name, is_long: false, value: Some(rest).filter(|rest| !rest.is_empty()) })
    }

    fn name(&self) -> &'a str {
        self.name
    }

    fn long(&self) -> Option<&'a str> {
        self.is_long.then_some(self.name)
    }

    fn is(&self, (long, letter, _): &Known) -> bool {
        match self.is_long {
            true => self.name == *long,
            false => letter.is_some_and(|letter| self.name.starts_with(letter)),
        }
    }

    fn known(&self) -> Option<Known> {
        let refused = REFUSED.iter().map(|(known, _)| known);
        HEEDED.iter().chain(BY_ITSELF).chain(refused).find(|known| self.is(known)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_says_how_patient_and_what_the_file_is_counts() {
        let digest = Digest::of(b"x");
        let text = format!(
            "-x16 -s 16 -m 3 -t30 --retry-wait=2 --checksum=sha-256={} -c --seed-time=0",
            digest.hex()
        );
        let wanted = Aria2Options {
            max_tries: Some(3),
            timeout: Some(Duration::from_secs(30)),
            retry_wait: Some(Duration::from_secs(2)),
            checksum: Some(digest),
            refused: vec![],
        };
        assert_eq!(Aria2Options::read(&text), wanted);
    }

    #[test]
    fn what_is_not_done_is_named_with_the_reason() {
        for (text, word) in [
            ("--check-certificate=false", "vouches for"),
            ("--on-download-complete=/bin/sh", "runs no programs"),
            ("-d /etc", "output_dir="),
            ("--frobnicate", "not known"),
            ("http://s/x", "url="),
            ("--timeout=never", "its value is none"),
            ("--checksum=md5=00", "its value is none"),
            ("--http-passwd=x", "no password"),
        ] {
            let refused = Aria2Options::read(text).refused;
            assert!(refused.len() == 1 && refused[0].contains(word), "{text}: {refused:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_harm(text in any::<String>()) {
            let _ = Aria2Options::read(&text);
        }
    }
}
