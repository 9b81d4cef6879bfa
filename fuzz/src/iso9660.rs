//! ISO 9660 images: descriptors, directories, Rock Ridge, Joliet, the boot catalogue.

use std::sync::Arc;

use bootwright_formats::ReadAt;
use bootwright_formats::iso9660::{Boot, Content, Iso, NewEntry, Plan};

/// Every entry that the walk finds can be opened; what is damaged is told.
pub fn target(data: &[u8]) {
    let Ok(iso) = Iso::open(Arc::new(data.to_vec())) else { return };
    let mut entries = Vec::new();
    let _ = iso.walk(&mut |path, entry| entries.push((path.to_owned(), entry.clone())));
    for (path, entry) in entries.iter().take(100) {
        let mut bytes = [0; 700];
        let _ = iso.file(entry).read_at(entry.size().saturating_sub(1), &mut bytes);
        let _ = iso.find(path);
    }
}

/// A valid input, as small as ISO 9660 can be: a boot image, a link and a long name.
pub fn seed() -> Vec<u8> {
    let file = |path: &str, size| NewEntry {
        path: path.to_owned(),
        content: Content::File(Arc::new(vec![7u8; size])),
    };
    let link = NewEntry { path: "d/link".into(), content: Content::Symlink("../boot.img".into()) };
    let entries = vec![file("boot.img", 100), file(&"n".repeat(200), 1), link];
    let boot = Boot { bios: None, uefi: Some("boot.img".into()) };
    let plan = Plan { volume_id: "SEED".into(), epoch: 0, entries, boot, hybrid: None };
    let Ok(image) = plan.lay_out() else { return Vec::new() };
    // Without the padding.
    let mut bytes = vec![0; usize::try_from(image.image.size()).unwrap_or(0).saturating_sub(150 * 2048)];
    let _ = image.image.read_exact_at(0, &mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_seed_is_an_image_of_four() {
        let iso = super::Iso::open(std::sync::Arc::new(super::seed())).unwrap();
        let mut count = 0;
        iso.walk(&mut |_, _| count += 1).unwrap();
        assert_eq!((count, iso.boot.len()), (4, 1));
    }
}
