//! What a build tells while it runs and when it is done.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use bootwright_image::Manifest;
use serde::Serialize;

/// The steps of a build, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// The root is fetched.
    Source,
    /// Kernel and modules are found.
    Kernel,
    /// The recipe's changes are made.
    Change,
    /// The recipe's script runs.
    Script,
    /// `root.img` is written.
    Root,
    /// Modules, firmware and agent are packed.
    Initrd,
    /// `image.efi` is put together.
    Uki,
    /// Disks and ISOs are written.
    Output,
    /// Everything is put in its place.
    Publish,
}

impl Step {
    /// One word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Kernel => "kernel",
            Self::Change => "change",
            Self::Script => "script",
            Self::Root => "root",
            Self::Initrd => "initrd",
            Self::Uki => "uki",
            Self::Output => "output",
            Self::Publish => "publish",
        }
    }
}

/// Whether a step had to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It was done.
    Done,
    /// An earlier result was taken.
    Cached,
}

/// A step that is over.
#[derive(Debug, Clone, Serialize)]
pub struct StepReport {
    /// Which.
    pub step: Step,
    /// Whether it had to be done.
    pub outcome: Outcome,
    /// What came of it, for people.
    pub detail: String,
    /// Bytes of what it made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// How long it took, in milliseconds.
    pub milliseconds: u128,
}

/// Hears how a build goes. Called from several threads.
pub trait Progress: Sync {
    /// A step begins; `what` says on what.
    fn begin(&self, step: Step, what: &str);
    /// `done` of `total` bytes are through.
    fn advance(&self, step: Step, done: u64, total: u64);
    /// A program says something.
    fn said(&self, step: Step, line: &str);
    /// A step is over.
    fn end(&self, report: &StepReport);
    /// Something deserves attention and does not stop the build.
    fn warn(&self, text: &str);
}

/// What a size is of.
#[derive(Debug, Clone, Serialize)]
pub struct Size {
    /// For people: `kernel`, `initrd: 312 modules`, …
    pub what: String,
    /// Bytes.
    pub bytes: u64,
}

/// What was built.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The image directory.
    pub directory: PathBuf,
    /// Whether the directory held this very image already.
    pub unchanged: bool,
    /// Its manifest.
    pub manifest: Manifest,
    /// Every step.
    pub steps: Vec<StepReport>,
    /// What makes up the image.
    pub sizes: Vec<Size>,
    /// What deserves attention.
    pub warnings: Vec<String>,
    /// How long it all took, in milliseconds.
    pub milliseconds: u128,
}

/// Keeps the books of one build and passes everything on.
pub(super) struct Log<'a> {
    progress: &'a dyn Progress,
    start: Instant,
    pub steps: Vec<StepReport>,
    pub warnings: Vec<String>,
}

impl<'a> Log<'a> {
    pub fn new(progress: &'a dyn Progress) -> Self {
        Self { progress, start: Instant::now(), steps: Vec::new(), warnings: Vec::new() }
    }

    pub fn progress(&self) -> &'a dyn Progress {
        self.progress
    }

    pub fn begin(&self, step: Step, what: &str) -> Instant {
        self.progress.begin(step, what);
        Instant::now()
    }

    pub fn end(&mut self, step: Step, began: Instant, outcome: Outcome, detail: String, bytes: Option<u64>) {
        let report = StepReport { step, outcome, detail, bytes, milliseconds: began.elapsed().as_millis() };
        self.progress.end(&report);
        self.steps.push(report);
    }

    pub fn warn(&mut self, text: String) {
        self.progress.warn(&text);
        self.warnings.push(text);
    }

    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}
