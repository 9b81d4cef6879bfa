//! Image directories for tests: a lawful UKI with recognisable contents, a root, a manifest.

use std::path::{Path, PathBuf};

use bootwright_image::chunks::{ChunkDigester, size_for};
use bootwright_image::manifest::Mode;
use bootwright_image::{Artifact, ArtifactKind, Digest, Manifest, RootFormat, RootManifest};

/// What `.linux` of the sample holds.
pub const LINUX: &[u8] = b"this is the kernel";
/// What `.initrd` of the sample holds.
pub const INITRD: &[u8] = b"this is the initrd, a little longer";
/// What `.cmdline` of the sample holds.
pub const CMDLINE: &str = "console=ttyS0 quiet";

/// Alignment of raw section data in a UKI.
const ALIGN: usize = 4096;

/// Bytes of an optional header without data directories.
const OPTIONAL: usize = 112;

/// A PE file of three sections.
pub fn uki() -> Vec<u8> {
    let sections: [(&[u8; 8], &[u8]); 3] =
        [(b".cmdline", CMDLINE.as_bytes()), (b".linux\0\0", LINUX), (b".initrd\0", INITRD)];
    let mut file = vec![0; ALIGN];
    file[..2].copy_from_slice(b"MZ");
    file[0x3c] = 0x40;
    file[0x40..0x44].copy_from_slice(b"PE\0\0");
    file[0x46] = sections.len() as u8;
    file[0x40 + 20] = OPTIONAL as u8;
    // Magic of PE32+.
    file[0x40 + 24..0x40 + 26].copy_from_slice(&[0x0b, 0x02]);
    for (index, (name, data)) in sections.iter().enumerate() {
        let header = 0x40 + 24 + OPTIONAL + index * 40;
        let offset = file.len() as u32;
        file[header..header + 8].copy_from_slice(*name);
        for (at, value) in [(8, data.len() as u32), (16, ALIGN as u32), (20, offset)] {
            file[header + at..header + at + 4].copy_from_slice(&value.to_le_bytes());
        }
        file.extend_from_slice(data);
        file.resize(file.len().next_multiple_of(ALIGN), 0);
    }
    file
}

/// What `root` is made of.
pub fn root_manifest(root: &[u8]) -> RootManifest {
    let mut digester = ChunkDigester::new(size_for(root.len() as u64));
    digester.update(root);
    let (size, digest, chunks) = digester.finish();
    RootManifest {
        schema: 1,
        file: "root.img".into(),
        format: RootFormat::Squashfs,
        size,
        digest,
        chunks,
        verity: None,
    }
}

/// Writes the image `name` with `root` as its root into `place`; its directory.
pub fn image(place: &Path, name: &str, root: &[u8]) -> PathBuf {
    let directory = place.join(name);
    std::fs::create_dir_all(&directory).unwrap();
    let files = [
        ("image.efi", ArtifactKind::Uki, uki()),
        ("root.img", ArtifactKind::Root, root.to_vec()),
        ("root.json", ArtifactKind::RootManifest, root_manifest(root).to_bytes().unwrap()),
    ];
    let artifacts = files.map(|(file, kind, bytes)| {
        std::fs::write(directory.join(file), &bytes).unwrap();
        Artifact { file: file.into(), kind, size: bytes.len() as u64, digest: Digest::of(&bytes) }
    });
    let manifest = Manifest {
        schema: 1,
        name: name.into(),
        architecture: "x86_64".into(),
        mode: Mode::Ram,
        kernel: "6.12.0".into(),
        os: Some("Debian <13>".into()),
        created: 0,
        artifacts: artifacts.into(),
    };
    std::fs::write(directory.join("image.json"), manifest.to_bytes().unwrap()).unwrap();
    directory
}
