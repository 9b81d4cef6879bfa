//! Writes an uncompressed tar as EROFS: what `cargo xtask bench erofs` measures.
//!
//!     cargo run --release -p bootwright-build --example erofs -- IN.tar OUT lz4|zstd|gzip

use std::fs::File;
use std::path::Path;

use bootwright_build::recipe::Compression;
use bootwright_build::root::RootWriter;
use bootwright_build::tree::{Backing, Tree};
use bootwright_image::RootFormat;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [input, output, compression] = arguments.as_slice() else {
        return Err("usage: erofs IN.tar OUT lz4|zstd|gzip".into());
    };
    let compression = match compression.as_str() {
        "lz4" => Compression::Lz4,
        "zstd" => Compression::Zstd,
        "gzip" => Compression::Gzip,
        other => return Err(format!("no compression {other}").into()),
    };
    let tree = Tree::from_tar(&Backing::new(File::open(input)?)?)?;
    let epoch = tree.newest(u64::MAX);
    RootWriter::new(RootFormat::Erofs, compression)?.write(&tree, Path::new(output), epoch, &|_| ())?;
    Ok(())
}
