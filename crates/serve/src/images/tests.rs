use super::*;
use crate::testing::{CMDLINE, INITRD, LINUX, image, root_manifest};
use bootwright_image::torrent::{Info, Metainfo};
use bootwright_image::{ArtifactKind, Digest, Manifest, RootManifest};

fn open(place: &Path) -> Result<Catalogue, ImageError> {
    Catalogue::open(vec![place.to_owned()]).map(|(catalogue, _)| catalogue)
}

fn entity(catalogue: &Catalogue, path: &str) -> Arc<Entity> {
    match catalogue.find(path) {
        Found::Entity(entity) => entity,
        _ => panic!("{path} is not there"),
    }
}

#[test]
fn kernel_and_initrd_are_pieces_of_the_one_uki() {
    let place = tempfile::tempdir().unwrap();
    let catalogue = open(&image(place.path(), "worker_1", b"root")).unwrap();
    for (file, expected) in [("linux", LINUX), ("initrd", INITRD)] {
        let piece = entity(&catalogue, &format!("/images/worker_1/image.efi/{file}"));
        let Body::File { file, offset, length } = &piece.body else { panic!("in memory") };
        let mut bytes = vec![0; *length as usize];
        std::os::unix::fs::FileExt::read_exact_at(&**file, &mut bytes, *offset).unwrap();
        assert_eq!(bytes, expected);
    }
    assert_eq!(catalogue.image("worker_1").unwrap().cmdline, CMDLINE);
}

#[test]
fn an_artifact_of_the_wrong_size_or_none_is_refused_by_name() {
    let place = tempfile::tempdir().unwrap();
    let directory = image(place.path(), "worker_1", b"root");
    std::fs::write(directory.join("root.img"), b"roo").unwrap();
    let error = open(&directory).err().unwrap().to_string();
    assert!(error.contains("root.img has 3 bytes, its manifest says 4"), "{error}");
    std::fs::remove_file(directory.join("root.img")).unwrap();
    let error = open(&directory).err().unwrap();
    assert!(matches!(&error, ImageError::Io { path, .. } if path.ends_with("root.img")), "{error}");
}

#[test]
fn a_uki_that_is_none_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let directory = image(place.path(), "worker_1", b"root");
    let length = std::fs::metadata(directory.join("image.efi")).unwrap().len() as usize;
    std::fs::write(directory.join("image.efi"), vec![b'x'; length]).unwrap();
    assert!(matches!(open(&directory), Err(ImageError::Uki { .. })));
}

#[test]
fn a_directory_of_images_serves_them_all_and_says_which_are_faulty() {
    let place = tempfile::tempdir().unwrap();
    image(place.path(), "b", b"root");
    image(place.path(), "a", b"root");
    std::fs::remove_file(image(place.path(), "c", b"root").join("root.img")).unwrap();
    let (catalogue, faulty) = Catalogue::open(vec![place.path().to_owned()]).unwrap();
    let images = catalogue.images();
    let names: Vec<_> = images.iter().map(|image| image.name()).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(faulty.len(), 1);
}

#[test]
fn two_images_of_one_name_are_refused() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let places = [&one, &two].map(|place| image(place.path(), "worker_1", b"root"));
    assert!(matches!(Catalogue::open(places.into()), Err(ImageError::Twice { .. })));
}

#[test]
fn a_directory_without_an_image_is_said_to_be_one() {
    let place = tempfile::tempdir().unwrap();
    assert!(matches!(open(place.path()), Err(ImageError::Empty { .. })));
    assert!(matches!(open(&place.path().join("absent")), Err(ImageError::Io { .. })));
}

#[test]
fn paths_outside_the_catalogue_lead_nowhere() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("secret"), b"x").unwrap();
    let catalogue = open(&image(place.path(), "worker_1", b"root")).unwrap();
    for path in [
        "/images/worker_1/../secret",
        "/images/../worker_1/image.efi",
        "/images/worker_1//image.efi",
        "/images/worker_1/image.efi/",
        "/images/worker_1/image.efi/cmdline",
        "/images/worker_1",
        "/images/",
        "/images/worker_1/image.efi\0",
    ] {
        assert!(matches!(catalogue.find(path), Found::Missing(_)), "{path}");
    }
    assert!(matches!(catalogue.find("/boot.ipxe"), Found::Elsewhere));
}

#[test]
fn a_reload_takes_in_new_images_and_lets_go_of_old_ones() {
    let place = tempfile::tempdir().unwrap();
    let old = image(place.path(), "a", b"root");
    let catalogue = open(place.path()).unwrap();
    assert!(!catalogue.changed());
    let held = entity(&catalogue, "/images/a/root.img");
    std::fs::remove_dir_all(old).unwrap();
    image(place.path(), "b", b"root");
    assert!(catalogue.changed());
    let changes = catalogue.reload();
    assert!(matches!(&changes[..], [Change::Serves(new), Change::Gone(gone)] if new == "b" && gone == "a"));
    assert_eq!(held.length(), 4, "a transfer that began goes on");
}

#[test]
fn an_artifact_that_is_cut_short_is_no_longer_served_until_it_is_whole_again() {
    let place = tempfile::tempdir().unwrap();
    let directory = image(place.path(), "worker_1", b"root");
    let catalogue = open(&directory).unwrap();
    let served = entity(&catalogue, "/images/worker_1/root.img");
    assert!(!catalogue.changed());
    let file = std::fs::OpenOptions::new().write(true).open(directory.join("root.img")).unwrap();
    file.set_len(2).unwrap();
    let error = served.body.check().unwrap_err().to_string();
    assert!(error.contains("has 2 bytes on the server's disk, 4 are needed"), "{error}");
    assert!(catalogue.changed());
    let changes = catalogue.reload();
    assert!(
        matches!(&changes[..], [Change::Refused(ImageError::Size { .. }), Change::Gone(_)]),
        "{changes:?}"
    );
    assert!(matches!(catalogue.find("/images/worker_1/root.img"), Found::Missing(_)));
    file.set_len(4).unwrap();
    assert!(catalogue.changed());
    assert!(matches!(&catalogue.reload()[..], [Change::Serves(_)]));
}

#[test]
fn the_torrent_of_a_root_names_this_server_first_and_its_mirrors_then() {
    let place = tempfile::tempdir().unwrap();
    let directory = image(place.path(), "worker_1", &[7; 600_000]);
    let info = Info::of(&root_manifest(&[7; 600_000]));
    let built = Metainfo { info: info.clone(), trackers: Vec::new(), web_seeds: vec!["http://m/w/".into()] };
    std::fs::write(directory.join("root.torrent"), built.to_bytes()).unwrap();
    let catalogue = open(&directory).unwrap();
    catalogue.give_torrents(vec!["http://10.0.0.1:8080".into(), "http://[fd00::1]:8080".into()]);
    let torrent = entity(&catalogue, "/images/worker_1/root.torrent");
    let Body::Memory(bytes) = &torrent.body else { panic!("{torrent:?}") };
    let torrent = Metainfo::from_bytes(bytes).unwrap();
    assert_eq!(torrent.info, info);
    assert_eq!(torrent.trackers, [["http://10.0.0.1:8080/announce"], ["http://[fd00::1]:8080/announce"]]);
    assert_eq!(torrent.web_seeds, ["http://10.0.0.1:8080/images/worker_1/root.img", "http://m/w/"]);
}

#[test]
fn a_torrent_that_contradicts_the_manifest_is_refused_with_both_digests() {
    let place = tempfile::tempdir().unwrap();
    let directory = image(place.path(), "worker_1", &[7; 600_000]);
    let other = Info::of(&root_manifest(&[8; 600_000]));
    let hash = other.hash.to_string();
    let torrent = Metainfo { info: other, trackers: Vec::new(), web_seeds: Vec::new() };
    std::fs::write(directory.join("root.torrent"), torrent.to_bytes()).unwrap();
    let error = open(&directory).err().unwrap().to_string();
    let digest = root_manifest(&[7; 600_000]).digest.to_string();
    assert!(error.contains(&hash) && error.contains(&digest), "{error}");
}

#[test]
fn a_single_file_is_an_image_that_nothing_boots() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("disk.qcow2");
    std::fs::write(&path, [3; 300_000]).unwrap();
    let catalogue = open(&path).unwrap();
    catalogue.give_torrents(vec!["http://10.0.0.1".into()]);
    let image = catalogue.image("disk.qcow2").unwrap();
    assert!(!image.is_bootable());
    let manifest =
        Manifest::from_bytes(&bytes_of(&entity(&catalogue, "/images/disk.qcow2/image.json"))).unwrap();
    assert_eq!(manifest, image.manifest);
    let root = bytes_of(&entity(&catalogue, "/images/disk.qcow2/root.json"));
    let listed = manifest.artifact(ArtifactKind::RootManifest).unwrap();
    let root = RootManifest::verify(&root, &listed.digest).unwrap();
    assert_eq!((root.file.as_str(), root.digest), ("disk.qcow2", Digest::of(&[3; 300_000])));
    assert_eq!(entity(&catalogue, "/images/disk.qcow2/disk.qcow2").length(), 300_000);
    let torrent = bytes_of(&entity(&catalogue, "/images/disk.qcow2/disk.qcow2.torrent"));
    assert_eq!(Metainfo::from_bytes(&torrent).unwrap().info, Info::of(&root));
    // It is replaced, then gone.
    assert!(!catalogue.changed());
    std::fs::write(place.path().join("new"), [4; 300_000]).unwrap();
    std::fs::rename(place.path().join("new"), &path).unwrap();
    assert!(catalogue.changed());
    assert!(matches!(catalogue.reload().as_slice(), [Change::Serves(name)] if name == "disk.qcow2"));
}

#[test]
fn a_file_whose_name_is_no_image_name_is_refused() {
    let place = tempfile::tempdir().unwrap();
    for name in ["a b.iso", "root.json", "ü.iso"] {
        std::fs::write(place.path().join(name), b"x").unwrap();
        assert!(matches!(open(&place.path().join(name)), Err(ImageError::FileName { .. })), "{name}");
    }
}

fn bytes_of(entity: &Entity) -> Vec<u8> {
    match &entity.body {
        Body::Memory(bytes) => bytes.to_vec(),
        Body::File { .. } => panic!("a file"),
    }
}

#[test]
fn traces_are_kept_over_a_restart_and_begin_anew_with_another_root() {
    let (place, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let open = |content: &[u8]| {
        let directory = image(place.path(), "worker", content);
        let mut catalogue = Catalogue::open(vec![directory]).unwrap().0;
        catalogue.keep_traces(Some(state.path().to_owned()));
        catalogue
    };
    let has_trace =
        |catalogue: &Catalogue| matches!(catalogue.find("/images/worker/trace.json"), Found::Entity(_));
    let catalogue = open(b"root");
    let image = catalogue.image("worker").unwrap();
    let root = traces::root_of(&image).unwrap();
    let trace = bootwright_image::trace::Trace { root, chunks: vec![0] };
    assert_eq!(catalogue.traces().take(&image, &trace), Ok(1));
    assert!(has_trace(&catalogue));
    let again = open(b"root");
    assert!(has_trace(&again));
    assert_eq!(again.traces().take(&image, &trace), Ok(2));
    assert!(!has_trace(&open(b"another root")));
}
