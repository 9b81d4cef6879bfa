//! An ISO of 700 MiB, beside xorriso on the same tree.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::Command;

use bootwright_image::chunks::{ChunkDigester, size_for};
use bootwright_image::{RootFormat, RootManifest};

use super::measure::{fresh, seconds};
use super::{Context, Row, Usage};
use crate::{Result, images, shell};

/// With the UKI and what is around it the ISO has some 700 MiB.
const ROOT: u64 = 660 << 20;

/// How often each runs; the median counts.
const RUNS: usize = 5;

/// Measures time until the ISO is on the disk, and memory.
pub fn run(context: &Context) -> Result<Vec<Row>> {
    let image = image(context)?;
    let (ours_file, theirs_file) = (context.scratch.join("ours.iso"), context.scratch.join("theirs.iso"));
    let tree = context.scratch.join("tree");
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let mut make = Command::new(&context.bootwright);
    make.arg("iso").arg(&image).args(["--bios", "yes", "-o"]).arg(&ours_file);
    // The tree that xorriso gets is that of our ISO, kernel and initrd twice, as it cannot point into the UKI.
    shell::run("an ISO to take apart", &mut make)?;
    extract(&ours_file, &tree)?;
    for _ in 0..RUNS {
        ours.push(fresh(&ours_file, &make)?);
        theirs.push(fresh(&theirs_file, &xorriso(&tree, &theirs_file))?);
    }
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len()) >> 20;
    let (ours_size, theirs_size) = (size(&ours_file), size(&theirs_file));
    let peak = |usages: &[Usage]| usages.iter().map(|usage| usage.peak).max().unwrap_or(0);
    let (ours_time, theirs_time) = (seconds(&ours), seconds(&theirs));
    for path in [&ours_file, &theirs_file] {
        std::fs::remove_file(path).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    std::fs::remove_dir_all(&tree).map_err(|error| format!("{}: {error}", tree.display()))?;
    Ok(vec![
        Row {
            what: format!("ISO of {ours_size} MiB: time until it is on the disk"),
            ours: format!("{ours_time:.2} s"),
            peer: format!("xorriso, {theirs_size} MiB, synced: {theirs_time:.2} s"),
            ratio: ours_time / theirs_time,
            aim: "≤ 1.0",
            met: ours_time <= theirs_time,
        },
        Row {
            what: format!("ISO of {ours_size} MiB: peak memory"),
            ours: format!("{} MiB", peak(&ours) >> 20),
            peer: format!("xorriso: {} MiB", peak(&theirs) >> 20),
            ratio: peak(&ours) as f64 / peak(&theirs) as f64,
            aim: "≤ 1.0",
            met: peak(&ours) <= peak(&theirs),
        },
    ])
}

/// The image of the scenarios, with a large root: what is in it does not matter to an ISO, its digest does.
fn image(context: &Context) -> Result<std::path::PathBuf> {
    let hello = images::build(&context.bootwright, "hello", "hello")?;
    let directory = context.scratch.join("large");
    let root = directory.join("root.img");
    shell::run("copy the image", Command::new("cp").arg("-rT").arg(&hello).arg(&directory))?;
    let write = || -> std::io::Result<()> {
        let mut file = BufWriter::new(File::create(&root)?);
        let mut digester = ChunkDigester::new(size_for(ROOT));
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        for _ in 0..ROOT / 8 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            file.write_all(&state.to_le_bytes())?;
            digester.update(&state.to_le_bytes());
        }
        file.into_inner()?.sync_all()?;
        let (size, digest, chunks) = digester.finish();
        let (file, format) = ("root.img".to_owned(), RootFormat::Squashfs);
        let manifest = RootManifest { schema: 1, file, format, size, digest, chunks, verity: None };
        std::fs::write(directory.join("root.json"), manifest.to_bytes()?)
    };
    write().map_err(|error| format!("{}: {error}", root.display()))?;
    Ok(directory)
}

fn extract(iso: &Path, tree: &Path) -> Result<()> {
    if tree.exists() {
        std::fs::remove_dir_all(tree).map_err(|error| format!("{}: {error}", tree.display()))?;
    }
    let mut command = Command::new("xorriso");
    command
        .args(["-report_about", "SORRY", "-osirrox", "on", "-indev"])
        .arg(iso)
        .args(["-extract", "/"])
        .arg(tree);
    command.args(["-rollback_end"]);
    shell::run("take it apart", &mut command)?;
    shell::run("make it writable", Command::new("chmod").args(["-R", "u+w"]).arg(tree))
}

/// The same hybrid, by the options that grub-mkrescue uses.
fn xorriso(tree: &Path, output: &Path) -> Command {
    let script = r#"xorriso -as mkisofs -quiet -R -J -joliet-long -V BENCH -o "$2" \
        -b boot/grub/eltorito.img -no-emul-boot -boot-load-size 4 -boot-info-table --grub2-boot-info \
        --grub2-mbr /usr/lib/grub/i386-pc/boot_hybrid.img \
        -eltorito-alt-boot -e boot/efi.img -no-emul-boot -isohybrid-gpt-basdat "$1" && sync "$2""#;
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(tree).arg(output);
    command
}
