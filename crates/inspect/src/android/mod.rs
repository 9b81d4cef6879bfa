//! Android: boot images, vendor boot images, sparse images.

mod boot;
mod sparse;
mod vendor;

use std::io;

use crate::bytes::read;
use crate::recognise::{Found, Look};
use crate::source::Source;

pub(crate) fn recognise(source: &Source, _: &Look<'_>) -> io::Result<Option<Found>> {
    let head = read(source, 0, 4096)?;
    if head.has(0, b"ANDROID!") {
        return boot::describe(source, &head).map(Some);
    }
    if head.has(0, b"VNDRBOOT") {
        return vendor::describe(source, &head).map(Some);
    }
    sparse::recognise(source, &head)
}
