//! The kernel command line: its grammar ([`CommandLine`]) and what we read from it ([`BootOptions`]).
//!
//! The grammar is the kernel's own (`next_arg` in lib/cmdline.c, documented in
//! Documentation/admin-guide/kernel-parameters.rst):
//!
//! - parameters are separated by white space; double quotes protect it, there is no escape;
//! - a value in quotes loses them, and so does a parameter that is quoted as a whole;
//! - `-` and `_` are the same in a key;
//! - `--` ends the parameters: what follows belongs to PID 1.

mod cache;
mod options;
mod proxy;
mod sharing;
mod time;

pub use cache::{Cache, CacheCheck, CacheCreate, CachePlace, Fallback, Offline};
pub use options::{BootOptions, FailureAction, OnFailure, OptionError, Problem, distance};
pub use proxy::Proxy;
pub use sharing::{Rate, Seed};
pub use time::TimeServers;

use std::fmt;

/// One `key` or `key=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// As written, quotes removed.
    pub key: String,
    /// What follows the first `=`, quotes removed.
    pub value: Option<String>,
}

impl Parameter {
    /// Whether this parameter's key is `key`, where `-` and `_` are the same.
    pub fn is(&self, key: &str) -> bool {
        let same = |a: u8, b: u8| a == b || (matches!(a, b'-' | b'_') && matches!(b, b'-' | b'_'));
        self.key.len() == key.len() && self.key.bytes().zip(key.bytes()).all(|(a, b)| same(a, b))
    }
}

impl fmt::Display for Parameter {
    /// Writes the parameter so that the kernel reads it back the same.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quote = |text: &str| text.is_empty() || text.contains(|c: char| c.is_ascii_whitespace());
        match &self.value {
            None if quote(&self.key) => write!(f, "\"{}\"", self.key),
            None => f.write_str(&self.key),
            Some(value) if quote(value) && !value.is_empty() => write!(f, "{}=\"{value}\"", self.key),
            Some(value) => write!(f, "{}={value}", self.key),
        }
    }
}

/// A command line taken apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandLine {
    /// In the order of the line.
    pub parameters: Vec<Parameter>,
    /// What stands behind ` -- `, for PID 1.
    pub init_arguments: Vec<String>,
}

impl CommandLine {
    /// Takes a line apart. Every text is a command line: an unfinished quote reaches to the end, as it
    /// does in the kernel.
    pub fn parse(line: &str) -> Self {
        let mut parsed = Self::default();
        let mut words = split(line).into_iter();
        for word in words.by_ref() {
            if word == "--" {
                break;
            }
            parsed.parameters.push(parameter(word));
        }
        parsed.init_arguments = words.map(|word| unquote(word).to_owned()).collect();
        parsed
    }

    /// The last value of `key`, which is the one that counts; `Some("")` for a bare key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.all(key).last()
    }

    /// Every value of `key`, in order; a bare key counts as an empty value.
    pub fn all<'a>(&'a self, key: &str) -> impl Iterator<Item = &'a str> {
        self.parameters
            .iter()
            .filter(move |parameter| parameter.is(key))
            .map(|parameter| parameter.value.as_deref().unwrap_or_default())
    }

    /// Whether `key` stands there at all.
    pub fn has(&self, key: &str) -> bool {
        self.all(key).next().is_some()
    }
}

impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut gap = "";
        for parameter in &self.parameters {
            write!(f, "{gap}{parameter}")?;
            gap = " ";
        }
        if !self.init_arguments.is_empty() {
            write!(f, "{gap}-- {}", self.init_arguments.join(" "))?;
        }
        Ok(())
    }
}

/// Words of the line, quotes still in them.
fn split(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut start = None;
    let mut quoted = false;
    for (at, c) in line.char_indices() {
        if c.is_ascii_whitespace() && !quoted {
            words.extend(start.take().and_then(|start| line.get(start..at)));
            continue;
        }
        quoted ^= c == '"';
        start.get_or_insert(at);
    }
    words.extend(start.and_then(|start| line.get(start..)));
    words
}

fn parameter(word: &str) -> Parameter {
    // next_arg(): an opening quote before the key protects the whole word, and goes with its partner.
    let word = match word.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"').unwrap_or(rest),
        None => word,
    };
    match word.split_once('=') {
        None => Parameter { key: word.to_owned(), value: None },
        Some((key, value)) => Parameter { key: key.to_owned(), value: Some(unquote(value).to_owned()) },
    }
}

fn unquote(text: &str) -> &str {
    match text.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"').unwrap_or(rest),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quotes_protect_spaces_and_go_away() {
        let line = CommandLine::parse(r#"a=1 "b=x y" c="d e" quiet"#);
        assert_eq!(line.get("b"), Some("x y"));
        assert_eq!(line.get("c"), Some("d e"));
        assert_eq!(line.get("quiet"), Some(""));
        assert_eq!(line.get("absent"), None);
    }

    #[test]
    fn dash_and_underscore_are_the_same_in_a_key_and_the_last_one_counts() {
        let line = CommandLine::parse("bootwright.on-failure=shell bootwright.on_failure=reboot");
        assert_eq!(line.get("bootwright.on_failure"), Some("reboot"));
        assert_eq!(line.all("bootwright.on_failure").count(), 2);
    }

    #[test]
    fn two_dashes_end_the_parameters() {
        let line = CommandLine::parse("quiet -- single a=b");
        assert_eq!(line.parameters.len(), 1);
        assert_eq!(line.init_arguments, ["single", "a=b"]);
        assert!(!line.has("a"));
    }

    #[test]
    fn an_unfinished_quote_reaches_to_the_end() {
        assert_eq!(CommandLine::parse("a=\"b c").get("a"), Some("b c"));
    }

    proptest! {
        #[test]
        fn every_text_is_a_command_line(text in any::<String>()) {
            let _ = CommandLine::parse(&text).to_string();
        }

        #[test]
        fn what_is_written_is_read_back(
            keys in proptest::collection::vec("[a-z][a-z_.]{0,8}", 0..6),
            values in proptest::collection::vec(proptest::option::of("[a-z0-9 /:=]{0,12}"), 6),
        ) {
            let parameters = keys.into_iter().zip(values).map(|(key, value)| Parameter { key, value });
            let line = CommandLine { parameters: parameters.collect(), init_arguments: vec![] };
            prop_assert_eq!(CommandLine::parse(&line.to_string()), line);
        }
    }
}
