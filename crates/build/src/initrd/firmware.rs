//! The firmware that modules may ask for, found where the kernel would look (`fw_path` in
//! `drivers/base/firmware_loader/main.c`), unpacked, each content once.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::num::NonZeroUsize;

use bootwright_image::Digest;

use super::error::Error;
use super::modules::glob_matches;
use super::tree::Tree;
use super::{parallel, unpack};

/// A directory that firmware is looked for in.
pub struct Place<'a> {
    /// The tree it is in.
    pub tree: &'a dyn Tree,
    /// The directory in it; empty for the tree's root.
    pub directory: String,
}

/// What was found of the firmware that was asked for.
#[derive(Default)]
pub(super) struct Found {
    /// By name relative to `/lib/firmware`.
    pub(super) files: BTreeMap<String, File>,
    /// What was asked for, by those, and is nowhere.
    pub(super) missing: BTreeMap<String, BTreeSet<String>>,
}

/// A firmware file, and the modules that may ask for it.
pub(super) struct File {
    pub(super) content: Content,
    pub(super) modules: BTreeSet<String>,
}

pub(super) enum Content {
    /// Its bytes, unpacked.
    Bytes(Vec<u8>),
    /// The same bytes as that other file's.
    SameAs(String),
}

/// The places in a root file system, in the kernel's order: updates first.
pub(super) fn places<'a>(tree: &'a dyn Tree, modules: &str, version: &str) -> Vec<Place<'a>> {
    let library = modules.strip_suffix(&format!("/modules/{version}")).unwrap_or("lib");
    let other = if library == "usr/lib" { "lib" } else { "usr/lib" };
    let mut places = Vec::new();
    for library in [library, other] {
        for directory in
            [format!("updates/{version}"), "updates".to_owned(), version.to_owned(), String::new()]
        {
            let directory = format!("{library}/firmware/{directory}");
            places.push(Place { tree, directory: directory.trim_end_matches('/').to_owned() });
        }
    }
    places
}

/// Looks for each wanted name, which may hold `*` in its last part.
pub(super) fn find(
    places: &[Place<'_>],
    wanted: &BTreeMap<String, BTreeSet<String>>,
    threads: NonZeroUsize,
) -> Result<Found, Error> {
    let wanted: Vec<_> = wanted.iter().collect();
    let found = parallel::map(&wanted, threads, |(name, _)| {
        expand(places, name)?.into_iter().filter_map(|name| lookup(places, &name).transpose()).collect()
    })?;
    let mut result = Found::default();
    for ((name, modules), files) in wanted.into_iter().zip::<Vec<Vec<(String, Vec<u8>)>>>(found) {
        if files.is_empty() {
            result.missing.insert(name.clone(), modules.clone());
        }
        for (name, bytes) in files {
            let file = File { content: Content::Bytes(bytes), modules: BTreeSet::new() };
            result.files.entry(name).or_insert(file).modules.extend(modules.iter().cloned());
        }
    }
    keep_each_content_once(&mut result.files);
    Ok(result)
}

/// The names that a name with a pattern in its last part stands for; a name without one is itself.
fn expand(places: &[Place<'_>], name: &str) -> Result<Vec<String>, Error> {
    if name.starts_with('/') || name.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Ok(Vec::new());
    }
    let (directory, last) = name.rsplit_once('/').unwrap_or(("", name));
    if !last.contains(['*', '?', '[']) {
        return Ok(vec![name.to_owned()]);
    }
    let mut names = BTreeSet::new();
    for place in places {
        let path = join(&place.directory, directory);
        let listed = place.tree.list(&path).map_err(|source| Error::Read { path, source })?;
        for file in listed {
            let file = [".zst", ".xz"].iter().find_map(|ending| file.strip_suffix(ending)).unwrap_or(&file);
            if glob_matches(last, file) {
                names.insert(join(directory, file));
            }
        }
    }
    Ok(names.into_iter().collect())
}

/// The kernel tries every place for the file as it is, then for each compression.
fn lookup(places: &[Place<'_>], name: &str) -> Result<Option<(String, Vec<u8>)>, Error> {
    for ending in ["", ".zst", ".xz"] {
        for place in places {
            let path = format!("{}{ending}", join(&place.directory, name));
            let read = |source: io::Error| Error::Read { path: path.clone(), source };
            if let Some(bytes) = place.tree.read(&path).map_err(read)? {
                // Only this ending counts: a file's own name may end like a compression's.
                let bytes = if ending.is_empty() { bytes } else { unpack::unpacked(&path, bytes)? };
                return Ok(Some((name.to_owned(), bytes)));
            }
        }
    }
    Ok(None)
}

fn join(directory: &str, name: &str) -> String {
    match (directory, name) {
        ("", name) => name.to_owned(),
        (directory, "") => directory.to_owned(),
        (directory, name) => format!("{directory}/{name}"),
    }
}

/// linux-firmware holds many files under several names, as links that reading has followed.
fn keep_each_content_once(files: &mut BTreeMap<String, File>) {
    let mut first: BTreeMap<Digest, String> = BTreeMap::new();
    for (name, file) in files {
        let Content::Bytes(bytes) = &file.content else { continue };
        match first.get(&Digest::of(bytes)) {
            Some(same) => file.content = Content::SameAs(same.clone()),
            None => {
                first.insert(Digest::of(bytes), name.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::tests::Memory;
    use super::*;
    use bootwright_formats::compression::Compression;
    use std::io::Write as _;

    fn found(tree: &Memory, names: &[&str]) -> Found {
        let places = places(tree, "lib/modules/6.1", "6.1");
        let by = BTreeSet::from(["driver".to_owned()]);
        let wanted = names.iter().map(|name| ((*name).to_owned(), by.clone())).collect();
        find(&places, &wanted, NonZeroUsize::MIN).unwrap()
    }

    fn text(found: &Found, name: &str) -> String {
        match &found.files.get(name).expect(name).content {
            Content::Bytes(bytes) => String::from_utf8(bytes.clone()).unwrap(),
            Content::SameAs(other) => format!("-> {other}"),
        }
    }

    #[test]
    fn updates_win_compressed_files_are_unpacked_and_equal_ones_kept_once() {
        let mut xz = Compression::Xz.encoder(Vec::new(), 0).unwrap();
        xz.write_all(b"packed").unwrap();
        let tree = Memory::default()
            .with("lib/firmware/a/one.bin", "old")
            .with("lib/firmware/updates/a/one.bin", "new")
            .with("lib/firmware/b.bin.xz", xz.finish().unwrap())
            .with("usr/lib/firmware/c.bin", "new");
        let found = found(&tree, &["a/one.bin", "b.bin", "c.bin", "none.bin"]);
        assert_eq!(text(&found, "a/one.bin"), "new");
        assert_eq!(text(&found, "b.bin"), "packed");
        assert_eq!(text(&found, "c.bin"), "-> a/one.bin");
        assert_eq!(found.missing.keys().collect::<Vec<_>>(), ["none.bin"]);
    }

    #[test]
    fn a_pattern_stands_for_what_it_matches_and_no_name_leaves_the_place() {
        let tree = Memory::default()
            .with("lib/firmware/x/fw-1.bin", "1")
            .with("lib/firmware/x/fw-2.bin", "2")
            .with("lib/secret", "s");
        let found = found(&tree, &["x/fw-*.bin", "../secret", "/lib/secret"]);
        assert_eq!(found.files.keys().collect::<Vec<_>>(), ["x/fw-1.bin", "x/fw-2.bin"]);
        assert_eq!(found.missing.len(), 2);
    }
}
