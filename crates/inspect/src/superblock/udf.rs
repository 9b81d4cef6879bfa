//! UDF, recognised only.
//!
//! Specification: ECMA-167, part 2: volume structure descriptors of 2048 bytes from byte 32768 on, among
//! them `BEA01`, `NSR02` or `NSR03`, `TEA01`.

use std::io;

use crate::bytes::read;
use crate::node::Node;
use crate::source::Source;

/// Descriptors that are looked at: those of an ISO 9660 file system may come before.
const DESCRIPTORS: u64 = 16;

pub(super) fn recognise(source: &Source) -> io::Result<Option<Node>> {
    for number in 0..DESCRIPTORS {
        let descriptor = read(source, 32768 + number * 2048 + 1, 5)?;
        let version = match descriptor.slice(0, 5) {
            Some(b"NSR02") => "UDF 1.x (NSR02)",
            Some(b"NSR03") => "UDF 2.x (NSR03)",
            Some(b"BEA01" | b"BOOT2" | b"CD001" | b"TEA01") => continue,
            _ => return Ok(None),
        };
        let mut node = Node::new("udf", "UDF file system", source.size());
        node.text("version", version).needs("a kernel with UDF (CONFIG_UDF_FS)");
        return Ok(Some(node));
    }
    Ok(None)
}
