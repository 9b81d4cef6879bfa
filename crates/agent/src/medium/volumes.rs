//! What is on one device: its FAT volumes, and the root beside or in them.

use std::ops::Range;
use std::sync::Arc;

use bootwright_formats::fat::Fat;
use bootwright_formats::gpt::{Gpt, Guid, kinds};
use bootwright_formats::mbr::{Mbr, types};
use bootwright_formats::{Mosaic, ReadAt as _, Shared, Window};
use bootwright_image::{MAX_MANIFEST, Pin, RootManifest, Verified, medium};

use super::Found;

/// Searches the device `name` for the root that `pin` names.
///
/// # Errors
/// Why it is not there, in a few words.
pub(super) fn search(disk: &Shared, name: &str, pin: &Pin) -> Result<Found, String> {
    let gpt = Gpt::read(disk).ok();
    let mut why = Vec::new();
    for (what, range) in volumes(disk, gpt.as_ref()) {
        let volume: Shared = Arc::new(Window::new(Arc::clone(disk), range));
        let found = Fat::open(volume).map_err(|error| error.to_string()).and_then(|fat| {
            let manifest = manifest(&fat, pin)?;
            let (root, place) = match gpt.as_ref().and_then(|gpt| partition(disk, gpt, &manifest)) {
                Some((root, number)) => (root, format!("{name}, partition {number}")),
                None => (file(&fat, pin, &manifest)?, format!("{name}, {what}, {}", medium::root(&pin.name))),
            };
            Ok(Found { manifest, root, place })
        });
        match found {
            Ok(found) => return Ok(found),
            Err(problem) => why.push(format!("{what}: {problem}")),
        }
    }
    Err(if why.is_empty() { "neither an EFI system partition nor FAT".to_owned() } else { why.join("; ") })
}

/// Where FAT may be: partitions of that type, and the device as a whole.
fn volumes(disk: &Shared, gpt: Option<&Gpt>) -> Vec<(String, Range<u64>)> {
    if let Some(gpt) = gpt {
        let fat = gpt
            .partitions
            .iter()
            .filter(|partition| matches!(partition.kind, kinds::ESP | kinds::XBOOTLDR | kinds::BASIC_DATA));
        return fat
            .map(|partition| (format!("partition {}", partition.number), partition.range.clone()))
            .collect();
    }
    if let Ok(mbr) = Mbr::read(disk, 512) {
        let is_fat =
            |kind| kind == types::ESP || types::name(kind).is_some_and(|name| name.starts_with("FAT"));
        let fat = mbr.partitions.iter().filter(|partition| is_fat(partition.kind));
        let fat: Vec<_> = fat
            .map(|partition| (format!("partition {}", partition.number), partition.range.clone()))
            .collect();
        if !fat.is_empty() {
            return fat;
        }
    }
    vec![("the whole device".to_owned(), 0..disk.size())]
}

fn manifest(fat: &Fat, pin: &Pin) -> Result<Verified<RootManifest>, String> {
    let path = medium::root_manifest(&pin.name);
    let found = fat.find(&path).map_err(|error| error.to_string())?;
    let entry = found.filter(|entry| !entry.is_directory).ok_or_else(|| format!("no {path}"))?;
    if entry.size as usize > MAX_MANIFEST {
        return Err(format!("{path} has {} bytes, which no manifest has", entry.size));
    }
    let content = fat.file(&entry).map_err(|error| error.to_string())?;
    let mut bytes = vec![0; entry.size as usize];
    content.read_exact_at(0, &mut bytes).map_err(|error| format!("{path}: {error}"))?;
    pin.verify(&bytes).map_err(|error| format!("{path}: {error}"))
}

/// The root as a partition: it is named after its digest. With dm-verity it may be two, named after the root hash: the
/// file is then the one and the other.
fn partition(disk: &Shared, gpt: &Gpt, manifest: &RootManifest) -> Option<(Shared, u32)> {
    if let Some(whole) = named(disk, gpt, Guid::seeded(manifest.partition_seed()), manifest.size) {
        return Some(whole);
    }
    let verity = manifest.verity.as_ref()?;
    let (data_guid, tree_guid) = verity.partition_guids();
    let end = verity.hash_offset()?;
    let (data, number) = named(disk, gpt, Guid::from_ordered(data_guid), end)?;
    let (tree, _) = named(disk, gpt, Guid::from_ordered(tree_guid), manifest.size.checked_sub(end)?)?;
    let mut root = Mosaic::new(manifest.size);
    root.put(0, data);
    root.put(end, tree);
    Some((Arc::new(root), number))
}

/// The first `size` bytes of the partition of that name, when it has so many.
fn named(disk: &Shared, gpt: &Gpt, guid: Guid, size: u64) -> Option<(Shared, u32)> {
    let partition = gpt.partitions.iter().find(|partition| partition.guid == guid)?;
    let start = partition.range.start;
    let end = start.checked_add(size).filter(|end| *end <= partition.range.end)?;
    Some((Arc::new(Window::new(Arc::clone(disk), start..end)), partition.number))
}

/// The root as a file.
fn file(fat: &Fat, pin: &Pin, manifest: &RootManifest) -> Result<Shared, String> {
    let path = medium::root(&pin.name);
    let found = fat.find(&path).map_err(|error| error.to_string())?;
    let entry = found
        .filter(|entry| !entry.is_directory)
        .ok_or_else(|| format!("the manifest is there, but neither a partition with the root nor {path}"))?;
    if u64::from(entry.size) != manifest.size {
        return Err(format!(
            "{path} has {} bytes, the root {}: it was not copied whole",
            entry.size, manifest.size
        ));
    }
    let content = fat.file(&entry).map_err(|error| error.to_string())?;
    Ok(Arc::new(content))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bootwright_formats::fat::{NewFile, Plan};
    use bootwright_formats::gpt::{Attributes, Partition, SectorSize, Table};
    use bootwright_formats::mbr::Record;
    use bootwright_image::chunks::ChunkDigester;
    use bootwright_image::manifest::Mode;
    use bootwright_image::{Digest, RootFormat, Verity};

    const ROOT: &[u8] = b"hsqs and so on";
    const MIB: u64 = 1 << 20;

    fn sample() -> (Pin, RootManifest) {
        let mut digester = ChunkDigester::new(1024);
        digester.update(ROOT);
        let (size, digest, chunks) = digester.finish();
        let file = "root.img".to_owned();
        let format = RootFormat::Squashfs;
        let manifest = RootManifest { schema: 1, file, format, size, digest, chunks, verity: None };
        let pin = Pin {
            schema: 1,
            name: "worker".into(),
            mode: Mode::Ram,
            root_manifest: Digest::of(&manifest.to_bytes().unwrap()),
            image: None,
            built: 0,
            cmdline: String::new(),
        };
        (pin, manifest)
    }

    fn volume(files: &[(&str, Vec<u8>)]) -> Shared {
        let file = |(path, bytes): &(&str, Vec<u8>)| NewFile {
            path: (*path).to_owned(),
            content: Arc::new(bytes.clone()),
        };
        let files = files.iter().map(file).collect();
        let plan =
            Plan { label: "ESP".into(), serial: 1, epoch: 0, size: Some(MIB), start: 0, sector: 512, files };
        Arc::new(plan.lay_out().unwrap().image)
    }

    /// A disk with an ESP and a partition of that GUID with the root.
    fn disk(esp: Shared, guid: Guid) -> Shared {
        let mut disk = Mosaic::new(5 * MIB);
        let partition = |number, kind, guid, start| Partition {
            number,
            kind,
            guid,
            range: start..start + MIB,
            attributes: Attributes::default(),
            name: String::new(),
        };
        let partitions = vec![
            partition(1, kinds::ESP, Guid::seeded([1; 16]), MIB),
            partition(2, kinds::LINUX, guid, 3 * MIB),
        ];
        disk.bytes(0, Record::protective(5 * MIB, 512));
        disk.put(MIB, esp);
        disk.bytes(3 * MIB, ROOT.to_vec());
        let disk_guid = Guid::NIL;
        Table { sector: SectorSize::B512, disk_size: 5 * MIB, disk_guid, partitions }
            .write(&mut disk)
            .unwrap();
        Arc::new(disk)
    }

    fn read(found: &Found) -> Vec<u8> {
        let mut bytes = vec![0; found.root.size() as usize];
        found.root.read_exact_at(0, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn the_root_is_the_partition_that_is_named_after_it() {
        let (pin, manifest) = sample();
        let esp = volume(&[("bootwright/worker/root.json", manifest.to_bytes().unwrap())]);
        let found = search(&disk(esp, Guid::seeded(manifest.partition_seed())), "sda", &pin).unwrap();
        assert_eq!((found.place.as_str(), read(&found).as_slice()), ("sda, partition 2", ROOT));
    }

    #[test]
    fn a_root_with_its_tree_is_two_partitions_that_are_named_by_the_root_hash() {
        let (mut pin, mut manifest) = sample();
        let data = vec![7; 4096];
        let mut digester = ChunkDigester::new(1024);
        digester.update(&[&data[..], ROOT].concat());
        (manifest.size, manifest.digest, manifest.chunks) = digester.finish();
        let root_hash = Digest::of(b"the root hash");
        manifest.verity = Some(Verity { root_hash, salt: String::new(), data_blocks: 1 });
        let json = manifest.to_bytes().unwrap();
        pin.root_manifest = Digest::of(&json);
        let (data_guid, tree_guid) = manifest.verity.as_ref().unwrap().partition_guids();
        assert_eq!([data_guid, tree_guid].concat(), root_hash.0);
        let disk = |tree_guid| {
            let mut disk = Mosaic::new(8 * MIB);
            let entry = |number, kind, guid, start| Partition {
                number,
                kind,
                guid,
                range: start..start + MIB,
                attributes: Attributes::default(),
                name: String::new(),
            };
            let partitions = vec![
                entry(1, kinds::ESP, Guid::seeded([1; 16]), MIB),
                entry(2, kinds::X86_64.root, Guid::from_ordered(data_guid), 3 * MIB),
                entry(4, kinds::X86_64.root_verity, tree_guid, 5 * MIB),
            ];
            disk.bytes(0, Record::protective(8 * MIB, 512));
            disk.put(MIB, volume(&[("bootwright/worker/root.json", json.clone())]));
            disk.bytes(3 * MIB, data.clone());
            disk.bytes(5 * MIB, ROOT.to_vec());
            let table =
                Table { sector: SectorSize::B512, disk_size: 8 * MIB, disk_guid: Guid::NIL, partitions };
            table.write(&mut disk).unwrap();
            Arc::new(disk) as Shared
        };
        let found = search(&disk(Guid::from_ordered(tree_guid)), "sda", &pin).unwrap();
        assert_eq!((found.place.as_str(), read(&found)), ("sda, partition 2", [&data[..], ROOT].concat()));
        assert!(search(&disk(Guid::seeded([2; 16])), "sda", &pin).is_err());
    }

    #[test]
    fn the_root_is_a_file_on_a_stick_that_is_all_fat() {
        let (pin, manifest) = sample();
        let json = manifest.to_bytes().unwrap();
        let stick = volume(&[
            ("BOOTWRIGHT/WORKER/ROOT.JSON", json.clone()),
            ("bootwright/worker/root.img", ROOT.to_vec()),
        ]);
        let found = search(&stick, "sdb", &pin).unwrap();
        assert_eq!(read(&found), ROOT);
        let cut = volume(&[("bootwright/worker/root.json", json), ("bootwright/worker/root.img", vec![1])]);
        assert!(search(&cut, "sdb", &pin).err().unwrap().contains("not copied whole"));
    }

    #[test]
    fn another_image_is_not_taken() {
        let (pin, mut manifest) = sample();
        let guid = Guid::seeded(manifest.partition_seed());
        manifest.size = 13;
        let esp = volume(&[("bootwright/worker/root.json", manifest.to_bytes().unwrap())]);
        let why = search(&disk(esp, guid), "sda", &pin).err().unwrap();
        assert!(why.contains("the UKI pins"), "{why}");
        let esp = volume(&[("bootwright/other/root.json", vec![])]);
        let why = search(&disk(esp, guid), "sda", &pin).err().unwrap();
        assert_eq!(why, "partition 1: no bootwright/worker/root.json");
    }
}
