//! What U-Boot starts: FIT and legacy images; and devicetrees.

mod fdt;
mod fit;
mod hash;
mod legacy;

use std::io;

use crate::recognise::{Found, Look};
use crate::source::Source;

pub(crate) fn recognise(source: &Source, look: &Look<'_>) -> io::Result<Option<Found>> {
    match fit::recognise(source, look)? {
        Some(found) => Ok(Some(found)),
        None => legacy::recognise(source, look),
    }
}

/// The word that Linux uses for an architecture of U-Boot.
fn architecture(name: &str) -> &str {
    match name {
        "arm64" => "aarch64",
        "x86" => "i386",
        "riscv" => "riscv64",
        other => other,
    }
}
