//! Type GUIDs of partitions: the Discoverable Partitions Specification (UAPI.2) and a few of others.

use super::Guid;

/// EFI system partition.
pub const ESP: Guid = Guid::new(0xc12a7328_f81f_11d2_ba4b_00a0c93ec93b);
/// Extended boot loader partition.
pub const XBOOTLDR: Guid = Guid::new(0xbc13c2ff_59e6_4262_a352_b275fd6f7172);
/// Swap.
pub const SWAP: Guid = Guid::new(0x0657fd6d_a4ab_43c4_84e5_0933c84b4f4f);
/// Data of Linux, with no place of its own.
pub const LINUX: Guid = Guid::new(0x0fc63daf_8483_4772_8e79_3d69d8477de4);
/// `/home`.
pub const HOME: Guid = Guid::new(0x933ac7e1_2eb4_4f13_b844_0e14e2aef915);
/// `/srv`.
pub const SRV: Guid = Guid::new(0x3b8f8425_20e0_4f3b_907f_1a25a76f98e8);
/// `/var`.
pub const VAR: Guid = Guid::new(0x4d21b016_b534_45c2_a9fb_5c16e091fd2d);
/// `/var/tmp`.
pub const TMP: Guid = Guid::new(0x7ec6f557_3bc5_4aca_b293_16ef5df639d1);
/// Where GRUB's core image lies for a BIOS.
pub const BIOS_BOOT: Guid = Guid::new(0x21686148_6449_6e6f_744e_656564454649);
/// Microsoft basic data: FAT and NTFS.
pub const BASIC_DATA: Guid = Guid::new(0xebd0a0a2_b9e5_4433_87c0_68b6b72699c7);

/// Where a machine keeps roots from one boot to the next (see [`cache`](crate::cache)); a type of our own.
pub const CACHE: Guid = Guid::new(0x7c9f4b1e_35d2_4f0a_9c5e_b6a1d0e8f427);

/// What the partitions of one architecture are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kinds {
    /// The architecture, as systemd names it.
    pub architecture: &'static str,
    /// `/`
    pub root: Guid,
    /// Its dm-verity hashes.
    pub root_verity: Guid,
    /// The signature of its root hash.
    pub root_verity_sig: Guid,
    /// `/usr`
    pub usr: Guid,
    /// Its dm-verity hashes.
    pub usr_verity: Guid,
    /// The signature of its root hash.
    pub usr_verity_sig: Guid,
}

/// Intel and AMD, 64 bits.
pub const X86_64: Kinds = Kinds {
    architecture: "x86-64",
    root: Guid::new(0x4f68bce3_e8cd_4db1_96e7_fbcaf984b709),
    root_verity: Guid::new(0x2c7357ed_ebd2_46d9_aec1_23d437ec2bf5),
    root_verity_sig: Guid::new(0x41092b05_9fc8_4523_994f_2def0408b176),
    usr: Guid::new(0x8484680c_9521_48c6_9c11_b0720656f69e),
    usr_verity: Guid::new(0x77ff5f63_e7b6_4633_acf4_1565b864c0e6),
    usr_verity_sig: Guid::new(0xe7bb33fb_06cf_4e81_8273_e543b413e2e2),
};

/// ARM, 64 bits.
pub const ARM64: Kinds = Kinds {
    architecture: "arm64",
    root: Guid::new(0xb921b045_1df0_41c3_af44_4c6f280d3fae),
    root_verity: Guid::new(0xdf3300ce_d69f_4c92_978c_9bfb0f38d820),
    root_verity_sig: Guid::new(0x6db69de6_29f4_4758_a7a5_962190f00ce3),
    usr: Guid::new(0xb0e01050_ee5f_4390_949a_9101b17104e9),
    usr_verity: Guid::new(0x6e11a4e7_fbca_4ded_b9e9_e1a512bb664e),
    usr_verity_sig: Guid::new(0xc23ce4ff_44bd_4b00_b2d4_b41b3419e02a),
};

/// RISC-V, 64 bits.
pub const RISCV64: Kinds = Kinds {
    architecture: "riscv64",
    root: Guid::new(0x72ec70a6_cf74_40e6_bd49_4bda08e8f224),
    root_verity: Guid::new(0xb6ed5582_440b_4209_b8da_5ff7c419ea3d),
    root_verity_sig: Guid::new(0xefe0f087_ea8d_4469_821a_4c2a96a8386a),
    usr: Guid::new(0xbeaec34b_8442_439b_a40b_984381ed097d),
    usr_verity: Guid::new(0x8f1056be_9b05_47c4_81d6_be53128e5b54),
    usr_verity_sig: Guid::new(0xd2f9000a_7a18_453f_b5cd_4d32f77a7b32),
};

/// LoongArch, 64 bits.
pub const LOONGARCH64: Kinds = Kinds {
    architecture: "loongarch64",
    root: Guid::new(0x77055800_792c_4f94_b39a_98c91b762bb6),
    root_verity: Guid::new(0xf3393b22_e9af_4613_a948_9d3bfbd0c535),
    root_verity_sig: Guid::new(0x5afb67eb_ecc8_4f85_ae8e_ac1e7c50e7d0),
    usr: Guid::new(0xe611c702_575c_4cbe_9a46_434fa0bf7e3f),
    usr_verity: Guid::new(0xf46b2c26_59ae_48f0_9106_c50ed47f673d),
    usr_verity_sig: Guid::new(0xb024f315_d330_444c_8461_44bbde524e99),
};

/// The architectures that have types of their own here.
pub const ARCHITECTURES: &[Kinds] = &[X86_64, ARM64, RISCV64, LOONGARCH64];

/// Types that belong to no architecture, and their names.
const PLAIN: &[(Guid, &str)] = &[
    (ESP, "EFI system partition"),
    (XBOOTLDR, "extended boot loader partition"),
    (SWAP, "swap"),
    (LINUX, "Linux data"),
    (BIOS_BOOT, "BIOS boot (GRUB)"),
    (BASIC_DATA, "Microsoft basic data"),
    (CACHE, "bootwright cache"),
    (Guid::new(0xe3c9e316_0b5c_4db8_817d_f92df00215ae), "Microsoft reserved"),
    (Guid::new(0xde94bba4_06d1_4d40_a16a_bfd50179d6ac), "Windows recovery"),
    (HOME, "home"),
    (SRV, "server data"),
    (VAR, "variable data"),
    (TMP, "temporary data"),
    (Guid::new(0xca7d7ccb_63ed_4c53_861c_1742536059cc), "LUKS"),
    (Guid::new(0xe6d6d379_f507_44c2_a23c_238f2a3df928), "LVM"),
    (Guid::new(0xa19d880f_05fc_4d3b_a006_743f0f84911e), "RAID"),
];

/// What a type is called, when it is known here.
pub fn name(kind: Guid) -> Option<String> {
    let plain = PLAIN.iter().find(|(guid, _)| *guid == kind);
    plain.map(|(_, name)| (*name).to_owned()).or_else(|| {
        ARCHITECTURES.iter().find_map(|of| {
            let named = [
                (of.root, "root"),
                (of.root_verity, "root verity"),
                (of.root_verity_sig, "root verity signature"),
                (of.usr, "usr"),
                (of.usr_verity, "usr verity"),
                (of.usr_verity_sig, "usr verity signature"),
            ];
            let (_, name) = named.into_iter().find(|(guid, _)| *guid == kind)?;
            Some(format!("{name} ({})", of.architecture))
        })
    })
}
