//! dm-verity trees, judged by veritysetup of the package cryptsetup-bin.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use bootwright_formats::verity::{BLOCK_SIZE, Leaves, Superblock, SuperblockError, padding, tree_size};

/// Writes data and tree to one file; the root hash as text.
fn write(path: &Path, data: &[u8]) -> String {
    let mut leaves = Leaves::default();
    leaves.update(data);
    let tree = leaves.finish();
    let mut bytes = data.to_vec();
    bytes.resize(data.len() + padding(data.len() as u64) as usize, 0);
    bytes.extend(tree.bytes(*b"a tree's own id!"));
    assert_eq!(
        bytes.len() as u64,
        data.len() as u64 + padding(data.len() as u64) + tree_size(data.len() as u64)
    );
    fs::write(path, bytes).unwrap();
    tree.root_hash().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn verify(path: &Path, offset: usize, root_hash: &str) -> Output {
    let mut command = Command::new("veritysetup");
    command.arg("verify").arg(path).arg(path).arg(root_hash).arg(format!("--hash-offset={offset}"));
    command.env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin");
    command.output().expect("veritysetup of the package cryptsetup-bin")
}

fn data(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at / 4096 * 31 + at % 251) as u8).collect()
}

#[test]
fn veritysetup_agrees_with_trees_of_every_height() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("image");
    for (blocks, rest) in
        [(0, 1), (1, 0), (2, 0), (127, 5), (128, 0), (129, 0), (128 * 128, 0), (128 * 128 + 1, 0)]
    {
        let data = data(blocks * BLOCK_SIZE + rest);
        let root_hash = write(&path, &data);
        let output = verify(&path, data.len().next_multiple_of(BLOCK_SIZE), &root_hash);
        assert!(output.status.success(), "{blocks} blocks: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn veritysetup_finds_a_changed_byte() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("image");
    let data = data(300 * BLOCK_SIZE);
    let root_hash = write(&path, &data);
    let mut bytes = fs::read(&path).unwrap();
    bytes[200 * BLOCK_SIZE + 7] ^= 1;
    fs::write(&path, &bytes).unwrap();
    assert!(!verify(&path, data.len(), &root_hash).status.success());
}

#[test]
fn the_superblock_is_read_back_and_others_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("image");
    // veritysetup's own superblock, with a salt of its own choice.
    let data = data(10 * BLOCK_SIZE);
    fs::write(&path, &data).unwrap();
    let mut format = Command::new("veritysetup");
    format.arg("format").arg(&path).arg(&path).arg(format!("--hash-offset={}", data.len()));
    format.args(["--salt=0102030405", "--data-blocks=10", "--uuid=00010203-0405-0607-0809-0a0b0c0d0e0f"]);
    let output = format.env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin").output().expect("veritysetup");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let bytes = fs::read(&path).unwrap();
    let superblock = Superblock::parse(&bytes[data.len()..]).unwrap();
    let expected = Superblock {
        uuid: std::array::from_fn(|at| at as u8),
        algorithm: "sha256".to_owned(),
        data_block_size: 4096,
        hash_block_size: 4096,
        data_blocks: 10,
        salt: vec![1, 2, 3, 4, 5],
    };
    assert_eq!(superblock, expected);
    assert_eq!(superblock.encode(), bytes[data.len()..data.len() + 512]);

    let with = |at: usize, value: u8| {
        let mut bytes = superblock.encode();
        bytes[at] = value;
        Superblock::parse(&bytes).unwrap_err()
    };
    assert_eq!(with(0, 0), SuperblockError::Signature);
    assert_eq!(with(12, 0).to_string(), "dm-verity superblock: the hash type at byte 12 is 0");
    assert_eq!(with(64, 1).to_string(), "dm-verity superblock: the data block size at byte 64 is 4097");
    assert_eq!(with(81, 2).to_string(), "dm-verity superblock: the salt's size at byte 80 is 517");
    assert_eq!(with(32, 0), SuperblockError::Algorithm);
    assert_eq!(Superblock::parse(&[0; 100]).unwrap_err(), SuperblockError::Short(100));
}
