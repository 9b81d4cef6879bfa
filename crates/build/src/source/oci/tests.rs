//! Images made by umoci and skopeo, merged by us.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::*;
use crate::tree::Backing;

/// A scratch directory with an image of three layers, made by umoci.
struct Bench(tempfile::TempDir);

/// The lower layer; what the middle one changes; what the upper one removes, adds and replaces.
const SCRIPT: &str = r#"set -e
    umoci init --layout image
    umoci new --image image:base
    mkdir -p one/d/deep one/usr/bin one/gone two/d three
    echo lower > one/d/lower; echo kept > one/kept; echo old > one/replaced; echo deep > one/d/deep/file
    echo x > one/gone/x; ln -s usr/bin one/bin; echo tool > one/usr/bin/tool; ln one/kept one/hard
    chmod 4755 one/usr/bin/tool
    umoci insert --rootless --image image:base one /
    umoci insert --rootless --opaque --image image:base two /d
    echo new > three/replaced; echo upper > three/upper
    umoci insert --rootless --image image:base three /three
    umoci insert --rootless --whiteout --image image:base /gone
    umoci insert --rootless --image image:base three/replaced /replaced
    umoci insert --rootless --image image:base three/upper /bin/upper"#;

impl Bench {
    fn new() -> Self {
        let bench = Self(tempfile::tempdir().unwrap());
        bench.run("sh", &["-c", SCRIPT]);
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let output = Command::new(program).args(arguments).current_dir(&self.0).output();
        let output =
            output.unwrap_or_else(|error| panic!("{program} of the Debian package {program}: {error}"));
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn skopeo(&self, to: &str) {
        self.run("skopeo", &["copy", "--quiet", "--insecure-policy", "oci:image:base", to]);
    }

    /// What the image at `name` holds, laid together.
    fn merged(&self, name: &str, reference: Option<&str>) -> Result<Tree, OciError> {
        let path = self.path(name);
        let files = match path.is_dir() {
            true => Tree::from_directory(&path).unwrap(),
            false => Tree::from_tar(&Backing::new(File::open(&path).unwrap()).unwrap()).unwrap(),
        };
        let layout = Layout::new(&path, &files);
        let mut tree = Tree::default();
        for (number, layer) in layout.layers(reference, architecture())?.iter().enumerate() {
            let tar = self.path(&format!("{name}.{number}.tar"));
            layout.unpack(layer, &tar)?;
            tree.apply_layer(&Backing::new(File::open(&tar).unwrap()).unwrap()).unwrap();
        }
        Ok(tree)
    }

    /// The blobs of the layout, largest last.
    fn blobs(&self) -> Vec<PathBuf> {
        let directory = fs::read_dir(self.path("image/blobs/sha256")).unwrap();
        let mut blobs: Vec<PathBuf> = directory.map(|entry| entry.unwrap().path()).collect();
        blobs.sort_by_key(|blob| fs::metadata(blob).unwrap().len());
        blobs
    }
}

/// Paths with the text of files.
fn listing(tree: &Tree) -> Vec<String> {
    let line = |(path, inode): (&TreePath, &Inode)| match &inode.kind {
        Kind::File(content) => {
            format!("{path} {}", String::from_utf8(content.read(100).unwrap()).unwrap().trim())
        }
        _ => path.to_string(),
    };
    tree.iter().map(line).collect()
}

const EXPECTED: &[&str] = &[
    "/",
    "/bin",
    "/d",
    "/d/d",
    "/hard kept",
    "/kept kept",
    "/replaced new",
    "/three",
    "/three/replaced new",
    "/three/upper upper",
    "/usr",
    "/usr/bin",
    "/usr/bin/tool tool",
    "/usr/bin/upper upper",
];

#[test]
fn an_image_layout_is_merged_as_umoci_unpacks_it() {
    let bench = Bench::new();
    let tree = bench.merged("image", None).unwrap();
    assert_eq!(listing(&tree), EXPECTED);
    bench.run("umoci", &["raw", "unpack", "--rootless", "--image", "image:base", "unpacked"]);
    let theirs = Tree::from_directory(&bench.path("unpacked")).unwrap();
    assert_eq!(listing(&theirs), EXPECTED);
    let mode = |tree: &Tree| tree.get(&"/usr/bin/tool".parse().unwrap()).unwrap().metadata.mode;
    assert_eq!((mode(&tree), mode(&theirs)), (0o4755, 0o4755));
}

#[test]
fn what_skopeo_writes_as_docker_archive_oci_archive_and_with_zstd_is_the_same() {
    let bench = Bench::new();
    bench.skopeo("docker-archive:docker.tar:name:tag");
    assert_eq!(listing(&bench.merged("docker.tar", None).unwrap()), EXPECTED);
    assert_eq!(listing(&bench.merged("docker.tar", Some("docker.io/library/name:tag")).unwrap()), EXPECTED);
    bench.skopeo("oci-archive:oci.tar");
    assert_eq!(listing(&bench.merged("oci.tar", None).unwrap()), EXPECTED);
    let zstd = [
        "copy",
        "--quiet",
        "--insecure-policy",
        "--dest-compress-format=zstd",
        "oci:image:base",
        "oci:zstd:z",
    ];
    bench.run("skopeo", &zstd);
    assert_eq!(listing(&bench.merged("zstd", Some("z")).unwrap()), EXPECTED);
}

#[test]
fn several_images_are_told_apart_by_their_names() {
    let bench = Bench::new();
    bench.run("umoci", &["new", "--image", "image:other"]);
    let error = bench.merged("image", None).unwrap_err().to_string();
    assert!(
        error.contains("name one with reference") && error.contains("base") && error.contains("other"),
        "{error}"
    );
    assert_eq!(listing(&bench.merged("image", Some("base")).unwrap()), EXPECTED);
    let error = bench.merged("image", Some("third")).unwrap_err().to_string();
    assert!(error.contains("no image that fits"), "{error}");
}

#[test]
fn every_damaged_or_missing_part_is_named() {
    let bench = Bench::new();
    for blob in bench.blobs() {
        let whole = fs::read(&blob).unwrap();
        let name = blob.file_name().unwrap().to_str().unwrap();
        let mut damaged = whole.clone();
        *damaged.last_mut().unwrap() ^= 1;
        fs::write(&blob, damaged).unwrap();
        match bench.merged("image", None) {
            Err(error @ OciError::Damaged { .. }) => assert!(error.to_string().contains(name), "{error}"),
            // umoci leaves the manifests of earlier steps behind.
            Ok(tree) => assert_eq!(listing(&tree), EXPECTED),
            Err(error) => panic!("{error}"),
        }
        fs::write(&blob, whole).unwrap();
    }
    let largest = bench.blobs().pop().unwrap();
    fs::remove_file(&largest).unwrap();
    assert!(matches!(bench.merged("image", None), Err(OciError::Missing { .. })));
    fs::write(bench.path("image/index.json"), "{").unwrap();
    assert!(matches!(bench.merged("image", None), Err(OciError::Malformed { .. })));
    fs::remove_file(bench.path("image/index.json")).unwrap();
    assert!(matches!(bench.merged("image", None), Err(OciError::Unknown(_))));
}

/// A registry that others wrote, with a password, on a port of its own choice.
struct Registry(std::process::Child);

impl Registry {
    /// The hash is that of `secret`.
    const SCRIPT: &str = r#"set -e
        echo 'user:$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW' > htpasswd
        printf 'version: 0.1\nstorage: {filesystem: {rootdirectory: %s/storage}}\nhttp: {addr: "127.0.0.1:%s"}\n' \
            "$PWD" "$1" > registry.yml
        printf 'auth: {htpasswd: {realm: test, path: %s/htpasswd}}\n' "$PWD" >> registry.yml
        mkdir -p .docker .config/containers nobody/.config/containers
        printf '[[registry]]\nlocation = "127.0.0.1:%s"\ninsecure = true\n' "$1" \
            | tee .config/containers/registries.conf > nobody/.config/containers/registries.conf
        printf '{"auths":{"127.0.0.1:%s":{"auth":"dXNlcjpzZWNyZXQ="}}}' "$1" > .docker/config.json"#;

    fn start(bench: &Bench, port: u16) -> Self {
        bench.run("sh", &["-c", Self::SCRIPT, "sh", &port.to_string()]);
        let mut command = Command::new("docker-registry");
        command.args(["serve", "registry.yml"]).current_dir(&bench.0);
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let registry = Self(command.spawn().expect("docker-registry of the Debian package docker-registry"));
        let listens = || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
        let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while !listens() {
            assert!(std::time::Instant::now() < until, "docker-registry does not listen");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        registry
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn an_image_comes_out_of_a_registry_with_the_credentials_of_docker() {
    let bench = Bench::new();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let _registry = Registry::start(&bench, port);
    let name = format!("127.0.0.1:{port}/some/name:tag");
    let with_settings = |mut command: Command, home: &str| {
        command
            .env("CONTAINERS_REGISTRIES_CONF", bench.path("registries.conf"))
            .env("HOME", bench.path(home));
        command.env_remove("XDG_RUNTIME_DIR").env_remove("REGISTRY_AUTH_FILE").current_dir(&bench.0);
        command
    };
    let mut push = Command::new("skopeo");
    push.args(["copy", "--quiet", "--insecure-policy", "oci:image:base", &format!("docker://{name}")]);
    assert!(with_settings(push, "").status().unwrap().success());
    let fetch = |to: &str, home: &str| {
        let command = registry::command(&name, architecture(), &bench.path(to));
        registry::SKOPEO.run(&mut with_settings(command, home), None, &|_| ())
    };
    fetch("fetched", "").unwrap();
    assert_eq!(listing(&bench.merged("fetched", None).unwrap()), EXPECTED);
    let error = fetch("refused", "nobody").unwrap_err().to_string();
    assert!(error.contains("skopeo failed") && error.contains("authentication required"), "{error}");
}
