use std::io::Write as _;
use std::process::Command;

use super::*;

fn path(text: &str) -> TreePath {
    text.parse().unwrap()
}

fn file(text: &str) -> Inode {
    let metadata = Metadata { mode: 0o644, ..Metadata::default() };
    Inode { metadata, kind: Kind::File(Content::bytes(text.as_bytes())) }
}

/// A tree with `/usr/bin/tool`, `/bin -> usr/bin`, and a hard link `/usr/bin/other`.
fn sample() -> Tree {
    let mut tree = Tree::default();
    tree.make_directory(&TreePath::ROOT, 1).unwrap();
    tree.put(&path("/usr/bin/tool"), file("tool")).unwrap();
    tree.put_link(&path("/bin"), "usr/bin", 1).unwrap();
    tree.link(path("/usr/bin/other"), &path("/usr/bin/tool"));
    tree
}

fn through_tar(tree: &Tree) -> Tree {
    let mut spool = tempfile::tempfile().unwrap();
    tree.write_tar(&mut spool).unwrap();
    spool.flush().unwrap();
    Tree::from_tar(&Backing::new(spool).unwrap()).unwrap()
}

fn names(tree: &Tree) -> Vec<String> {
    tree.iter().map(|(path, _)| path.to_string()).collect()
}

#[test]
fn paths_are_the_same_however_they_are_written() {
    for text in ["/usr/bin", "./usr/bin/", "usr//bin", "usr/./bin"] {
        assert_eq!(TreePath::parse(text.as_bytes()), Ok(path("/usr/bin")), "{text}");
    }
    assert!(TreePath::parse(b"usr/../bin").is_err());
    assert!(TreePath::parse(b"a\0").is_err());
    assert!(TreePath::parse(&b"x".repeat(256)).is_err());
    assert_eq!(path("/usr").parent(), Some(TreePath::ROOT));
    assert_eq!(path("/usr/bin").below(&path("/usr")), Some(&b"bin"[..]));
    assert_eq!(path("/usrx").below(&path("/usr")), None);
}

#[test]
fn a_file_goes_where_links_lead() {
    let mut tree = sample();
    tree.put(&path("/bin/new"), file("new")).unwrap();
    assert_eq!(tree.read(&path("/usr/bin/new")).unwrap().unwrap(), b"new");
    assert!(matches!(tree.get(&path("/bin")).unwrap().kind, Kind::Symlink(_)));
}

#[test]
fn a_link_never_leads_out_and_a_circle_is_told() {
    let mut tree = sample();
    tree.put_link(&path("/up"), "../../../usr", 1).unwrap();
    assert_eq!(tree.resolve(&path("/up/bin")).unwrap(), path("/usr/bin"));
    tree.put_link(&path("/a"), "b", 1).unwrap();
    tree.put_link(&path("/b"), "a", 1).unwrap();
    assert!(matches!(tree.resolve(&path("/a/x")), Err(EditError::Link { .. })));
}

#[test]
fn hard_links_survive_the_removal_of_the_first_name() {
    let mut tree = sample();
    tree.remove(&path("/usr/bin/other"));
    tree.link(path("/z"), &path("/usr/bin/tool"));
    tree.remove(&path("/usr/bin/tool"));
    let read = through_tar(&tree);
    assert_eq!(read.read(&path("/z")).unwrap().unwrap(), b"tool");
}

#[test]
fn a_tree_survives_its_own_tar() {
    let tree = sample();
    let read = through_tar(&tree);
    assert_eq!(names(&read), names(&tree));
    assert_eq!(read.get(&path("/usr/bin")).unwrap().metadata, tree.get(&path("/usr/bin")).unwrap().metadata);
    assert_eq!(read.names[&path("/usr/bin/other")], read.names[&path("/usr/bin/tool")]);
    assert_eq!(read.file_bytes(), 4);
}

#[test]
fn excluding_takes_what_lies_below_and_nothing_beside() {
    let mut tree = sample();
    tree.put(&path("/usr/share/doc/a/b"), file("")).unwrap();
    tree.put(&path("/usr/share/docs"), file("")).unwrap();
    assert_eq!(tree.exclude(&[Glob::new("/usr/share/doc/*")]), 2);
    assert!(tree.get(&path("/usr/share/doc")).is_some());
    assert!(tree.get(&path("/usr/share/docs")).is_some());
}

#[test]
fn a_fingerprint_changes_with_everything_that_matters() {
    let base = sample().fingerprint();
    assert_eq!(base, sample().fingerprint());
    let edits: [fn(&mut Tree); 5] = [
        |tree| tree.get_mut(&path("/usr/bin/tool")).unwrap().metadata.mode = 0o755,
        |tree| tree.get_mut(&path("/usr/bin/tool")).unwrap().kind = Kind::File(Content::bytes(&b"toil"[..])),
        |tree| tree.remove(&path("/usr/bin/other")),
        |tree| {
            // The same names and bytes, no longer one inode.
            tree.remove(&path("/usr/bin/other"));
            tree.put(&path("/usr/bin/other"), file("tool")).unwrap();
        },
        |tree| tree.get_mut(&path("/bin")).unwrap().kind = Kind::Symlink(b"/usr/bin".to_vec()),
    ];
    for (number, edit) in edits.iter().enumerate() {
        let mut tree = sample();
        edit(&mut tree);
        assert_ne!(tree.fingerprint(), base, "edit {number}");
    }
}

#[test]
fn a_directory_is_read_with_its_hard_links_and_attributes() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    std::fs::create_dir(root.join("d")).unwrap();
    std::fs::write(root.join("d/a"), "text").unwrap();
    std::fs::hard_link(root.join("d/a"), root.join("b")).unwrap();
    let named = rustix::fs::setxattr(root.join("b"), "user.note", b"x", rustix::fs::XattrFlags::empty());
    let mkfifo =
        Command::new("mkfifo").arg(root.join("pipe")).status().expect("mkfifo of the package coreutils");
    assert!(mkfifo.success());
    let tree = Tree::from_directory(root).unwrap();
    assert_eq!(names(&tree), ["/", "/b", "/d", "/d/a", "/pipe"]);
    assert_eq!(tree.names[&path("/b")], tree.names[&path("/d/a")]);
    if named.is_ok() {
        assert_eq!(tree.get(&path("/b")).unwrap().metadata.xattrs[&b"user.note"[..]], b"x");
    }
    assert!(matches!(tree.get(&path("/pipe")).unwrap().kind, Kind::Fifo));
}

fn tar_of(members: &[(&str, bootwright_formats::tar::Written<'_>)]) -> Result<Tree, FromTarError> {
    let mut writer = bootwright_formats::tar::Writer::new(tempfile::tempfile().unwrap());
    for (name, what) in members {
        writer.header(name.as_bytes(), &Metadata::default(), *what).unwrap();
    }
    Tree::from_tar(&Backing::new(writer.finish().unwrap()).unwrap())
}

#[test]
fn a_later_member_takes_the_place_of_an_earlier_one() {
    use bootwright_formats::tar::Written::{Directory, File, Symlink};
    let tree = tar_of(&[("a/", Directory), ("a/x", File(0)), ("a", Symlink(b"b"))]).unwrap();
    assert_eq!(names(&tree), ["/", "/a"]);
}

#[test]
fn archives_that_make_no_sense_are_refused() {
    use bootwright_formats::tar::Written::{Directory, File, HardLink, Symlink};
    let error = tar_of(&[("a", HardLink(b"b"))]).unwrap_err();
    assert!(matches!(error, FromTarError::DanglingHardLink { .. }));
    let error = tar_of(&[("d/", Directory), ("a", HardLink(b"d"))]).unwrap_err();
    assert!(matches!(error, FromTarError::DanglingHardLink { .. }));
    for first in [File(0), Symlink(b"/etc")] {
        let error = tar_of(&[("a", first), ("a/b", File(0))]).unwrap_err();
        assert!(matches!(error, FromTarError::NotADirectory { .. }));
    }
    for way_out in ["a/../../etc/passwd", ".."] {
        let error = tar_of(&[("a", File(0)), (way_out, File(0))]).unwrap_err();
        assert!(matches!(error, FromTarError::Name { offset: 512, .. }), "{error:?}");
    }
}

#[test]
fn holes_of_an_archive_and_of_a_directory_are_known() {
    use bootwright_formats::{ExtentKind, ReadAt as _};
    use std::os::unix::fs::FileExt as _;
    const SIZE: u64 = 8 << 20;
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    std::fs::create_dir(&root).unwrap();
    let file = std::fs::File::create(root.join("holes")).unwrap();
    file.write_all_at(b"data", 4 << 20).unwrap();
    file.set_len(SIZE).unwrap();
    std::fs::write(root.join("last"), "last").unwrap();
    let tar = directory.path().join("tar");
    let packed = Command::new("tar")
        .args(["--sparse", "--sort=name", "-C"])
        .arg(&root)
        .arg("-cf")
        .arg(&tar)
        .arg(".")
        .status();
    assert!(packed.expect("tar of the package tar").success());
    let archive = Backing::new(std::fs::File::open(&tar).unwrap()).unwrap();
    for tree in [Tree::from_tar(&archive).unwrap(), Tree::from_directory(&root).unwrap()] {
        let content = |path: &str| match &tree.get(&path.parse().unwrap()).unwrap().kind {
            Kind::File(content) => content.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(content("/last").read(100).unwrap(), b"last");
        assert!(content("/last").with_holes().unwrap().is_none());
        let bytes = content("/holes").read(SIZE).unwrap();
        assert!(bytes.len() as u64 == SIZE && bytes[4 << 20..].starts_with(b"data"));
        let holes = content("/holes").with_holes().unwrap().unwrap();
        let first = holes.extent(0).unwrap();
        assert_eq!((first.kind, first.range.end), (ExtentKind::Zero, 4 << 20));
    }
}
