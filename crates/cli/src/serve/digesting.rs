//! Shows that a single file is read for the first time: a bar on a terminal, else one line.

use std::io::IsTerminal as _;
use std::path::Path;

use bootwright_serve::images::{Digesting, OnDigest};
use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What is told of each MiB. Draws in the thread that reads: the server has no other yet.
pub(super) fn show() -> Box<OnDigest> {
    let terminal = std::io::stderr().is_terminal();
    let target = if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(0), target);
    let template = "reads {msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
    // The template is a constant; the default stands in for one that does not parse.
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    Box::new(move |Digesting { path, done, total }| {
        if done == 0 {
            let name = path.file_name().unwrap_or_default();
            bar.reset();
            bar.set_length(total);
            bar.set_message(Path::new(name).display().to_string());
            if !terminal {
                eprintln!("reads {} once, {}", path.display(), HumanBytes(total));
            }
        }
        bar.set_position(done);
        if done == total {
            bar.finish_and_clear();
        }
    })
}
