//! What was built, for people.

use std::io::{self, Write as _};

use bootwright_build::steps::Report;
use indicatif::HumanBytes;

/// Prints what an image is made of and where it is.
pub fn print(report: &Report) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let manifest = &report.manifest;
    let os = manifest.os.as_deref().unwrap_or("a system without os-release");
    writeln!(out, "{}: {os}, Linux {}, {}", manifest.name, manifest.kernel, manifest.mode.name())?;
    for size in &report.sizes {
        writeln!(out, "  {:40} {:>12}", size.what, HumanBytes(size.bytes).to_string())?;
    }
    for artifact in &manifest.artifacts {
        let path = report.directory.join(&artifact.file);
        let bytes = HumanBytes(artifact.size).to_string();
        writeln!(out, "  {:40} {bytes:>12}  {}", path.display().to_string(), artifact.digest.short())?;
    }
    let seconds = report.milliseconds as f64 / 1000.0;
    let state = if report.unchanged { "is up to date" } else { "is built" };
    writeln!(out, "{} {state}, {seconds:.1} s", report.directory.display())
}
