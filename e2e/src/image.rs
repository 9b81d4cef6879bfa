//! The images and the binary that the scenarios are about.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use bootwright_formats::cpio::{Attributes, Node, Writer};
use bootwright_formats::pe::Uki;
use bootwright_image::{Digester, RootManifest};
use bootwright_vm::uki::Parts;

use crate::{Scenario, done};

/// The directory of the image `name`.
pub fn find(name: &str) -> PathBuf {
    let image = from_environment("BOOTWRIGHT_E2E_IMAGES").join(name);
    assert!(image.join("image.json").is_file(), "{} is no image: run `cargo xtask test`", image.display());
    image
}

/// The `bootwright` binary.
pub fn program() -> PathBuf {
    from_environment("BOOTWRIGHT_BIN")
}

fn from_environment(name: &str) -> PathBuf {
    match std::env::var_os(name) {
        Some(value) => done(name, PathBuf::from(value).canonicalize()),
        None => panic!("{name} is not set: run `cargo xtask test`, or `cargo xtask scenario NAME`"),
    }
}

/// A directory that holds a copy of the image `name` under that name.
pub(crate) fn copy(name: &str) -> tempfile::TempDir {
    let directory = done("making a directory", tempfile::tempdir());
    let (from, to) = (find(name), directory.path().join(name));
    done("copying an image", fs::create_dir(&to));
    for entry in done("copying an image", fs::read_dir(from)) {
        let entry = done("copying an image", entry);
        done("copying an image", fs::copy(entry.path(), to.join(entry.file_name())));
    }
    directory
}

/// Puts `files` behind an initrd, as an archive of its own.
pub(crate) fn append(initrd: &Path, files: &[(PathBuf, String)]) {
    if files.is_empty() {
        return;
    }
    let open = OpenOptions::new().append(true).open(initrd);
    let mut initrd = done("opening an initrd", open);
    let length = done("looking at an initrd", initrd.metadata()).len();
    // Archives begin at multiples of four.
    done("filling an initrd up", initrd.write_all(&vec![0; (length.next_multiple_of(4) - length) as usize]));
    let mut archive = Writer::new(initrd, 0);
    for (file, path) in files {
        let content = done("reading a file for the initrd", fs::read(file));
        if let Some((directory, _)) = path.rsplit_once('/') {
            let made = archive.node(directory, Node::Directory, Attributes::EXECUTABLE);
            done("writing an initrd", made);
        }
        let written = archive.file(path, Attributes::EXECUTABLE, content.len() as u64, &content[..]);
        done("writing an initrd", written);
    }
    done("writing an initrd", archive.finish());
}

/// Where [`certificate`] puts the authority's own certificate.
pub(crate) fn authority_in(directory: &Path) -> PathBuf {
    directory.join("authority.pem")
}

/// A key and a certificate for `address`, signed by an authority that is made for it.
pub(crate) fn certificate(directory: &Path, address: &str) -> (PathBuf, PathBuf) {
    let script = r#"set -e; cd "$1"
        new="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
        openssl req -x509 $new -days 2 -subj "/CN=an authority" -keyout authority.key -out authority.pem
        openssl req $new -subj "/CN=a mirror" -keyout key.pem -out request.pem
        printf 'subjectAltName=IP:%s\nbasicConstraints=CA:FALSE\n' "$2" > extensions
        openssl x509 -req -in request.pem -CA authority.pem -CAkey authority.key -CAcreateserial -days 2 \
            -extfile extensions -out certificate.pem"#;
    let output = Command::new("sh").args(["-c", script, "sh"]).arg(directory).arg(address).output();
    let output = done("running openssl", output);
    assert!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
    (directory.join("key.pem"), directory.join("certificate.pem"))
}

impl Scenario {
    /// The command line inside the UKI.
    pub fn command_line(&self) -> String {
        let uki = self.image().join("image.efi");
        done("reading the UKI", Parts::extract(&uki)).cmdline
    }

    /// The SHA-256 of a section of the UKI, in hexadecimal digits.
    pub fn digest_of(&self, section: &str) -> String {
        let mut file = done("opening the UKI", File::open(self.image().join("image.efi")));
        let uki = done("reading the UKI", Uki::read(&mut file));
        let Some(range) = uki.range(section) else { panic!("the UKI has no section {section}") };
        done("reading the UKI", file.seek(SeekFrom::Start(range.start)));
        let mut digester = Digester::default();
        done("reading the UKI", io::copy(&mut file.take(range.end - range.start), &mut digester));
        digester.finish().hex()
    }

    /// What the root manifest says of the root.
    pub fn root(&self) -> RootManifest {
        let bytes = done("reading root.json", fs::read(self.image().join("root.json")));
        done("reading root.json", RootManifest::from_bytes(&bytes))
    }
}
