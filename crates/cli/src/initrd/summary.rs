//! What `initrd build` tells a person.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use bootwright_build::initrd::Report;

/// Prints sizes, and what could not be found.
pub fn print(path: &Path, report: &Report, time: Duration) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let Report { kernel, modules, firmware, compression, .. } = report;
    writeln!(
        out,
        "{}: {}, {} unpacked, {compression}",
        path.display(),
        size(report.size),
        size(report.unpacked)
    )?;
    writeln!(out, "  kernel    {kernel}")?;
    writeln!(out, "  modules   {modules}, {}", size(report.module_bytes))?;
    writeln!(out, "  firmware  {firmware} files, {}", size(report.firmware_bytes))?;
    writeln!(out, "  time      {:.2} s", time.as_secs_f64())?;
    if let Some(assumed) = &report.assumed {
        writeln!(out, "  note      {assumed}")?;
    }
    if !report.missing_firmware.is_empty() {
        writeln!(out, "Firmware that these modules may ask for and that was not found:")?;
        for (module, files) in by_module(report) {
            writeln!(out, "  {module}: {}", files.join(" "))?;
        }
    }
    Ok(())
}

fn by_module(report: &Report) -> BTreeMap<&str, Vec<&str>> {
    let mut modules: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for missing in &report.missing_firmware {
        for module in &missing.modules {
            modules.entry(module).or_default().push(&missing.file);
        }
    }
    modules
}

/// Bytes for people: `12.3 MB`, decimal.
pub fn size(bytes: u64) -> String {
    let bytes = bytes as f64;
    match bytes {
        _ if bytes >= 1e6 => format!("{:.1} MB", bytes / 1e6),
        _ if bytes >= 1e3 => format!("{:.1} kB", bytes / 1e3),
        _ => format!("{bytes} B"),
    }
}
