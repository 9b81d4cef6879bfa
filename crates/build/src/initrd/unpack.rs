//! Modules and firmware that the distribution compressed, one file at a time.

use std::io::{self, Read as _};

use bootwright_formats::compression::Compression;

use super::error::Error;

/// The most bytes that one module or firmware file unpacks to. The largest of either that Linux has
/// are some 60 MB; it bounds what a decompression bomb takes.
pub(super) const MAX_UNPACKED: u64 = 512 << 20;

/// The content of a file of the tree: unpacked when its name says that it is compressed.
pub(super) fn unpacked(path: &str, bytes: Vec<u8>) -> Result<Vec<u8>, Error> {
    let compression = match path.rsplit('.').next() {
        Some("xz") => Compression::Xz,
        Some("zst") => Compression::Zstd,
        Some("gz") => Compression::Gzip,
        _ => return Ok(bytes),
    };
    unpack(compression, &bytes).map_err(|source| Error::Unpack { path: path.to_owned(), source })
}

fn unpack(compression: Compression, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut unpacked = Vec::with_capacity(bytes.len().saturating_mul(4));
    compression.decoder(bytes)?.take(MAX_UNPACKED + 1).read_to_end(&mut unpacked)?;
    if unpacked.len() as u64 > MAX_UNPACKED {
        let text = format!("it unpacks to more than {MAX_UNPACKED} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
    }
    Ok(unpacked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn the_name_says_how_it_is_compressed() {
        for (name, compression) in
            [("a.ko.xz", Compression::Xz), ("a.ko.zst", Compression::Zstd), ("a.ko.gz", Compression::Gzip)]
        {
            let mut encoder = compression.encoder(Vec::new(), 3).unwrap();
            encoder.write_all(b"module").unwrap();
            let packed = encoder.finish().unwrap();
            assert_eq!(unpacked(name, packed.clone()).unwrap(), b"module");
            assert_eq!(unpacked("firmware.bin", packed.clone()).unwrap(), packed);
            let error = unpacked(name, packed[..packed.len() / 2].to_vec()).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}
