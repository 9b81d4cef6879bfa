//! The images that scenarios and demo boot, built once from `examples/`.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::{Result, shell};

/// How the program is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// What a user would install, to be measured.
    Release,
    /// The same in a fraction of the time, linked less thoroughly, to be shown.
    Quick,
    /// With overflow checks and debug assertions, to be tested: what the tests are built with, down to the features of
    /// its dependencies, so that it costs no build of its own. The agent in it is the real one.
    Test,
}

impl Profile {
    /// What makes cargo build it, and its directory below `target`.
    fn build(self) -> (&'static [&'static str], &'static str) {
        match self {
            Self::Release => (&["build", "--profile", "release", "--package", "bootwright"], "release"),
            Self::Quick => (&["build", "--profile", "quick", "--package", "bootwright"], "quick"),
            Self::Test => (INTEGRATION_TESTS, "debug"),
        }
    }
}

/// Builds the tests in `tests` directories of all crates, and the programs that these run.
pub const INTEGRATION_TESTS: &[&str] = &["test", "--workspace", "--no-run", "--quiet", "--test", "*"];

/// The program, built when something changed. `BOOTWRIGHT_BIN` names another one that is built already.
pub fn bootwright(profile: Profile) -> Result<PathBuf> {
    if let Some(built) = std::env::var_os("BOOTWRIGHT_BIN") {
        return PathBuf::from(&built).canonicalize().map_err(|error| format!("BOOTWRIGHT_BIN: {error}"));
    }
    let (arguments, directory) = profile.build();
    shell::run("build bootwright", &mut shell::cargo(arguments))?;
    Ok(shell::root().join("target").join(directory).join("bootwright"))
}

/// Where the images are kept between runs.
pub fn directory() -> PathBuf {
    shell::root().join("target/images")
}

/// Builds `examples/EXAMPLE` as image `name`, with more arguments for `bootwright build`; an unchanged
/// image costs next to nothing.
pub fn build(bootwright: &Path, example: &str, name: &str) -> Result<PathBuf> {
    let recipe = shell::root().join("examples").join(example).join("bootwright.toml");
    let output = directory().join(name);
    std::fs::create_dir_all(directory()).map_err(|error| format!("{}: {error}", directory().display()))?;
    let mut command = shell::command(&bootwright.to_string_lossy(), &["build"]);
    command.arg(&recipe).arg("-o").arg(&output);
    shell::run(&format!("build image {name}"), &mut command)?;
    Ok(output)
}

/// Builds `examples/EXAMPLE` once more as `EXAMPLE-embed`, with the root inside the UKI; packages and root are
/// those of the plain image.
pub fn build_embedded(bootwright: &Path, example: &str) -> Result<PathBuf> {
    build_variant(bootwright, example, "embed", ("mode = \"embed\"", ""))
}

/// Builds `examples/EXAMPLE` once more as `EXAMPLE-media`, with drivers of disks and as every kind of medium.
pub fn build_media(bootwright: &Path, example: &str) -> Result<PathBuf> {
    let tables = "[initrd]\nprofile = \"generic\"\n\n[output]\nbios = true\n\
                  formats = [\"raw\", \"iso\", \"qcow2\", \"vmdk\", \"vhd\", \"vhdx\", \"vdi\"]\n";
    build_variant(bootwright, example, "media", ("", tables))
}

/// Builds `examples/EXAMPLE` once more as `EXAMPLE-4kn`, a disk with sectors of 4096 bytes.
pub fn build_4kn(bootwright: &Path, example: &str) -> Result<PathBuf> {
    let tables =
        "[initrd]\nprofile = \"generic\"\n\n[output]\nsector_size = 4096\nformats = [\"raw\", \"qcow2\"]\n";
    build_variant(bootwright, example, "4kn", ("", tables))
}

/// Builds `examples/EXAMPLE` once more as `EXAMPLE-stream`: booted while it comes, EROFS with a dm-verity tree, and
/// 384 MiB that nobody reads.
pub fn build_streamed(bootwright: &Path, example: &str) -> Result<PathBuf> {
    let keys = "mode = \"stream\"\nformat = \"erofs\"\nverity = true";
    build_variant(bootwright, example, "stream", (keys, &ballast(384)?))
}

/// Builds `examples/EXAMPLE` as `EXAMPLE-disk`, kept on a disk of the machine, and as `EXAMPLE-disk-2` the image after
/// it: [`FILES`] files, a hundredth of the bytes, have grown a little. The second may give way to the first.
pub fn build_kept(bootwright: &Path, example: &str) -> Result<()> {
    let keys = "mode = \"disk\"\nformat = \"erofs\"\nverity = true\noffline = \"off\"";
    let tree = |name: &str, grown: &[u8]| -> Result<String> {
        let path = scattered(name, grown)?;
        Ok(format!("[[trees]]\nfrom = \"{}\"\npath = \"/opt/data\"\n", path.display()))
    };
    let first = build_variant(bootwright, example, "disk", (keys, &tree("data-1", b"")?))?;
    let manifest = first.join("root.json");
    let digest = std::fs::read(&manifest).map(|bytes| bootwright_image::Digest::of(&bytes));
    let digest = digest.map_err(|error| format!("{}: {error}", manifest.display()))?;
    let keys = format!("{keys}\nfallback = [\"{digest}\"]");
    build_variant(bootwright, example, "disk-2", (&keys, &tree("data-2", b"a line more\n")?))?;
    Ok(())
}

/// Files of [`scattered`], and bytes of each.
const FILES: usize = 70;
const FILE: usize = 16 << 10;

/// A directory of files that do not get smaller, each with `grown` in front of it.
fn scattered(name: &str, grown: &[u8]) -> Result<PathBuf> {
    let path = directory().join(name);
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    std::fs::create_dir_all(&path).map_err(failed)?;
    let mut random = random();
    for number in 0..FILES {
        let words = (0..FILE / 8).flat_map(|_| random().to_le_bytes());
        let content: Vec<u8> = grown.iter().copied().chain(words).collect();
        std::fs::write(path.join(format!("{number:02}")), content).map_err(failed)?;
    }
    Ok(path)
}

/// xorshift64: the same numbers each time.
fn random() -> impl FnMut() -> u64 {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    }
}

/// Builds `examples/EXAMPLE` as `EXAMPLE-large-FORMAT`, with so many MiB of ballast in its root; EROFS for mode `stream`.
pub fn build_large(bootwright: &Path, example: &str, format: &str, mib: usize) -> Result<PathBuf> {
    let mode = if format == "erofs" { "mode = \"stream\"\n" } else { "" };
    let keys = format!("{mode}format = \"{format}\"");
    build_variant(bootwright, example, &format!("large-{format}"), (&keys, &ballast(mib)?))
}

/// A file in the root that does not get smaller; the same bytes each time, so that images need not be built again.
fn ballast(mib: usize) -> Result<String> {
    let path = directory().join(format!("ballast-{mib}"));
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    if !std::fs::metadata(&path).is_ok_and(|metadata| metadata.len() == (mib as u64) << 20) {
        std::fs::create_dir_all(directory()).map_err(failed)?;
        let mut file = std::io::BufWriter::new(File::create(&path).map_err(failed)?);
        let mut random = random();
        for _ in 0..mib << 17 {
            file.write_all(&random().to_le_bytes()).map_err(failed)?;
        }
        file.flush().map_err(failed)?;
    }
    Ok(format!("[[files]]\npath = \"/opt/ballast\"\nfrom = \"{}\"\n", path.display()))
}

/// Builds `examples/EXAMPLE` as `EXAMPLE-VARIANT`, with `keys` behind its name and `tables` at its end.
fn build_variant(
    bootwright: &Path,
    example: &str,
    variant: &str,
    (keys, tables): (&str, &str),
) -> Result<PathBuf> {
    let original = shell::root().join("examples").join(example);
    let name = format!("{example}-{variant}");
    let (recipe, output) = (directory().join(format!("{name}.toml")), directory().join(&name));
    let failed = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    let file = original.join("bootwright.toml");
    let text = std::fs::read_to_string(&file).map_err(|error| failed(&file, error))?;
    let line = format!("name = \"{example}\"");
    if !text.contains(&line) {
        return Err(format!("{} has no line {line}", file.display()));
    }
    let text = text.replacen(&line, &format!("name = \"{name}\"\n{keys}"), 1);
    std::fs::create_dir_all(directory()).map_err(|error| failed(&directory(), error))?;
    std::fs::write(&recipe, format!("{text}\n{tables}")).map_err(|error| failed(&recipe, error))?;
    let mut command = shell::command(&bootwright.to_string_lossy(), &["build"]);
    command.arg(&recipe).arg("--cache").arg(original.join(".bootwright-cache")).arg("-o").arg(&output);
    shell::run(&format!("build image {name}"), &mut command)?;
    Ok(output)
}
