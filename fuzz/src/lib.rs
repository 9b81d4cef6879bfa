//! Fuzz targets: one function per parser of outside bytes, one file each.
//!
//! `cargo test -p bootwright-fuzz` is the smoke run of continuous integration: some thousand inputs per
//! target, grown from a valid one. `cargo bolero test -p bootwright-fuzz TARGET` fuzzes one with coverage
//! guidance.

#![forbid(unsafe_code)]

pub mod announce;
pub mod cache;
pub mod cmdline;
pub mod compression;
pub mod cpio;
pub mod dhcp;
pub mod dhcp6;
pub mod disk;
pub mod erofs;
pub mod explain;
pub mod ext4;
pub mod fat;
pub mod http;
pub mod initrd;
pub mod inspect;
pub mod iso9660;
pub mod manifest;
pub mod oci;
pub mod partitions;
pub mod pe;
pub mod peer;
pub mod recipe;
pub mod squashfs;
pub mod tar;
pub mod tftp;
pub mod torrent;
pub mod trace;
pub mod tracker;
pub mod verity;

/// How many changed copies of a seed a smoke run tries, unless `BOOTWRIGHT_FUZZ_ROUNDS` says otherwise.
const ROUNDS: usize = 2000;

/// How many truncations of a seed are tried at most.
const CUTS: usize = 4096;

/// How many changed copies are to be tried: more for a longer run, which has other copies then.
pub fn rounds() -> usize {
    let asked = std::env::var("BOOTWRIGHT_FUZZ_ROUNDS").ok();
    asked.and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS)
}

/// Gives `target` a valid input, truncations of it and [`rounds`] copies with a few bytes changed,
/// reproducibly.
pub fn mutate(seed: Vec<u8>, target: fn(&[u8])) {
    mutate_for(rounds(), seed, target);
}

/// The same with as many copies as are said, and at most twice as many truncations.
pub fn mutate_for(rounds: usize, seed: Vec<u8>, target: fn(&[u8])) {
    target(&seed);
    let step = seed.len().div_ceil(CUTS.min(rounds.saturating_mul(2)).max(1)).max(1);
    for end in (0..seed.len()).step_by(step) {
        target(seed.get(..end).unwrap_or_default());
    }
    let mut state = 0x2545_f491_4f6c_dd1d_u64 ^ rounds as u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize
    };
    for _ in 0..rounds {
        let mut copy = seed.clone();
        for _ in 0..=random() % 4 {
            let at = random() % copy.len().max(1);
            let value = [0, 0xff, 0x7f, 0x80, random() as u8][random() % 5];
            if let Some(byte) = copy.get_mut(at) {
                *byte = value;
            }
        }
        target(&copy);
    }
}

#[cfg(test)]
mod smoke {
    macro_rules! smoke {
        ($($name:ident),* $(,)?) => {
            $(#[test]
            fn $name() {
                bolero::check!().with_iterations(2000).for_each(crate::$name::target);
                crate::mutate(crate::$name::seed(), crate::$name::target);
            })*
        };
    }

    smoke!(
        announce,
        cache,
        cmdline,
        compression,
        cpio,
        dhcp,
        dhcp6,
        erofs,
        explain,
        ext4,
        fat,
        http,
        initrd,
        inspect,
        iso9660,
        manifest,
        oci,
        partitions,
        pe,
        peer,
        recipe,
        squashfs,
        tar,
        tftp,
        torrent,
        trace,
        tracker,
        verity
    );

    /// The readers of disks: one name each, as for all others.
    mod disk {
        use crate::disk::{chain, qcow2, vdi, vhd, vhdx, vmdk};

        macro_rules! smoke {
            ($($name:ident: $module:ident $seed:ident),* $(,)?) => {
                $(#[test]
                fn $name() {
                    bolero::check!().with_iterations(2000).for_each($module::target);
                    crate::mutate($module::$seed(), $module::target);
                })*
            };
        }

        smoke!(
            disk_chain: chain seed,
            disk_qcow2: qcow2 seed,
            disk_qcow2_compressed: qcow2 compressed,
            disk_vdi: vdi seed,
            disk_vhd: vhd seed,
            disk_vhdx: vhdx seed,
            disk_vhdx_log: vhdx logged,
            disk_vmdk: vmdk seed,
            disk_vmdk_stream: vmdk stream,
        );
    }
}
