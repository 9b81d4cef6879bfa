//! The line for the operator, and how numbers and errors stand in it.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use bootwright_image::timeline::Stage;
use serde::Serialize;

use crate::state::now;

/// How much an operator should care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The usual course.
    Info,
    /// Something that somebody should look at.
    Warning,
}

/// One line for the operator.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Notice {
    /// Milliseconds since 1970.
    pub at: u64,
    /// How much to care.
    pub level: Level,
    /// The machine, when it is about one that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// Its address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// The program that asks: `UEFI x64 HTTP`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// Where in the boot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// What happened.
    pub text: String,
    /// Bytes moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

impl fmt::Display for Notice {
    /// `52:54:00:12:34:56 UEFI x64 HTTP: offered 10.0.0.50, image worker`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.mac, &self.address) {
            (Some(mac), _) => write!(f, "{mac}")?,
            (None, Some(address)) => write!(f, "{address} (machine unknown)")?,
            (None, None) => return f.write_str(&self.text),
        }
        if let Some(who) = &self.who {
            write!(f, " {who}")?;
        }
        write!(f, ": {}", self.text)
    }
}

impl Notice {
    /// One that is about no machine.
    pub(super) fn of(text: String) -> Self {
        let (at, level) = (now(), Level::Info);
        Self { at, level, mac: None, address: None, who: None, stage: None, text, bytes: None }
    }
}

/// An error with its causes, in one sentence.
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// Bytes for people: `17.2 MB`, powers of ten.
#[derive(Debug, Clone, Copy)]
pub struct Size(pub u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
        match units.iter().find(|(unit, _)| self.0 as f64 >= *unit) {
            Some((unit, name)) => write!(f, "{:.1} {name}", self.0 as f64 / unit),
            None => write!(f, "{} bytes", self.0),
        }
    }
}

/// A time for people: `4.1 s`, `35 ms`.
#[derive(Debug, Clone, Copy)]
pub struct Seconds(pub Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_millis() {
            short @ 0..1000 => write!(f, "{short} ms"),
            _ => write!(f, "{:.1} s", self.0.as_secs_f64()),
        }
    }
}
