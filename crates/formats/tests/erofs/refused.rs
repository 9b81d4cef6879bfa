//! What cannot be written is refused by name.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use bootwright_formats::erofs::{Error, InodeId, Kind, Metadata, Options, Writer};

type Attributes = BTreeMap<Vec<u8>, Vec<u8>>;

fn writer() -> Writer<Vec<u8>> {
    let options = Options { uuid: [1; 16], build_time: 0, compression: None, threads: NonZeroUsize::MIN };
    Writer::new(Vec::new(), options).unwrap()
}

fn add(
    writer: &mut Writer<Vec<u8>>,
    path: &str,
    kind: Kind<'_>,
    xattrs: &Attributes,
) -> Result<InodeId, Error> {
    let metadata = Metadata { mode: 0o755, uid: 0, gid: 0, mtime: 0, mtime_nsec: 0, xattrs };
    writer.add(path.as_bytes(), &metadata, kind)
}

#[test]
fn entries_without_a_place_are_refused() {
    let none = Attributes::new();
    let mut writer = writer();
    let early = add(&mut writer, "a", Kind::Fifo, &none).unwrap_err();
    assert!(matches!(&early, Error::NoParent(path) if path == "/a"), "{early}");

    let mut writer = self::writer();
    let root = add(&mut writer, "", Kind::Directory, &none).unwrap();
    let pipe = add(&mut writer, "pipe", Kind::Fifo, &none).unwrap();
    for (path, expected) in [
        ("pipe/below", "/pipe/below: there is no directory yet that could hold it"),
        ("pipe", "/pipe is there twice"),
        ("..", "/..: the name or target is empty or too long"),
        ("pipes/", "/pipes/: the name or target is empty or too long"),
    ] {
        assert_eq!(add(&mut writer, path, Kind::Fifo, &none).unwrap_err().to_string(), expected);
    }
    let long = "n".repeat(256);
    assert!(matches!(add(&mut writer, &long, Kind::Fifo, &none), Err(Error::Name(_))));
    assert!(matches!(add(&mut writer, "l", Kind::Symlink(&[b'x'; 4096]), &none), Err(Error::Name(_))));
    assert!(matches!(writer.link(b"again", root), Err(Error::LinkedDirectory(_))));
    assert!(matches!(writer.link(b"pipe", pipe), Err(Error::Twice(_))));
}

#[test]
fn attributes_that_the_format_has_not_are_refused() {
    let mut writer = writer();
    for (name, length) in [("system.nfs4_acl", 4), ("user.", 4), ("user.large", 65_536), ("other", 1)] {
        let xattrs = Attributes::from([(name.as_bytes().to_vec(), vec![0; length])]);
        let error = add(&mut writer, "", Kind::Directory, &xattrs).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(&length.to_string()), "{error}");
    }
}

#[test]
fn a_file_that_ends_too_early_is_named() {
    let mut writer = writer();
    add(&mut writer, "", Kind::Directory, &Attributes::new()).unwrap();
    let error = add(&mut writer, "short", Kind::File(10, &mut &b"four"[..]), &Attributes::new()).unwrap_err();
    assert_eq!(error.to_string(), "reading the content of /short failed");
}

#[test]
fn an_image_without_a_root_is_refused() {
    assert!(matches!(writer().finish(), Err(Error::NoRoot)));
}
