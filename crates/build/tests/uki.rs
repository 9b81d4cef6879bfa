//! UKIs made with the stub of this system, judged by objdump, sbsign and what went in.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use bootwright_build::uki::{Error, Request, build};
use bootwright_formats::compression::Compression;
use bootwright_formats::cpio::{Attributes, Writer};
use bootwright_formats::initrd;
use bootwright_formats::pe::Uki;

const STUB: &str = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";

/// A directory with what a UKI is made of.
struct Bench(tempfile::TempDir);

impl Bench {
    fn new() -> Self {
        assert!(Path::new(STUB).exists(), "{STUB} is missing: install the package systemd-boot-efi");
        let bench = Self(tempfile::tempdir().unwrap());
        fs::write(bench.path("a.img"), archive("a", &[1; 5001])).unwrap();
        fs::write(bench.path("b.img"), archive("b", &[2; 7])).unwrap();
        fs::write(bench.path("ucode.img"), archive("kernel/x86/microcode/GenuineIntel.bin", &[3; 2048]))
            .unwrap();
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The stub is an EFI program, as a kernel is: it stands in for one.
    fn request(&self) -> Request {
        Request {
            linux: STUB.into(),
            initrds: vec![self.path("a.img")],
            command_line: "console=ttyS0 quiet\n".into(),
            os_release: Some("ID=test\n".into()),
            uname: Some("6.12.0".into()),
            ..Request::default()
        }
    }

    /// A stub that calls itself `name` and that version.
    fn stub_called(&self, name: &str) -> PathBuf {
        let mut bytes = fs::read(STUB).unwrap();
        let from = b"systemd-stub 25";
        let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
        bytes[at..at + name.len()].copy_from_slice(name.as_bytes());
        fs::write(self.path("stub"), bytes).unwrap();
        self.path("stub")
    }

    fn section(&self, file: &str, name: &str) -> Option<Vec<u8>> {
        let bytes = fs::read(self.path(file)).unwrap();
        let range = Uki::read(&mut File::open(self.path(file)).unwrap()).unwrap().range(name)?;
        Some(bytes[range.start as usize..range.end as usize].to_vec())
    }
}

fn archive(name: &str, content: &[u8]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), 0);
    writer.file(name, Attributes::PLAIN, content.len() as u64, content).unwrap();
    writer.finish().unwrap()
}

fn run(package: &str, command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{error}: install the package {package}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

#[test]
fn objdump_finds_every_section_where_it_was_put() {
    let bench = Bench::new();
    let output = bench.path("image.efi");
    let summary = build(&bench.request(), &output).unwrap();
    let listing = run("binutils", Command::new("objdump").arg("-h").arg(&output));
    let listing = String::from_utf8(listing.stdout).unwrap();
    for section in &summary.sections {
        let line = listing.lines().find(|line| line.split_whitespace().nth(1) == Some(&section.name));
        let fields: Vec<_> = line.unwrap().split_whitespace().collect();
        assert_eq!(u64::from_str_radix(fields[2], 16).unwrap(), section.size, "{}", section.name);
        assert_eq!(u64::from_str_radix(fields[5], 16).unwrap(), section.offset, "{}", section.name);
    }
    assert_eq!(bench.section("image.efi", ".cmdline").unwrap(), b"console=ttyS0 quiet");
    assert_eq!(bench.section("image.efi", ".uname").unwrap(), b"6.12.0");
    assert_eq!(bench.section("image.efi", ".osrel").unwrap(), b"ID=test\n");
    assert_eq!(bench.section("image.efi", ".linux").unwrap(), fs::read(STUB).unwrap());
    assert_eq!(bench.section("image.efi", ".initrd").unwrap(), fs::read(bench.path("a.img")).unwrap());
    let sbat = String::from_utf8(bench.section("image.efi", ".sbat").unwrap()).unwrap();
    assert!(
        sbat.starts_with("sbat,1,") && sbat.contains("\nsystemd,") && sbat.contains("\nuki,1,"),
        "{sbat}"
    );
}

#[test]
fn what_sbsign_signs_sbverify_accepts() {
    let bench = Bench::new();
    let (key, certificate) = (bench.path("key.pem"), bench.path("cert.pem"));
    let request = ["req", "-new", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=test", "-keyout"];
    run("openssl", Command::new("openssl").args(request).arg(&key).arg("-out").arg(&certificate));
    build(&bench.request(), &bench.path("image.efi")).unwrap();
    let mut sign = Command::new("sbsign");
    sign.arg("--key").arg(&key).arg("--cert").arg(&certificate);
    sign.arg("--output").arg(bench.path("signed.efi")).arg(bench.path("image.efi"));
    let output = run("sbsigntool", &mut sign);
    let warnings = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!warnings.contains("warning"), "{warnings}");
    run("sbsigntool", Command::new("sbverify").arg("--cert").arg(&certificate).arg(bench.path("signed.efi")));
    let signed = Uki::read(&mut File::open(bench.path("signed.efi")).unwrap()).unwrap();
    assert!(signed.image().certificates.is_some());
    // A signed UKI is no stub.
    let request = Request { stub: Some(bench.path("signed.efi")), ..bench.request() };
    let error = build(&request, &bench.path("again.efi")).unwrap_err();
    assert!(matches!(error, Error::Layout { .. }), "{error}");
    assert!(!bench.path("again.efi").exists());
}

#[test]
fn the_same_parts_give_the_same_bytes() {
    let bench = Bench::new();
    build(&bench.request(), &bench.path("one.efi")).unwrap();
    build(&bench.request(), &bench.path("two.efi")).unwrap();
    assert!(fs::read(bench.path("one.efi")).unwrap() == fs::read(bench.path("two.efi")).unwrap());
}

#[test]
fn several_initrds_are_one_for_the_kernel() {
    let bench = Bench::new();
    let packed = |compression: Compression, bytes: &[u8]| {
        let mut encoder = compression.encoder(Vec::new(), 1).unwrap();
        std::io::Write::write_all(&mut encoder, bytes).unwrap();
        encoder.finish().unwrap()
    };
    fs::write(bench.path("c.img"), packed(Compression::Lz4Legacy, &archive("c", b"odd"))).unwrap();
    fs::write(bench.path("d.img"), packed(Compression::Gzip, &archive("d", b"x"))).unwrap();
    let initrds = ["c.img", "d.img", "a.img", "b.img"].map(|name| bench.path(name)).to_vec();
    build(&Request { initrds, ..bench.request() }, &bench.path("image.efi")).unwrap();
    let content = bench.section("image.efi", ".initrd").unwrap();
    let mut reader = initrd::Reader::new(&content[..]);
    let mut names = Vec::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        names.push(String::from_utf8_lossy(entry.path()).into_owned());
    }
    assert_eq!(names, ["c", "d", "a", "b"]);
}

#[test]
fn microcode_goes_where_the_stub_looks_for_it() {
    let bench = Bench::new();
    let ucode = fs::read(bench.path("ucode.img")).unwrap();
    let request = Request { microcode: Some(bench.path("ucode.img")), ..bench.request() };
    let with_stub = |name| {
        let request = Request { stub: Some(bench.stub_called(name)), ..request.clone() };
        build(&request, &bench.path("image.efi")).unwrap()
    };
    assert!(with_stub("systemd-stub 257").stub_version.unwrap().starts_with("257"));
    assert_eq!(bench.section("image.efi", ".ucode").unwrap(), ucode);
    assert_eq!(bench.section("image.efi", ".initrd").unwrap(), fs::read(bench.path("a.img")).unwrap());
    for older in ["systemd-stub 255", "some-other-st 257"] {
        with_stub(older);
        assert_eq!(bench.section("image.efi", ".ucode"), None);
        let initrd = bench.section("image.efi", ".initrd").unwrap();
        assert!(initrd.starts_with(&ucode));
        assert!(initrd.ends_with(&fs::read(bench.path("a.img")).unwrap()));
    }
}

#[test]
fn parts_that_are_something_else_are_refused_by_name() {
    let bench = Bench::new();
    fs::write(bench.path("text"), "just a text").unwrap();
    let text = bench.path("text");
    let good = bench.request();
    let bad = [
        (Request { linux: text.clone(), ..good.clone() }, "CONFIG_EFI_STUB"),
        (Request { stub: Some(text.clone()), ..good.clone() }, "no UKI can be made"),
        (Request { initrds: vec![text.clone()], ..good.clone() }, "not an initrd"),
        (Request { microcode: Some(text.clone()), ..good.clone() }, "uncompressed cpio"),
        (Request { microcode: Some(bench.path("a.img")), ..good.clone() }, "kernel/x86/microcode/"),
        (Request { splash: Some(text.clone()), ..good.clone() }, "BMP"),
        (Request { devicetree: Some(text.clone()), ..good.clone() }, "devicetree"),
        (Request { initrds: vec!["/dev/zero".into()], ..good.clone() }, "regular file"),
        (Request { sbat: Some("name,1".into()), ..good.clone() }, "SBAT"),
        (Request { command_line: "x".repeat(2048), ..good.clone() }, "2047"),
        (Request { command_line: "bootwright.imag=x".into(), ..good.clone() }, "did you mean"),
        (Request { stub: Some(bench.path("nothing")), ..good }, "nothing: cannot be read"),
    ];
    for (request, expected) in bad {
        let error = build(&request, &bench.path("image.efi")).unwrap_err().to_string();
        assert!(error.contains(expected), "{error:?} does not say {expected:?}");
    }
    let left: Vec<_> =
        fs::read_dir(bench.0.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 4, "something half-written stays: {left:?}");
}

#[test]
fn an_older_uki_stays_when_the_new_one_fails() {
    let bench = Bench::new();
    fs::write(bench.path("image.efi"), "old").unwrap();
    let request = Request { linux: bench.path("a.img"), ..bench.request() };
    build(&request, &bench.path("image.efi")).unwrap_err();
    assert_eq!(fs::read(bench.path("image.efi")).unwrap(), b"old");
    build(&bench.request(), &bench.path("image.efi")).unwrap();
    assert!(bench.section("image.efi", ".linux").is_some());
}
