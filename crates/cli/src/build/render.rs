//! Progress on standard error: bars on a terminal, a line for each finished step otherwise.

use std::io::IsTerminal as _;

use bootwright_build::steps::{Outcome, Progress, Step, StepReport};
use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Shows how a build goes.
pub struct Render {
    bar: ProgressBar,
    terminal: bool,
}

impl Render {
    /// Bars when standard error is a terminal.
    pub fn new() -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bar = ProgressBar::new_spinner();
        bar.set_draw_target(if terminal {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        });
        Self { bar, terminal }
    }

    /// Takes the bar off the screen.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn line(&self, text: &str) {
        if self.terminal {
            self.bar.println(text);
        } else {
            eprintln!("{text}");
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    // The templates are constants of this file; the default stands in for one that does not parse.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

impl Progress for Render {
    fn begin(&self, step: Step, what: &str) {
        self.bar.reset();
        self.bar.set_style(style("{spinner} {prefix:8} {wide_msg} {elapsed}"));
        self.bar.set_prefix(step.name());
        self.bar.set_message(what.to_owned());
        self.bar.enable_steady_tick(std::time::Duration::from_millis(120));
    }

    fn advance(&self, _step: Step, done: u64, total: u64) {
        self.bar.set_style(style("{spinner} {prefix:8} {msg} {wide_bar} {bytes}/{total_bytes} {elapsed}"));
        self.bar.set_length(total);
        self.bar.set_position(done.min(total));
    }

    fn said(&self, _step: Step, line: &str) {
        self.bar.set_message(line.to_owned());
        tracing::debug!(line);
    }

    fn end(&self, report: &StepReport) {
        let bytes = report.bytes.map(|bytes| HumanBytes(bytes).to_string()).unwrap_or_default();
        let time = match report.outcome {
            Outcome::Done => format!("{:.1} s", report.milliseconds as f64 / 1000.0),
            Outcome::Cached => "kept".to_owned(),
        };
        self.line(&format!("{:8} {bytes:>12} {time:>8}  {}", report.step.name(), report.detail));
    }

    fn warn(&self, text: &str) {
        self.line(&format!("warning: {text}"));
    }
}
