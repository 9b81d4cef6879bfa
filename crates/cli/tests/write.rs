//! `bootwright write` onto files that stand for devices, judged by cmp, sgdisk, sfdisk and losetup's view.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

const MIB: usize = 1 << 20;

fn run(directory: &Path, program: &str, arguments: &[&str]) -> String {
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap());
    let output = Command::new(program).current_dir(directory).args(arguments).env("PATH", path).output();
    let output =
        output.unwrap_or_else(|error| panic!("{program} (Debian: gdisk, fdisk, qemu-utils): {error}"));
    let text =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success(), "{program} {arguments:?}: {text}");
    text
}

fn write(directory: &Path, arguments: &[&str]) -> assert_cmd::assert::Assert {
    let mut command = assert_cmd::Command::cargo_bin("bootwright").unwrap();
    command.current_dir(directory).args(["write", "--spool", "."]).args(arguments).assert()
}

/// A device of 64 MiB that was used before: nothing of it is zeros.
fn device(directory: &Path) {
    std::fs::write(directory.join("device"), vec![0xaa; 64 * MIB]).unwrap();
}

/// An image of 12 MiB with a hole of 8 MiB, and a GPT with one partition.
fn image(directory: &Path) {
    let file = std::fs::File::create(directory.join("image.raw")).unwrap();
    file.set_len(12 * MIB as u64).unwrap();
    run(directory, "sgdisk", &["-n", "1:2048:+10M", "-t", "1:ef00", "-c", "1:boot", "image.raw"]);
    file.write_all_at(b"boot code", 0).unwrap();
    file.write_all_at(&[0x11; 5000], MIB as u64).unwrap();
}

#[test]
fn the_image_replaces_what_was_there_holes_included() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    image(directory);
    run(directory, "qemu-img", &["convert", "-O", "vmdk", "image.raw", "image.vmdk"]);
    run(directory, "sh", &["-c", "gzip -k image.raw"]);
    for name in ["image.raw", "image.vmdk", "image.raw.gz"] {
        device(directory);
        let output = write(directory, &[name, "device", "--yes", "--json"]).success();
        let told: Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
        assert_eq!((&told["verified"], &told["size"]), (&Value::Bool(true), &Value::from(12 * MIB)));
        run(directory, "cmp", &["-n", &(12 * MIB).to_string(), "image.raw", "device"]);
        let there = std::fs::read(directory.join("device")).unwrap();
        assert_eq!(there.len(), 64 * MIB);
        assert!(there[12 * MIB..63 * MIB].iter().all(|&byte| byte == 0xaa), "what is behind stays");
        assert!(there[63 * MIB..].iter().all(|&byte| byte == 0), "an old table at the end is gone");
    }
}

#[test]
fn what_would_be_lost_is_shown_and_nothing_happens_without_yes() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    image(directory);
    device(directory);
    let file = std::fs::File::options().write(true).open(directory.join("device")).unwrap();
    file.write_all_at(&vec![0; 64 * MIB], 0).unwrap();
    run(directory, "sgdisk", &["-n", "1:2048:+20M", "-c", "1:home", "device"]);
    run(directory, "mke2fs", &["-q", "-L", "treasure", "-E", "offset=1048576", "device", "20M"]);
    let before = std::fs::read(directory.join("device")).unwrap();
    let output = write(directory, &["image.raw", "device"]).code(2);
    let shown = String::from_utf8_lossy(&output.get_output().stderr).into_owned();
    assert!(shown.contains("ext2 file system \"home\" \"treasure\""), "{shown}");
    assert!(std::fs::read(directory.join("device")).unwrap() == before);
}

#[test]
fn a_data_partition_is_added_to_a_gpt() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    image(directory);
    device(directory);
    let output = write(directory, &["image.raw", "device", "--yes", "--persist", "--json"]).success();
    let told: Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
    assert_eq!(told["persist"]["number"], 2);
    let verified = run(directory, "sgdisk", &["-v", "device"]);
    assert!(verified.contains("No problems found"), "{verified}");
    let shown = run(directory, "sgdisk", &["-p", "device"]);
    assert!(shown.contains("persist") && shown.contains("boot"), "{shown}");
    let mut code = [0; 9];
    std::fs::File::open(directory.join("device")).unwrap().read_exact_at(&mut code, 0).unwrap();
    assert_eq!(&code, b"boot code");
}

/// The bytes of the last partition, as a file of its own.
fn last_partition(directory: &Path, told: &Value) -> &'static str {
    let number = |key: &str| told["persist"][key].as_u64().unwrap();
    let mut bytes = vec![0; number("size") as usize];
    std::fs::File::open(directory.join("device"))
        .unwrap()
        .read_exact_at(&mut bytes, number("start"))
        .unwrap();
    std::fs::write(directory.join("partition"), bytes).unwrap();
    "partition"
}

#[test]
fn the_data_partition_has_a_file_system_that_is_found_by_its_label() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    image(directory);
    for (format, kind, label) in [("ext4", "ext4", "persist"), ("fat", "vfat", "PERSIST")] {
        device(directory);
        let arguments = ["image.raw", "device", "--yes", "--json", "--persist", "--persist-format", format];
        let output = write(directory, &arguments).success();
        let told: Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
        assert_eq!(
            (&told["persist"]["format"], &told["persist"]["label"]),
            (&format.into(), &"persist".into())
        );
        let verified = run(directory, "sgdisk", &["-v", "device"]);
        assert!(verified.contains("No problems found"), "{verified}");
        run(directory, "cmp", &["-n", &(10 * MIB).to_string(), "-i", "1048576", "image.raw", "device"]);
        let partition = last_partition(directory, &told);
        let said = run(directory, "blkid", &["--probe", "--output", "export", partition]);
        assert!(said.contains(&format!("\nTYPE={kind}\n")), "{said}");
        assert!(said.contains(&format!("LABEL={label}\n")), "{said}");
        match format {
            "ext4" => run(directory, "e2fsck", &["-f", "-n", partition]),
            _ => run(directory, "fsck.fat", &["-n", partition]),
        };
        // An outside tool puts a file there and finds it.
        std::fs::write(directory.join("note"), "kept").unwrap();
        let found = match format {
            "ext4" => {
                run(directory, "debugfs", &["-w", "-R", "write note note", partition]);
                run(directory, "debugfs", &["-R", "cat note", partition])
            }
            _ => {
                run(directory, "mcopy", &["-i", partition, "note", "::note"]);
                run(directory, "mtype", &["-i", partition, "::note"])
            }
        };
        assert!(found.contains("kept"), "{found}");
    }
}

#[test]
fn a_label_that_the_file_system_has_no_room_for_is_refused_before_anything_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    image(directory);
    device(directory);
    for (format, label) in [("fat", "twelve-chars"), ("ext4", "seventeen-letters"), ("ext4", "two words")] {
        let persist = ["--persist", "--persist-format", format, "--persist-label", label];
        write(directory, &[&["image.raw", "device", "--yes"], &persist[..]].concat()).code(2);
    }
    write(directory, &["image.raw", "device", "--yes", "--persist-label", "a"]).code(2);
    assert!(std::fs::read(directory.join("device")).unwrap().iter().all(|&byte| byte == 0xaa));
}

#[test]
fn a_data_partition_is_added_to_an_mbr() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    device(directory);
    std::fs::File::create(directory.join("image.raw")).unwrap().set_len(12 * MIB as u64).unwrap();
    run(directory, "sh", &["-c", "echo '2048,16384,c,*' | sfdisk -q image.raw"]);
    write(directory, &["image.raw", "device", "--yes", "--persist"]).success();
    let shown = run(directory, "sfdisk", &["-d", "device"]);
    assert!(shown.contains("device2 : start=       24576, size=      106496, type=83"), "{shown}");
    run(directory, "sfdisk", &["-V", "device"]);
}

#[test]
fn nothing_is_written_when_it_cannot_work() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    image(directory);
    std::fs::write(directory.join("small"), vec![0xaa; MIB]).unwrap();
    std::fs::write(directory.join("tight"), vec![0xaa; 20 * MIB]).unwrap();
    std::fs::write(directory.join("broken.qcow2"), b"QFI\xfb\0\0\0\x03").unwrap();
    let cases: [(&[&str], i32); 5] = [
        (&["image.raw", "small", "--yes"], 3),
        (&["image.raw", "tight", "--yes", "--persist"], 2),
        (&["image.raw", "nothing", "--yes"], 3),
        (&["broken.qcow2", "tight", "--yes"], 1),
        (&["image.raw", "/dev/null", "--yes"], 3),
    ];
    for (arguments, status) in cases {
        write(directory, arguments).code(status);
    }
    for (name, size) in [("small", 1), ("tight", 20)] {
        assert!(std::fs::read(directory.join(name)).unwrap() == vec![0xaa; size * MIB], "{name}");
    }
}
