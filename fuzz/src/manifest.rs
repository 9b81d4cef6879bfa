//! `image.json` and `root.json`.

use bootwright_image::chunks::ChunkDigester;
use bootwright_image::{Digest, Manifest, RootFormat, RootManifest};

/// A manifest that is accepted keeps its promises: its chunks cover its size.
pub fn target(data: &[u8]) {
    let _ = Manifest::from_bytes(data);
    if let Ok(root) = RootManifest::from_bytes(data) {
        assert!(root.chunks.fit(root.size));
    }
    assert!(RootManifest::verify(data, &Digest([0; 32])).is_err());
}

/// A valid input.
pub fn seed() -> Vec<u8> {
    let mut digester = ChunkDigester::new(1024);
    digester.update(&[7; 3000]);
    let (size, digest, chunks) = digester.finish();
    let format = RootFormat::Squashfs;
    let root =
        RootManifest { schema: 1, file: "root.img".into(), format, size, digest, chunks, verity: None };
    root.to_bytes().unwrap_or_default()
}
