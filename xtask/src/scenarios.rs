//! The whole-machine scenarios of `e2e/`, two machines' worth at a time.
//!
//! Each file in `e2e/tests` is a test binary of its own: this runner starts two of them at once, prints
//! one line per scenario, and shows the whole output of one that failed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Instant;

use crate::shell::{self, cargo};
use crate::test::Scope;
use crate::{Result, images};

/// Scenarios that run at once: each has one or two machines under TCG, which take a core each.
const AT_ONCE: usize = 2;

/// The longest ones begin first, so that none of them is alone at the end.
const FIRST: &[&str] =
    &["disk_update", "disk_cache", "streamed_root", "surviving_seeder", "virtual_disks", "vm_"];

/// Scenarios, all of them long, of images that take minutes to make.
const CLOUD: &[&str] = &["cloud_disk"];
const SECTORS: &[&str] = &["disk_with_large_sectors"];
const KEPT: &[&str] = &["disk_cache", "disk_update", "disk_with_data"];

/// Builds the images that [`run`] needs.
pub fn build_images(bootwright: &Path, scope: Scope, names: &[&str]) -> Result<()> {
    images::build(bootwright, "hello", "hello")?;
    images::build_embedded(bootwright, "hello")?;
    images::build_media(bootwright, "hello")?;
    images::build_streamed(bootwright, "hello")?;
    let wanted = |scenarios: &[&str]| {
        let named = |name: &&str| scenarios.iter().any(|scenario| scenario.contains(*name));
        scope == Scope::All && (names.is_empty() || names.iter().any(named))
    };
    if wanted(CLOUD) {
        images::build(bootwright, "cloud", "cloud")?;
    }
    if wanted(SECTORS) {
        images::build_4kn(bootwright, "hello")?;
    }
    if wanted(KEPT) {
        images::build_kept(bootwright, "hello")?;
    }
    Ok(())
}

/// Runs every scenario whose name contains one of `names` (all, when empty).
pub fn run(bootwright: &Path, scope: Scope, names: &[&str]) -> Result<()> {
    let mut queue: Vec<_> = binaries()?
        .into_iter()
        .filter(|(name, _)| names.is_empty() || names.iter().any(|wanted| name.contains(wanted)))
        .collect();
    if queue.is_empty() {
        return Err(format!("no scenario has a name with {} in it", names.join(" or ")));
    }
    println!("── {} scenarios, {AT_ONCE} at a time", queue.len());
    queue.sort_by_key(|(name, _)| {
        FIRST.iter().position(|first| name.starts_with(first)).unwrap_or(FIRST.len())
    });
    queue.reverse();
    let queue = Mutex::new(queue);
    let failed = Mutex::new(Vec::new());
    let total = lock(&queue).len();
    std::thread::scope(|threads| {
        for _ in 0..AT_ONCE {
            threads.spawn(|| {
                loop {
                    let Some((name, binary)) = lock(&queue).pop() else { break };
                    // Kernels under TCG on a busy host sometimes miss a timer and panic: a scenario that fails
                    // has one more try, and what it said the first time stands above.
                    let again = || {
                        println!("   again           {name}");
                        one(bootwright, scope, &name, &binary)
                    };
                    if !one(bootwright, scope, &name, &binary) && !again() {
                        lock(&failed).push(name);
                    }
                }
            });
        }
    });
    let failed = lock(&failed);
    println!("{} passed, {} failed", total - failed.len(), failed.len());
    if failed.is_empty() { Ok(()) } else { Err(format!("failed scenarios: {}", failed.join(", "))) }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn one(bootwright: &Path, scope: Scope, name: &str, binary: &Path) -> bool {
    let start = Instant::now();
    let mut command = Command::new(binary);
    command.current_dir(shell::root().join("e2e"));
    command.env("BOOTWRIGHT_BIN", bootwright).env("BOOTWRIGHT_E2E_IMAGES", images::directory());
    command.args(["--test-threads", "1"]);
    if scope == Scope::All {
        command.arg("--include-ignored");
    }
    let result = command.output();
    let seconds = start.elapsed().as_secs();
    match result {
        Ok(output) if output.status.success() => {
            println!("   ok      {seconds:4} s  {name}");
            true
        }
        Ok(output) => {
            println!("   FAILED  {seconds:4} s  {name}");
            println!("{}", String::from_utf8_lossy(&output.stdout));
            println!("{}", String::from_utf8_lossy(&output.stderr));
            false
        }
        Err(error) => {
            println!("   FAILED  {name}: cannot start {}: {error}", binary.display());
            false
        }
    }
}

/// Name and path of every scenario's test binary.
fn binaries() -> Result<Vec<(String, PathBuf)>> {
    let mut build = cargo(images::INTEGRATION_TESTS);
    let messages = shell::output(build.args(["--message-format", "json"]))?;
    let package = shell::root().join("e2e/Cargo.toml");
    let mut found = Vec::new();
    for line in messages.lines() {
        let Ok(message) = serde_json::from_str::<serde_json::Value>(line) else { continue };
        let is_scenario = message["target"]["kind"][0] == "test"
            && message["manifest_path"].as_str().is_some_and(|path| Path::new(path) == package);
        if let (true, Some(binary)) = (is_scenario, message["executable"].as_str()) {
            let name = message["target"]["name"].as_str().unwrap_or_default();
            found.push((name.to_owned(), PathBuf::from(binary)));
        }
    }
    found.sort();
    Ok(found)
}
