//! A cache that is open: its header, and how that is changed.

use std::sync::Arc;

use bootwright_formats::cache::{COPIES, Generation, HEADER_SIZE, Header, HeaderError, newest};
use bootwright_formats::{Guid, ReadAt as _};
use bootwright_image::{Digest, MAX_MANIFEST, RootManifest, Verified};

use super::device::{Device, DeviceError};

/// A cache.
pub struct Cache {
    device: Arc<Device>,
    header: Header,
    /// Which copy of the header is written next.
    next: usize,
}

/// A root in the cache, and what it has to be.
pub struct Kept {
    /// Where it is.
    pub generation: Generation,
    /// Verified by the digest by which it was asked for.
    pub manifest: Verified<RootManifest>,
}

impl Cache {
    /// Reads the header on `device`; inside, what is wrong with both copies.
    pub fn open(device: Arc<Device>) -> Result<Result<Self, Box<(HeaderError, HeaderError)>>, DeviceError> {
        let copy = |offset| -> Result<Result<Header, HeaderError>, DeviceError> {
            let mut bytes = vec![0; HEADER_SIZE];
            if device.size() < offset + HEADER_SIZE as u64 {
                return Ok(Err(HeaderError::Short(0)));
            }
            device.read(offset, &mut bytes)?;
            Ok(Header::parse(&bytes, device.size()))
        };
        let [first, second] = COPIES;
        Ok(newest([copy(first)?, copy(second)?]).map(|(header, next)| Self { device, header, next }))
    }

    /// Makes an empty cache on `device`, whatever lies there.
    pub fn make(device: Arc<Device>, guid: Guid) -> Result<Self, DeviceError> {
        let header = Header { sequence: 1, size: device.size(), guid, generations: Vec::new() };
        let [first, second] = COPIES;
        // A copy that an earlier cache left must not count.
        device.write(second, &[0; HEADER_SIZE])?;
        device.sync()?;
        device.write(first, &header.encode())?;
        device.sync()?;
        Ok(Self { device, header, next: 1 })
    }

    /// The partition.
    pub fn device(&self) -> &Arc<Device> {
        &self.device
    }

    /// What it says.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Changes the header for good. When power goes meanwhile, the old one or the new one counts. What the new one
    /// speaks of has to be on the disk before.
    pub fn change(&mut self, change: impl FnOnce(&mut Header)) -> Result<(), DeviceError> {
        let mut header = self.header.clone();
        change(&mut header);
        header.sequence = header.sequence.wrapping_add(1);
        let offset = COPIES.get(self.next).copied().unwrap_or_default();
        self.device.write(offset, &header.encode())?;
        self.device.sync()?;
        self.header = header;
        self.next = 1 - self.next;
        Ok(())
    }

    /// Changes what is said of the root that `digest` names.
    pub fn change_one(
        &mut self,
        digest: &Digest,
        change: impl FnOnce(&mut Generation, u64),
    ) -> Result<(), DeviceError> {
        self.change(|header| {
            let sequence = header.sequence;
            let found = header.generations.iter_mut().find(|generation| generation.digest == digest.0);
            if let Some(generation) = found {
                change(generation, sequence);
            }
        })
    }

    /// The root whose manifest has that digest, in whatever state.
    pub fn generation(&self, digest: &Digest) -> Option<&Generation> {
        self.header.generations.iter().find(|generation| generation.digest == digest.0)
    }

    /// The root whose manifest has that digest, when all of it has been written and its manifest is right.
    pub fn kept(&self, digest: &Digest) -> Option<Kept> {
        let generation = self.generation(digest).filter(|generation| generation.state.complete)?;
        self.manifest(generation).map(|manifest| Kept { generation: generation.clone(), manifest })
    }

    /// The manifest of `generation`, verified; `None` when it is damaged, or names no tree by which the kernel could
    /// verify what it reads.
    pub fn manifest(&self, generation: &Generation) -> Option<Verified<RootManifest>> {
        let range = generation.manifest_range();
        let length =
            usize::try_from(range.end - range.start).ok().filter(|length| *length <= MAX_MANIFEST)?;
        let mut bytes = vec![0; length];
        self.device.read(range.start, &mut bytes).ok()?;
        let manifest = RootManifest::verify(&bytes, &Digest(generation.digest)).ok()?;
        (manifest.size == generation.root && manifest.verity.is_some()).then_some(manifest)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use bootwright_formats::cache::State;

    const MIB: u64 = 1 << 20;

    /// A cache in a file of so many MiB.
    pub(in crate::disk) fn cache(mib: u64) -> (tempfile::TempDir, Cache) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("partition");
        std::fs::File::create(&path).unwrap().set_len(mib * MIB).unwrap();
        let device = Arc::new(Device::open(&path).unwrap());
        (directory, Cache::make(device, Guid::seeded([1; 16])).unwrap())
    }

    fn generation(name: u8) -> Generation {
        let offset = MIB * u64::from(name);
        Generation {
            offset,
            root: 4096,
            manifest: 10,
            state: State::default(),
            entered_at: 0,
            digest: [name; 32],
        }
    }

    #[test]
    fn each_change_is_found_by_the_next_boot_and_a_torn_one_is_not() {
        let (_directory, mut cache) = cache(16);
        let open = |cache: &Cache| Cache::open(Arc::clone(&cache.device)).unwrap().unwrap();
        for name in 1..5 {
            cache.change(|header| header.generations.push(generation(name))).unwrap();
            assert_eq!(open(&cache).header, cache.header);
        }
        let before = cache.header.clone();
        // Power goes while the next header is being written.
        let at = COPIES[cache.next];
        cache.device.write(at, &Header { sequence: 99, ..before.clone() }.encode()[..700]).unwrap();
        let mut again = open(&cache);
        assert_eq!(again.header, before);
        again.change_one(&Digest([2; 32]), |one, sequence| one.entered_at = sequence).unwrap();
        assert_eq!(open(&again).generation(&Digest([2; 32])).unwrap().entered_at, before.sequence);
    }

    #[test]
    fn a_new_cache_does_not_take_up_an_older_one_on_the_same_partition() {
        let (_directory, mut cache) = cache(16);
        (1..4).for_each(|name| cache.change(|header| header.generations.push(generation(name))).unwrap());
        let made = Cache::make(Arc::clone(&cache.device), Guid::seeded([2; 16])).unwrap();
        let opened = Cache::open(Arc::clone(&made.device)).unwrap().unwrap();
        assert_eq!((opened.header.generations.len(), opened.header.guid), (0, Guid::seeded([2; 16])));
    }
}
