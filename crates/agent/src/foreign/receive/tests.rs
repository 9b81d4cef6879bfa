//! Judges: gzip, xz and zstd, which pack.

use std::io::Write as _;
use std::process::{Command, Stdio};

use bootwright_formats::tar::{Metadata, Writer, Written};

use super::*;

const ROOM: u64 = 1 << 20;

fn packed(program: &str, bytes: &[u8]) -> Vec<u8> {
    let mut child =
        Command::new(program).arg("-c").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let bytes = bytes.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&bytes).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output.stdout
}

fn receiver(place: &tempfile::TempDir, form: Option<Form>) -> Receiver {
    let tree = place.path().join("tree");
    std::fs::create_dir(&tree).unwrap();
    let open = move || -> io::Result<OwnedFd> { Ok(File::open(&tree)?.into()) };
    Receiver { form, image: place.path().join("image"), tree: Box::new(open), room: ROOM }
}

fn received(bytes: &[u8], form: Option<Form>) -> (tempfile::TempDir, io::Result<(Received, Compression)>) {
    let place = tempfile::tempdir().unwrap();
    let received = receiver(&place, form).receive(bytes);
    (place, received)
}

fn a_tar() -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    let metadata = Metadata { mode: 0o755, uid, gid, ..Metadata::default() };
    writer.header(b"init", &metadata, Written::File(3)).unwrap();
    writer.data(&mut &b"hi\n"[..], 3).unwrap();
    let mut bytes = writer.finish().unwrap();
    bytes.resize(10240, 0);
    bytes
}

#[test]
fn images_and_trees_are_told_apart_and_unpacked_whatever_packed_them() {
    let image: Vec<u8> = (0..500_000u32).map(|n| if n < 300_000 { 0 } else { (n % 251) as u8 }).collect();
    for program in ["cat", "gzip", "xz", "zstd"] {
        let pack = |bytes: &[u8]| if program == "cat" { bytes.to_vec() } else { packed(program, bytes) };
        let (place, result) = received(&pack(&image), None);
        let (Received::File(size), compression) = result.unwrap() else { panic!("{program}") };
        assert_eq!((size, compression == Compression::None), (500_000, program == "cat"));
        assert!(std::fs::read(place.path().join("image")).unwrap() == image, "{program}");
        for form in [None, Some(Form::Tar)] {
            let (place, result) = received(&pack(&a_tar()), form);
            let (Received::Tree(unpacked), _) = result.unwrap() else { panic!("{program}") };
            assert_eq!(unpacked.members, 1);
            assert_eq!(std::fs::read(place.path().join("tree/init")).unwrap(), b"hi\n");
        }
    }
    let (_, result) = received(&a_tar(), Some(Form::Raw));
    assert!(matches!(result.unwrap().0, Received::File(10240)), "as it was told");
}

#[test]
fn a_bomb_is_refused_when_it_would_fill_the_memory_and_holes_take_none() {
    let noise: Vec<u8> =
        (0..ROOM as u32 / 2).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let (_, result) = received(&packed("gzip", &noise), None);
    assert_eq!(
        result.unwrap_err().to_string(),
        "it unpacks to more than 1 MiB, for which there is no room in memory"
    );
    let (_, result) = received(&packed("gzip", &vec![0; 64 * ROOM as usize]), None);
    assert!(matches!(result.unwrap().0, Received::File(size) if size == 64 * ROOM));
}

#[test]
fn what_is_cut_off_or_followed_by_something_else_is_an_error() {
    for program in ["gzip", "xz", "zstd"] {
        let whole = packed(program, &a_tar());
        assert!(received(&whole[..whole.len() - 5], None).1.is_err(), "{program}");
        assert!(received(&[&whole[..], b"tail"].concat(), None).1.is_err(), "{program}");
    }
    let bzip2 = received(b"BZh91AY&SY", None).1.unwrap_err().to_string();
    assert!(bzip2.contains("bzip2"), "{bzip2}");
    let long = [a_tar(), vec![0; MAX_TAIL as usize]].concat();
    assert!(received(&long, None).1.unwrap_err().to_string().contains("follow the archive's end"));
}
