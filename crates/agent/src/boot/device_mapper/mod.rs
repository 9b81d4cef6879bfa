//! device-mapper, without libdevmapper: block devices that are made of other block devices.
//!
//! Two targets are used: `verity`, by which the kernel checks each block when it is read, and `linear`, whose
//! table can be exchanged for another one under a mounted file system.
//!
//! `unsafe` because rustix has no wrapper for these ioctls. What they take is one buffer, whose length its
//! own head names ([`wire`]); the kernel reads and writes within that length and keeps no reference.
#![allow(unsafe_code)]

mod wire;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::sync::Arc;

use bootwright_formats::verity::{SUPERBLOCK_SIZE, Superblock};
use bootwright_image::{Digest, VERITY_BLOCK, Verity};

use super::BootError;
use super::block_device::Number;
use wire::{Message, READONLY, SKIP_LOCKFS};

pub use wire::Table;

const CONTROL: &str = "/dev/mapper/control";

/// `_IOWR(0xfd, 0, struct dm_ioctl)`; the command's number is added.
const DM_IOCTL: libc::Ioctl = 0xC138_FD00;
const _: () = assert!((DM_IOCTL >> 16) & 0x3FFF == wire::HEAD as libc::Ioctl);

const DEV_CREATE: libc::Ioctl = 3;
const DEV_REMOVE: libc::Ioctl = 4;
const DEV_SUSPEND: libc::Ioctl = 6;
const TABLE_LOAD: libc::Ioctl = 9;

/// Bytes of a sector in a table.
const SECTOR: u64 = 512;

impl Table {
    /// The first `size` bytes of `device`, as they are.
    pub fn linear(device: Number, size: u64) -> Self {
        Self { kind: "linear", sectors: size / SECTOR, parameters: format!("{device} 0") }
    }

    /// `size` bytes of `device` from byte `start` on, both whole sectors.
    pub fn part(device: Number, start: u64, size: u64) -> Self {
        Self { kind: "linear", sectors: size / SECTOR, parameters: format!("{device} {}", start / SECTOR) }
    }

    /// The data of `device` as far as the tree behind it says that it is right. A wrong block reads as EIO.
    pub fn verity(device: Number, verity: &Verity) -> Self {
        let Verity { root_hash, salt, data_blocks } = verity;
        let block = VERITY_BLOCK as u32;
        // The superblock is the block behind the data; the kernel wants to know where the tree itself begins.
        let tree = data_blocks.saturating_add(1);
        Self::verity_of(device, device, [block, block], [*data_blocks, tree], (*root_hash, salt))
    }

    /// The data of `data` as far as the tree on the device `tree`, behind its superblock, says that it is right.
    pub fn verity_beside(data: Number, tree: Number, superblock: &Superblock, root_hash: Digest) -> Self {
        let Superblock { data_block_size, hash_block_size, data_blocks, salt, .. } = superblock;
        let salt: String = salt.iter().map(|byte| format!("{byte:02x}")).collect();
        let begins = (SUPERBLOCK_SIZE as u64).div_ceil(u64::from(*hash_block_size));
        let sizes = [*data_block_size, *hash_block_size];
        Self::verity_of(data, tree, sizes, [*data_blocks, begins], (root_hash, &salt))
    }

    /// `Documentation/admin-guide/device-mapper/verity.rst`.
    fn verity_of(
        data: Number,
        tree: Number,
        [data_block, hash_block]: [u32; 2],
        [data_blocks, tree_block]: [u64; 2],
        (root_hash, salt): (Digest, &str),
    ) -> Self {
        let salt = if salt.is_empty() { "-" } else { salt };
        let parameters = format!(
            "1 {data} {tree} {data_block} {hash_block} {data_blocks} {tree_block} sha256 {} {salt}",
            root_hash.hex()
        );
        let sectors = data_blocks.saturating_mul(u64::from(data_block) / SECTOR);
        Self { kind: "verity", sectors, parameters }
    }
}

/// The way to device-mapper; it stays open whatever becomes of `/dev`.
#[derive(Clone)]
pub struct Mapper(Arc<File>);

/// A mapped device, read-only. It stays when this value goes.
pub struct Mapped {
    mapper: Mapper,
    name: &'static str,
    number: Number,
}

impl Mapper {
    /// Needs the module dm_mod.
    pub fn open() -> Result<Self, BootError> {
        let control = OpenOptions::new().read(true).write(true).open(CONTROL);
        let failed = |source| BootError::Mapper { name: CONTROL, step: "open", source };
        control.map_err(failed).map(|control| Self(Arc::new(control)))
    }

    /// Makes the device `name` with that table. `uuid` tells other tools what it is.
    pub fn create(&self, name: &'static str, uuid: &str, table: &Table) -> Result<Mapped, BootError> {
        let failed = |source| BootError::Mapper { name, step: "DM_DEV_CREATE", source };
        let made = self.call(DEV_CREATE, Message::about(name, uuid, READONLY)).map_err(failed)?;
        let mapped = Mapped { mapper: self.clone(), name, number: Number::from_dev(made.device()) };
        match mapped.load(table) {
            Ok(()) => Ok(mapped),
            Err(error) => {
                // A device without a table is of no use to anybody; what went wrong is told.
                let _ = mapped.remove();
                Err(error)
            }
        }
    }

    fn call(&self, command: libc::Ioctl, mut message: Message) -> io::Result<Message> {
        let bytes = message.bytes();
        // SAFETY: the kernel reads and writes as many bytes as `data_size` in the message's head says, which is
        // the length of this buffer for every `Message`; the buffer lives until the call is over.
        match unsafe { libc::ioctl(self.0.as_raw_fd(), DM_IOCTL + command, bytes.as_mut_ptr()) } {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(message),
        }
    }
}

impl Mapped {
    /// Exchanges the table. Reads that are under way end by the old one, all others go by the new one; a file
    /// system on the device notices nothing.
    pub fn load(&self, table: &Table) -> Result<(), BootError> {
        let failed = |step| move |source| BootError::Mapper { name: self.name, step, source };
        let message = Message::about(self.name, "", READONLY).with(table);
        self.mapper.call(TABLE_LOAD, message).map_err(failed("DM_TABLE_LOAD"))?;
        // Resuming a device that has a new table suspends it first, by the same flags.
        let resume = Message::about(self.name, "", SKIP_LOCKFS);
        self.mapper.call(DEV_SUSPEND, resume).map_err(failed("DM_DEV_SUSPEND")).map(drop)
    }

    /// Takes the device away again; nobody may use it.
    pub fn remove(self) -> Result<(), BootError> {
        let removed = self.mapper.call(DEV_REMOVE, Message::about(self.name, "", 0));
        let failed = |source| BootError::Mapper { name: self.name, step: "DM_DEV_REMOVE", source };
        removed.map_err(failed).map(drop)
    }

    /// `/dev/dm-N`.
    pub fn path(&self) -> String {
        format!("/dev/dm-{}", self.number.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_what_dmsetup_would_be_given() {
        let device = Number { major: 7, minor: 3 };
        let linear = Table::linear(device, 1 << 20);
        assert_eq!((linear.kind, linear.sectors, &*linear.parameters), ("linear", 2048, "7:3 0"));
        let part = Table::part(device, 3 << 20, 1 << 20);
        assert_eq!((part.kind, part.sectors, &*part.parameters), ("linear", 2048, "7:3 6144"));
        let mut verity = Verity { root_hash: Digest([0xab; 32]), salt: "00ff".into(), data_blocks: 100 };
        let table = Table::verity(device, &verity);
        let hash = "ab".repeat(32);
        assert_eq!((table.kind, table.sectors), ("verity", 800));
        assert_eq!(table.parameters, format!("1 7:3 7:3 4096 4096 100 101 sha256 {hash} 00ff"));
        let superblock = Superblock {
            uuid: [0; 16],
            algorithm: "sha256".into(),
            data_block_size: 4096,
            hash_block_size: 4096,
            data_blocks: 100,
            salt: vec![0, 0xff],
        };
        let beside =
            Table::verity_beside(device, Number { major: 7, minor: 4 }, &superblock, verity.root_hash);
        assert_eq!(beside.parameters, format!("1 7:3 7:4 4096 4096 100 1 sha256 {hash} 00ff"));
        verity.salt.clear();
        assert!(Table::verity(device, &verity).parameters.ends_with(" -"));
    }
}
