//! Documents of OCI images.

use std::path::Path;

use bootwright_build::source::oci::Layout;
use bootwright_build::tree::{Content, Inode, Kind, Metadata, Tree};

/// The input is an index and what docker save writes; whatever they name, nothing but these is there.
pub fn target(data: &[u8]) {
    for name in ["index.json", "manifest.json"] {
        let Ok(path) = name.parse() else { continue };
        let file = Inode { metadata: Metadata::default(), kind: Kind::File(Content::bytes(data)) };
        let mut tree = Tree::default();
        if tree.put(&path, file).is_ok() {
            let image = Path::new("image");
            assert!(Layout::new(image, &tree).layers(None, "amd64").is_err());
        }
    }
}

/// A valid input.
pub fn seed() -> Vec<u8> {
    let digest = format!("sha256:{}", "0".repeat(64));
    let text = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"application/vnd.oci.image.index.v1+json","size":1,
        "digest":"{digest}","platform":{{"architecture":"amd64","os":"linux"}},"annotations":{{"a":"b"}}}}]}}"#
    );
    text.into_bytes()
}
