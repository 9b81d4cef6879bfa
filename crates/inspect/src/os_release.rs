//! Which distribution it is: os-release(5), of a UKI or of a root file system.

use std::io;

use crate::bytes::{printable, read};
use crate::files::Files;

/// The most bytes that are read: real ones have some hundred.
const MAX: usize = 16 << 10;

/// The places in a root, in the order that os-release(5) gives.
const PLACES: [&str; 2] = ["etc/os-release", "usr/lib/os-release"];

/// The system's name out of the text.
pub(crate) fn name(text: &str) -> Option<String> {
    field(text, "PRETTY_NAME").or_else(|| field(text, "NAME"))
}

/// The name of the system whose root these files are; `None` when they are none.
pub(crate) fn of(files: &dyn Files) -> io::Result<Option<String>> {
    for place in PLACES {
        if let Some(file) = files.open(place)? {
            return Ok(name(&String::from_utf8_lossy(&read(&file, 0, MAX)?.0)));
        }
    }
    Ok(None)
}

fn field(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix('='))?;
    Some(printable(line.trim_matches(['"', '\'']).as_bytes()))
}
