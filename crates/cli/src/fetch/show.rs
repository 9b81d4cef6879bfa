//! Progress on a terminal, failures always, and what was fetched at the end.

use std::io::{self, IsTerminal as _, Write as _};

use bootwright_fetch::Notice;
use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::done::{Fetched, Verified};

/// Shows how a download goes.
pub(super) struct Show {
    bar: ProgressBar,
    message: String,
    terminal: bool,
}

impl Show {
    /// A bar for `name`, which comes from so many sources; none when standard error is no terminal.
    pub(super) fn new(name: &str, sources: usize) -> Self {
        let terminal = io::stderr().is_terminal();
        let target = if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        let template = "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
        // The template is a constant; the default stands in for one that does not parse.
        bar.set_style(
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        let plural = if sources == 1 { "" } else { "s" };
        let message = format!("{name} from {sources} source{plural}");
        bar.set_message(message.clone());
        Self { bar, message, terminal }
    }

    /// Takes in what a download tells.
    pub(super) fn notice(&self, notice: &Notice<'_>) {
        match notice {
            Notice::Progress(progress) => {
                if progress.total > 0 {
                    self.bar.set_length(progress.total);
                }
                self.bar.set_position(progress.stored);
                if progress.peers > 0 {
                    self.bar.set_message(format!("{}, {} peers", self.message, progress.peers));
                }
            }
            Notice::Failed { failure, retry_in } => {
                let then = match retry_in {
                    Some(wait) => format!("again in {:.1} s", wait.as_secs_f32()),
                    None => "given up".to_owned(),
                };
                self.line(&format!("warning: {}; {then}", failure.explain()));
            }
        }
    }

    /// Says something without disturbing the bar.
    pub(super) fn line(&self, text: &str) {
        if self.terminal {
            self.bar.println(text);
        } else {
            eprintln!("{text}");
        }
    }
}

impl Drop for Show {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Tells what was fetched.
pub(super) fn tell(fetched: &Fetched, json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if json {
        return writeln!(out, "{}", serde_json::to_string(fetched)?);
    }
    let verified = match &fetched.verified {
        Verified::Manifest(url) => format!("verified by {url}"),
        Verified::Digest => "verified".to_owned(),
        Verified::Sums(url) => format!("verified by {url}"),
        Verified::Torrent(hash) => format!("verified by the torrent {hash} (SHA-1)"),
        Verified::Nobody => "NOT verified: no digest was given or found".to_owned(),
    };
    let (seconds, rate) = (fetched.took.as_secs_f64(), rate(fetched));
    let (file, size) = (fetched.file.display(), HumanBytes(fetched.size));
    let digest = fetched.digest.map(|digest| format!(", {digest}")).unwrap_or_default();
    writeln!(out, "{file}: {size} in {seconds:.1} s{rate}{digest}, {verified}")?;
    if let Some(unpacked) = &fetched.unpacked {
        writeln!(out, "  unpacked: {}, {}", HumanBytes(unpacked.size), unpacked.digest)?;
    }
    if fetched.sources.len() > 1 || fetched.kept > 0 || fetched.refused > 0 {
        for sent in &fetched.sources {
            writeln!(out, "  {:>12}  {}", HumanBytes(sent.bytes).to_string(), sent.source)?;
        }
        if fetched.kept > 0 {
            writeln!(out, "  {:>12}  nobody had to send", HumanBytes(fetched.kept).to_string())?;
        }
        if fetched.refused > 0 {
            writeln!(out, "  {} damaged chunks were refused", fetched.refused)?;
        }
    }
    Ok(())
}

fn rate(fetched: &Fetched) -> String {
    let moved = fetched.size.saturating_sub(fetched.kept);
    let rate = moved as f64 / fetched.took.as_secs_f64().max(0.001);
    if moved == 0 { String::new() } else { format!(" ({}/s)", HumanBytes(rate as u64)) }
}
