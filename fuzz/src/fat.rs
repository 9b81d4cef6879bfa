//! FAT volumes: parameters, directories, chains.

use std::sync::Arc;

use bootwright_formats::ReadAt;
use bootwright_formats::fat::{Fat, NewFile, Plan};

/// Every file that the walk finds can be read or is told as damage; nothing is larger than the volume.
pub fn target(data: &[u8]) {
    let Ok(fat) = Fat::open(Arc::new(data.to_vec())) else { return };
    let mut files = Vec::new();
    let _ = fat.walk(&mut |_, entry| files.push(entry.clone()));
    for entry in files.iter().filter(|entry| !entry.is_directory).take(100) {
        let Ok(file) = fat.file(entry) else { continue };
        let mut bytes = [0; 700];
        let _ = file.read_at(0, &mut bytes);
        let _ = file.read_at(u64::from(entry.size).saturating_sub(1), &mut bytes);
    }
    let _ = fat.find("a directory/A.B");
}

/// A valid input: two directories and three files.
pub fn seed() -> Vec<u8> {
    let file = |path: &str, size| NewFile { path: path.to_owned(), content: Arc::new(vec![7u8; size]) };
    let files = vec![file("a directory/of files/x", 5000), file("a directory/A.B", 1), file("EMPTY", 0)];
    let plan = Plan { label: "SEED".into(), serial: 1, epoch: 0, size: None, start: 0, sector: 512, files };
    let Ok(volume) = plan.lay_out() else { return Vec::new() };
    let mut bytes = vec![0; usize::try_from(volume.image.size()).unwrap_or(0)];
    let _ = volume.image.read_exact_at(0, &mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_seed_is_a_volume_of_five() {
        let fat = super::Fat::open(std::sync::Arc::new(super::seed())).unwrap();
        let mut count = 0;
        fat.walk(&mut |_, _| count += 1).unwrap();
        assert_eq!(count, 5);
    }
}
