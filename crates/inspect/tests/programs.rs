//! PE files that sbsign signed and objcopy made: who signed, what is not covered, what does not fit together.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod judges;

use std::path::Path;

use bootwright_inspect::{Depth, Severity, Value};
use judges::{inside, look, run, uki};

fn sign(directory: &Path) {
    let subject = ["-subj", "/CN=Test signer/O=Lab", "-days", "10", "-keyout", "key", "-out", "certificate"];
    run(directory, "openssl", &[&["req", "-x509", "-newkey", "rsa:2048", "-nodes"], &subject[..]].concat());
    let key = ["--key", "key", "--cert", "certificate", "--output", "signed.efi", uki::STUB];
    run(directory, "sbsign", &key);
}

/// What is said of the file, the worst first.
fn problems(directory: &Path, name: &str) -> Vec<String> {
    let node = look(directory, name, Depth::Deep);
    node.all_problems()
        .iter()
        .filter(|(_, p)| p.severity > Severity::Note)
        .map(|(_, p)| p.what.clone())
        .collect()
}

#[test]
fn a_signature_names_its_signer_and_covers_the_file_until_it_is_changed() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path();
    sign(directory);
    run(directory, "sbverify", &["--cert", "certificate", "signed.efi"]);
    let node = look(directory, "signed.efi", Depth::Deep);
    assert_eq!(node.facts.get("signed by"), Some(&Value::List(vec!["O=Lab,CN=Test signer".into()])));
    assert!(node.problems.is_empty(), "{:?}", node.problems);
    let signed = std::fs::read(directory.join("signed.efi")).unwrap();
    let mut changed = signed.clone();
    changed[5000] ^= 1;
    std::fs::write(directory.join("changed.efi"), changed).unwrap();
    assert!(problems(directory, "changed.efi")[0].contains("was changed after it was signed"));
    std::fs::write(directory.join("longer.efi"), [&signed[..], b"more"].concat()).unwrap();
    assert_eq!(problems(directory, "longer.efi"), ["4 bytes behind the signatures are not covered by them"]);
    std::fs::write(directory.join("cut.efi"), &signed[..signed.len() - 8]).unwrap();
    assert!(problems(directory, "cut.efi")[0].contains("the file is cut off"));
}

/// An authority, a certificate by it, and the stub signed with that, both certificates in the file.
fn sign_with_chain(directory: &Path) {
    let authority = ["-subj", "/CN=Root of the lab", "-days", "3650", "-keyout", "ca.key", "-out", "ca.crt"];
    run(directory, "openssl", &[&["req", "-x509", "-newkey", "rsa:2048", "-nodes"], &authority[..]].concat());
    let request = ["-subj", "/CN=Signer of boot loaders", "-keyout", "leaf.key", "-out", "leaf.csr"];
    run(directory, "openssl", &[&["req", "-newkey", "rsa:3072", "-nodes"], &request[..]].concat());
    let issue = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30", "-out", "leaf.crt"];
    run(directory, "openssl", &[&["x509", "-req", "-in", "leaf.csr"], &issue[..]].concat());
    let key = ["--key", "leaf.key", "--cert", "leaf.crt", "--addcert", "ca.crt", "--output", "chain.efi"];
    run(directory, "sbsign", &[&key[..], &[uki::STUB]].concat());
}

#[test]
fn a_signature_tells_its_chain_as_openssl_and_sbverify_do() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path();
    sign_with_chain(directory);
    let node = look(directory, "chain.efi", Depth::Deep);
    let signature = node.children.iter().find(|child| child.kind == "signature").unwrap();
    assert_eq!(signature.name.as_deref(), Some("signature1"));
    assert_eq!(signature.facts.text("signer"), Some("CN=Signer of boot loaders"));
    let chain = ["Signer of boot loaders", "Root of the lab"].map(str::to_owned);
    assert_eq!(signature.facts.get("chain"), Some(&Value::List(chain.to_vec())));
    assert_eq!(signature.facts.text("key"), Some("RSA, 3072 bits"));
    assert_eq!(signature.facts.text("digest"), Some("SHA-256"));
    assert_eq!(signature.facts.get("digest matches"), Some(&Value::Flag(true)));
    let listed = run(directory, "sbverify", &["--list", "chain.efi"]);
    assert!(listed.contains("subject: /CN=Signer of boot loaders"), "{listed}");
    assert!(listed.contains("issuer:  /CN=Root of the lab"), "{listed}");
    // The days of the certificate, as openssl says them.
    for (fact, option) in [("valid from", "-startdate"), ("valid until", "-enddate")] {
        let said =
            run(directory, "openssl", &["x509", "-in", "leaf.crt", "-noout", option, "-dateopt", "iso_8601"]);
        let told = signature.facts.get(fact).unwrap().to_string();
        assert!(said.contains(&told), "{fact}: {told}, openssl says {said}");
    }
    // What comes out by its address is the PKCS#7 itself.
    std::fs::write(directory.join("pkcs7"), inside(directory, "chain.efi", "signature1")).unwrap();
    let printed =
        run(directory, "openssl", &["pkcs7", "-inform", "DER", "-in", "pkcs7", "-print_certs", "-noout"]);
    assert!(printed.contains("Signer of boot loaders") && printed.contains("Root of the lab"), "{printed}");
    let mut changed = std::fs::read(directory.join("chain.efi")).unwrap();
    changed[5000] ^= 1;
    std::fs::write(directory.join("changed.efi"), changed).unwrap();
    let node = look(directory, "changed.efi", Depth::Deep);
    let signature = node.children.iter().find(|child| child.kind == "signature").unwrap();
    assert_eq!(signature.facts.get("digest matches"), Some(&Value::Flag(false)));
}

#[test]
fn a_program_at_the_path_of_another_processor_is_an_error_and_no_way_to_boot() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path();
    judges::blank(directory, "esp", 8);
    run(directory, "mkfs.fat", &["esp"]);
    run(directory, "mmd", &["-i", "esp", "::EFI", "::EFI/BOOT"]);
    run(directory, "mcopy", &["-i", "esp", uki::STUB, "::EFI/BOOT/BOOTAA64.EFI"]);
    let node = look(directory, "esp", Depth::Headers);
    assert_eq!(node.boots, [], "{:?}", node.boots);
    let problem = &node.children[0].problems[0];
    assert_eq!(problem.severity, Severity::Error);
    assert_eq!(problem.what, "it is for x86_64, and firmware of aarch64 looks here: it refuses it");
    run(directory, "mcopy", &["-i", "esp", uki::STUB, "::EFI/BOOT/BOOTX64.EFI"]);
    let node = look(directory, "esp", Depth::Headers);
    assert_eq!(node.boots[0].starts, "\\EFI\\BOOT\\BOOTX64.EFI");
}

#[test]
fn a_uki_whose_parts_do_not_fit_says_which() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path();
    std::fs::write(directory.join("kernel"), uki::kernel("6.1.0-test")).unwrap();
    uki::initrd(directory, "6.1.0-test", &["ext4"]);
    uki::build(directory, "good.efi", "6.1.0-test", "quiet");
    assert!(problems(directory, "good.efi").is_empty(), "{:?}", problems(directory, "good.efi"));
    let node = look(directory, "good.efi", Depth::Deep);
    let initrd = node.children.iter().find(|child| child.kind == "initrd").unwrap();
    assert_eq!(initrd.facts.get("modules"), Some(&Value::Number(1)));
    assert_eq!(initrd.facts.get("drivers for a root"), Some(&Value::List(vec!["ext4".into(), "xfs".into()])));

    let mut other = uki::kernel("6.1.0-test");
    other[0x236] = 0;
    std::fs::write(directory.join("kernel"), other).unwrap();
    uki::build(directory, "other.efi", "6.1.0-test", "quiet");
    let told = problems(directory, "other.efi");
    assert!(told[0].contains("the stub is for x86_64, the kernel for i386"), "{told:?}");
    assert!(told[1].contains("the initrd's programs are for x86_64, the kernel for i386"), "{told:?}");

    uki::build(directory, "verity.efi", "6.1.0-test", "roothash=00 quiet");
    let told = problems(directory, "verity.efi");
    assert!(told.contains(&"the initrd has no driver for its root, dm_verity".to_owned()), "{told:?}");

    std::fs::write(directory.join("kernel"), uki::kernel("5.8.0-test")).unwrap();
    uki::build(directory, "old.efi", "6.1.0-test", "quiet");
    let told = problems(directory, "old.efi");
    let all = ["cannot unpack the initrd: zstd came with Linux 5.9", "none loads", ".uname says 6.1.0-test"];
    assert!(all.iter().all(|part| told.iter().any(|what| what.contains(part))), "{told:?}");
}

/// The head of an `Image` of arm64, a banner, and a message of the unpacker of gzip.
fn arm64_kernel() -> Vec<u8> {
    let mut image = vec![0; 200_000];
    let size = (image.len() as u64).to_le_bytes();
    let text: &[u8] = b"Linux version 6.1.0-arm64 (me@here) #1 SMP\0";
    let message: &[u8] = b"Out of memory while allocating z_stream\0";
    for (at, field) in [(16, &size[..]), (24, &[10]), (56, b"ARM\x64"), (5000, text), (150_000, message)] {
        image[at..at + field.len()].copy_from_slice(field);
    }
    image
}

#[test]
fn a_kernel_in_a_zboot_or_in_gzip_is_told_and_comes_out() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path();
    std::fs::write(directory.join("Image"), arm64_kernel()).unwrap();
    run(directory, "gzip", &["-nk", "Image"]);
    let packed = std::fs::read(directory.join("Image.gz")).unwrap();
    let mut zboot = vec![0; 1024];
    let numbers = [1024_u32, packed.len() as u32].map(u32::to_le_bytes).concat();
    for (at, field) in
        [(0, &b"MZ\0\0zimg"[..]), (8, &numbers), (24, b"gzip"), (56, &[0xcd, 0x23, 0x82, 0x81])]
    {
        zboot[at..at + field.len()].copy_from_slice(field);
    }
    std::fs::write(directory.join("vmlinuz"), [zboot, packed].concat()).unwrap();
    let zboot = look(directory, "vmlinuz", Depth::Deep);
    assert_eq!((zboot.kind, zboot.children[0].kind), ("zboot", "compressed"));
    let gzip = look(directory, "Image.gz", Depth::Deep);
    for top in [&zboot, &gzip] {
        let kernel = top.find(&|node| node.kind == "image").unwrap();
        assert_eq!(kernel.facts.text("architecture"), Some("aarch64"));
        assert_eq!(kernel.facts.text("release"), Some("6.1.0-arm64"));
        assert_eq!(kernel.facts.get("unpacks initrds of"), Some(&Value::List(vec!["gzip".into()])));
    }
    assert!(inside(directory, "vmlinuz", "payload") == std::fs::read(directory.join("Image.gz")).unwrap());
}

#[test]
fn firmware_and_programs_of_the_system_are_named() {
    let place = |path: &str| {
        (Path::new(path).parent().unwrap().to_owned(), path.rsplit('/').next().unwrap().to_owned())
    };
    let named = [
        ("/usr/share/OVMF/OVMF_CODE.fd", "firmware-volume"),
        ("/bin/true", "elf"),
        (uki::STUB, "pe"),
        ("/usr/lib/ipxe/undionly.kpxe", "nbp"),
    ];
    for (path, kind) in named {
        let (directory, name) = place(path);
        assert_eq!(look(&directory, &name, Depth::Headers).kind, kind, "{path}");
    }
}

#[test]
fn an_uncompressed_initrd_with_microcode_is_walked_without_unpacking() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path();
    std::fs::create_dir_all(directory.join("early/kernel/x86/microcode")).unwrap();
    std::fs::write(directory.join("early/kernel/x86/microcode/GenuineIntel.bin"), vec![1; 100_000]).unwrap();
    uki::initrd(directory, "6.1", &["a"]);
    let pack = "cd early && find . | cpio --quiet -o -H newc > ../both && cat ../initrd >> ../both";
    run(directory, "sh", &["-c", pack]);
    let node = look(directory, "both", Depth::Headers);
    assert_eq!(node.facts.get("early microcode"), Some(&Value::List(vec!["Intel".into()])), "{node:?}");
    assert_eq!(node.facts.get("compression"), Some(&Value::List(vec!["none".into(), "zstd".into()])));
    assert!(node.problems.is_empty(), "{:?}", node.problems);
}
