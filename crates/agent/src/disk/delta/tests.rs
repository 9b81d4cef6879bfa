use std::ops::Range;

use bootwright_fetch::{FileSource, Options, Store as _, fetch};
use bootwright_formats::cache::{Generation, State};
use bootwright_formats::verity::{Leaves, SALT};
use bootwright_image::chunks::ChunkDigester;
use bootwright_image::{Digest, RootFormat, RootManifest, Verified, Verity};

use super::super::base::{leaves, tree_place};
use super::super::cache::{Cache, tests::cache};
use super::super::check::damaged;
use super::super::room::place;
use super::super::store::{Before, RootStore};
use super::*;

/// Bytes of a chunk in these tests.
const CHUNK: u32 = 64 << 10;

/// A root with its tree, and its manifest.
struct Root {
    bytes: Vec<u8>,
    json: Vec<u8>,
    manifest: Verified<RootManifest>,
    digest: Digest,
}

fn root(data: &[u8]) -> Root {
    let mut leaves = Leaves::default();
    leaves.update(data);
    let tree = leaves.finish();
    let bytes = [data, &tree.bytes([7; 16])].concat();
    let mut digester = ChunkDigester::new(CHUNK);
    digester.update(&bytes);
    let (size, digest, chunks) = digester.finish();
    let salt = SALT.iter().map(|byte| format!("{byte:02x}")).collect();
    let verity = Verity { root_hash: Digest(tree.root_hash()), salt, data_blocks: data.len() as u64 / BLOCK };
    let (file, format) = ("root.img".to_owned(), RootFormat::Erofs);
    let manifest = RootManifest { schema: 1, file, format, size, digest, chunks, verity: Some(verity) };
    let json = manifest.to_bytes().unwrap();
    let digest = Digest::of(&json);
    Root { manifest: RootManifest::verify(&json, &digest).unwrap(), bytes, json, digest }
}

/// Blocks of which each is another one.
fn data(blocks: Range<u32>) -> Vec<u8> {
    let block = |number: u32| number.to_le_bytes().repeat(BLOCK_SIZE / 4);
    blocks.flat_map(block).collect()
}

/// Puts `root` into the cache as it is.
fn keep(cache: &mut Cache, root: &Root) -> Generation {
    let length = root.json.len() as u32;
    let placed = place(cache.header(), &root.digest, root.manifest.size, length).unwrap();
    cache.change(|header| header.generations = placed.generations).unwrap();
    let state = State { complete: true, ..State::default() };
    cache.change_one(&root.digest, |one, _| one.state = state).unwrap();
    let generation = cache.generation(&root.digest).unwrap().clone();
    cache.device().write(generation.offset, &root.bytes).unwrap();
    cache.device().write(generation.manifest_range().start, &root.json).unwrap();
    generation
}

fn mirror(root: &Root) -> Arc<dyn Source> {
    Arc::new(FileSource::new("the mirror", Arc::new(root.bytes.clone())))
}

/// Fetches `new` by way of what `cache` has; the bytes that the mirror sent to it, and those of whole chunks.
async fn update(cache: &mut Cache, new: &Root) -> (u64, u64) {
    let base = Base::of(cache, &new.digest).unwrap();
    let placed = place(cache.header(), &new.digest, new.manifest.size, new.json.len() as u32).unwrap();
    cache.change(|header| header.generations = placed.generations).unwrap();
    let generation = cache.generation(&new.digest).unwrap().clone();
    let store = Arc::new(RootStore::new(cache.device(), &generation, Before::Nothing));
    let (at, length) = tree_place(&new.manifest).unwrap();
    let tree = new.bytes[at as usize..][..length].to_vec();
    let leaves = leaves(&tree, &new.manifest).unwrap();
    let delta = Delta::new(Plan { leaves, tree: tree.into(), base }, mirror(new));
    let fetched = delta.fetched();
    let sources: [Arc<dyn Source>; 2] = [Arc::new(delta), Arc::new(Later(mirror(new)))];
    let options = Options { span: SPAN, ..Options::default() };
    let done = fetch(&new.manifest, &sources, store.clone(), &options, &mut |_| ()).await.unwrap();
    let mut bytes = vec![0; new.bytes.len()];
    store.read_at(0, &mut bytes).unwrap();
    assert!(bytes == new.bytes);
    (fetched.load(Ordering::Relaxed), done.by_source[1])
}

/// A mirror that is asked last, as one behind a network is.
struct Later(Arc<dyn Source>);

impl Source for Later {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn priority(&self) -> u8 {
        10
    }

    fn read(&self, range: Range<u64>) -> BoxFuture<'_, Result<Body, Failure>> {
        self.0.read(range)
    }
}

#[tokio::test]
async fn blocks_that_moved_are_copied_and_only_new_ones_are_fetched() {
    let (_directory, mut cache) = cache(64);
    keep(&mut cache, &root(&data(1..1001)));
    // Three new blocks in front, one in the middle changed, all others moved.
    let new = root(&[data(5000..5003), data(1..500), data(6000..6001), data(501..1001)].concat());
    assert_eq!(update(&mut cache, &new).await, (4 * BLOCK, 0));
}

#[tokio::test]
async fn a_block_that_is_damaged_in_the_cache_is_fetched() {
    let (_directory, mut cache) = cache(64);
    let generation = keep(&mut cache, &root(&data(1..1001)));
    cache.device().write(generation.offset + 100 * BLOCK + 77, &[1]).unwrap();
    let new = root(&[data(1..900), data(7000..7001)].concat());
    assert_eq!(update(&mut cache, &new).await, (2 * BLOCK, 0));
}

#[tokio::test]
async fn a_download_that_was_killed_goes_on_with_what_is_right_of_it() {
    let (_directory, mut cache) = cache(64);
    let new = root(&data(1..1001));
    let generation = keep(&mut cache, &new);
    // Of 63 chunks two were not written, and one was written in part when power went.
    let chunk = u64::from(CHUNK);
    for (offset, length) in [(5 * chunk, 2 * chunk), (40 * chunk + 4096, chunk - 4096)] {
        cache.device().write(generation.offset + offset, &vec![0xff; length as usize]).unwrap();
    }
    cache.change_one(&new.digest, |one, _| one.state.complete = false).unwrap();
    let store = Arc::new(RootStore::new(cache.device(), &generation, Before::Perhaps));
    let options = Options::default();
    let done = fetch(&new.manifest, &[mirror(&new)], store.clone(), &options, &mut |_| ()).await.unwrap();
    assert_eq!(done.by_source, [3 * chunk]);
    let mut bytes = vec![0; new.bytes.len()];
    store.read_at(0, &mut bytes).unwrap();
    assert!(bytes == new.bytes);
}

#[tokio::test]
async fn a_root_whose_tree_is_damaged_is_no_base_and_one_that_is_damaged_is_told_by_its_chunks() {
    let (_directory, mut cache) = cache(64);
    let old = root(&data(1..1001));
    let generation = keep(&mut cache, &old);
    let kept = cache.kept(&old.digest).unwrap();
    assert!(damaged(cache.device(), &kept).is_empty());
    cache.device().write(generation.offset + u64::from(CHUNK) * 3 + 5, &[99]).unwrap();
    let (tree, _) = tree_place(&old.manifest).unwrap();
    cache.device().write(generation.offset + tree + 2 * BLOCK + 40, &[99]).unwrap();
    assert_eq!(damaged(cache.device(), &kept), [3, (tree / u64::from(CHUNK)) as u32]);
    assert!(Base::of(&cache, &Digest::of(b"another")).is_none());
    // And without its manifest it is not even kept.
    cache.device().write(generation.manifest_range().start, b"x").unwrap();
    assert!(cache.kept(&old.digest).is_none());
}

#[test]
fn parts_that_are_missing_are_joined_over_little_that_is_here() {
    let (_directory, mut cache) = cache(64);
    keep(&mut cache, &root(&data(1..101)));
    let new = root(&[data(500..501), data(1..11), data(501..502), data(11..61), data(502..503)].concat());
    let (at, length) = tree_place(&new.manifest).unwrap();
    let tree = Bytes::from(new.bytes[at as usize..][..length].to_vec());
    let leaves = leaves(&tree, &new.manifest).unwrap();
    let plan = Plan { leaves, tree, base: Base::of(&cache, &new.digest).unwrap() };
    let parts: Vec<_> = plan
        .parts(0..new.manifest.size)
        .into_iter()
        .map(|part| match part {
            Part::Here(bytes) => (true, bytes.len() as u64 / BLOCK),
            Part::Missing(range) => (false, (range.end - range.start) / BLOCK),
        })
        .collect();
    assert_eq!(parts, [(false, 12), (true, 50), (false, 1), (true, length as u64 / BLOCK)]);
}
