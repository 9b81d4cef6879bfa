//! `cargo xtask bench`: bootwright beside its peers, in one run, as ratios.
//!
//! Each measured line of `bench/README.md` is one file here that gives [`Row`]s. A row is a ratio of two
//! figures taken in the same run, never an absolute time alone.

mod agent;
mod convert;
mod dhcp;
mod erofs;
mod fetch;
mod fleet;
mod http;
mod initrd;
mod inspect;
mod iso;
mod kernel;
mod lab;
mod measure;
mod outputs;
mod root;
mod simulate;
mod stream;
mod systemd;
mod tftp;
mod uki;

use std::path::PathBuf;

use crate::images::Profile;
use crate::packages::{self, Need};
use crate::{Result, images, shell};

#[allow(unused_imports)]
pub use measure::{Usage, cpu_of, measure, median};

/// What every benchmark is given.
pub struct Context {
    /// The release binary; none for a benchmark that measures no program.
    pub bootwright: PathBuf,
    /// A scratch directory of this benchmark alone, kept between runs for downloads.
    pub scratch: PathBuf,
}

/// One measured line.
pub struct Row {
    /// What was measured: `UKI with a 512 MiB initrd: time`.
    pub what: String,
    /// Our figure with its unit.
    pub ours: String,
    /// The peer and its figure.
    pub peer: String,
    /// Ours divided by the peer's, or the other way round where more is better: the aim says which.
    pub ratio: f64,
    /// The aim in words: `≤ 2.0`.
    pub aim: &'static str,
    /// Whether the aim is met.
    pub met: bool,
}

type Benchmark = fn(&Context) -> Result<Vec<Row>>;

/// Name and function of every benchmark.
const BENCHMARKS: &[(&str, Benchmark)] = &[
    ("agent", agent::run),
    ("convert", convert::run),
    ("dhcp", dhcp::run),
    ("erofs", erofs::run),
    ("fetch", fetch::run),
    ("fleet", fleet::run),
    ("http", http::run),
    ("initrd", initrd::run),
    ("inspect", inspect::run),
    ("iso", iso::run),
    ("outputs", outputs::run),
    ("simulate", simulate::run),
    ("stream", stream::run),
    ("tftp", tftp::run),
    ("uki", uki::run),
];

/// What runs only by its name: it is the same on every machine, and takes long.
const BY_NAME: &[&str] = &["simulate"];

/// What measures no program, so that none is built for it.
const WITHOUT_PROGRAM: &[&str] = &["simulate"];

/// Runs the named benchmarks, all but [`BY_NAME`] when none is named, and prints their tables.
pub fn run(names: &[&str]) -> Result<()> {
    packages::install(Need::Bench)?;
    if let Some(unknown) = names.iter().find(|name| !BENCHMARKS.iter().any(|(known, _)| known == *name)) {
        let known: Vec<&str> = BENCHMARKS.iter().map(|(name, _)| *name).collect();
        return Err(format!("no benchmark {unknown}: there are {}", known.join(", ")));
    }
    let built = names.is_empty() || names.iter().any(|name| !WITHOUT_PROGRAM.contains(name));
    let bootwright = if built { images::bootwright(Profile::Release)? } else { PathBuf::new() };
    for (name, benchmark) in BENCHMARKS {
        let wanted = if names.is_empty() { !BY_NAME.contains(name) } else { names.contains(name) };
        if !wanted {
            continue;
        }
        let scratch = shell::root().join("target/bench").join(name);
        std::fs::create_dir_all(&scratch).map_err(|error| format!("{}: {error}", scratch.display()))?;
        println!("── bench {name}");
        let rows = benchmark(&Context { bootwright: bootwright.clone(), scratch })?;
        print!("{}", table(&rows));
    }
    Ok(())
}

/// The rows as the Markdown table that `bench/README.md` holds.
fn table(rows: &[Row]) -> String {
    let mut text = String::from("| what | ours | peer | ratio | aim | met |\n|---|---|---|---|---|---|\n");
    for row in rows {
        let met = if row.met { "yes" } else { "**no**" };
        text.push_str(&format!(
            "| {} | {} | {} | {:.2} | {} | {met} |\n",
            row.what, row.ours, row.peer, row.ratio, row.aim
        ));
    }
    text
}
