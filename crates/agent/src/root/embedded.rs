//! A root that lies in the initrd (mode `embed`). It was verified when the firmware or the server checked
//! the UKI, if anybody did: so it is verified here, against the pin beside it, before it is mounted.

use std::fs::{File, read};
use std::io;
use std::path::Path;

use bootwright_image::pin::{EMBEDDED_ROOT, EMBEDDED_ROOT_MANIFEST};
use bootwright_image::{Digester, Pin};

use super::{Place, RootError, VerifiedRoot};

/// Verifies the embedded root against `pin`.
pub fn embedded(pin: &Pin) -> Result<VerifiedRoot, RootError> {
    verify(pin, Path::new(EMBEDDED_ROOT_MANIFEST), Path::new(EMBEDDED_ROOT))
}

fn verify(pin: &Pin, manifest_path: &Path, root: &Path) -> Result<VerifiedRoot, RootError> {
    let unread = |path: &Path| {
        let path = path.to_owned();
        move |source| RootError::Read { path, source }
    };
    let bytes = read(manifest_path).map_err(unread(manifest_path))?;
    let manifest = pin.verify(&bytes).map_err(|source| {
        let from = manifest_path.display().to_string();
        RootError::Manifest { from, source }
    })?;
    let mut digester = Digester::default();
    let copied = File::open(root).and_then(|mut file| io::copy(&mut file, &mut digester));
    copied.map_err(unread(root))?;
    let found = digester.finish();
    if found != manifest.digest {
        return Err(RootError::Damaged { path: root.to_owned(), expected: manifest.digest, found });
    }
    Ok(VerifiedRoot::of(&manifest, Place::File(root.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bootwright_image::chunks::ChunkDigester;
    use bootwright_image::manifest::Mode;
    use bootwright_image::{Digest, RootFormat, RootManifest};
    use std::fs::write;

    #[test]
    fn only_a_root_that_is_pinned_to_the_byte_is_verified() {
        let directory = tempfile::tempdir().unwrap();
        let (json, root) = (directory.path().join("root.json"), directory.path().join("root.img"));
        let mut digester = ChunkDigester::new(1024);
        digester.update(b"hsqs and so on");
        let (size, digest, chunks) = digester.finish();
        let manifest = RootManifest {
            schema: 1,
            file: "root.img".into(),
            format: RootFormat::Squashfs,
            size,
            digest,
            chunks,
            verity: None,
        };
        let bytes = manifest.to_bytes().unwrap();
        let pin = Pin {
            schema: 1,
            name: "a".into(),
            mode: Mode::Embed,
            root_manifest: Digest::of(&bytes),
            image: None,
            built: 0,
            cmdline: String::new(),
        };
        write(&json, &bytes).unwrap();
        write(&root, b"hsqs and so on").unwrap();
        assert_eq!(verify(&pin, &json, &root).unwrap().size(), 14);
        write(&root, b"hsqs and so om").unwrap();
        assert!(matches!(verify(&pin, &json, &root), Err(RootError::Damaged { .. })));
        write(&json, b"{}").unwrap();
        assert!(matches!(verify(&pin, &json, &root), Err(RootError::Manifest { .. })));
    }
}
