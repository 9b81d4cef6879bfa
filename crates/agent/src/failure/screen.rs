//! The screen of a failed boot. Each thing that was tried is one line, however long: a screen breaks it, and who
//! searches the log of a serial line finds it whole.

use bootwright_image::timeline::{MachineId, What};
use bootwright_plan::boot;
use url::Url;

use super::Failure;

/// Columns of a rule: those of a VGA console.
const WIDTH: usize = 80;

/// Who failed, and who is told.
pub struct Context<'a> {
    /// The machine as the server knows it.
    pub machine: &'a MachineId,
    /// The image, when it is pinned.
    pub image: Option<&'a str>,
    /// Where the report goes.
    pub report: Option<&'a Url>,
}

/// The lines of the screen.
pub fn lines(failure: &Failure, context: &Context<'_>) -> Vec<String> {
    let rule = "=".repeat(WIDTH);
    let mut lines = vec![rule.clone(), format!("THE BOOT FAILED at: {}", failure.step().name())];
    lines.extend(failure.cause.lines().map(str::to_owned));
    for (what, title) in [
        (What::Interface, "tried interfaces"),
        (What::Source, "tried sources"),
        (What::Medium, "tried media"),
        (What::Other, "what else was seen"),
    ] {
        let mut told = failure.tried.iter().filter(|tried| tried.what == what).peekable();
        if told.peek().is_some() {
            lines.push(format!("{title}:"));
        }
        let indented = |line: &str| format!("  {line}");
        told.for_each(|tried| lines.extend(tried.text.lines().map(indented)));
    }
    lines.push(format!("what to do: {}", failure.step().advice()));
    lines.push(who(context));
    lines.push(rule);
    lines
}

fn who(Context { machine, image, report }: &Context<'_>) -> String {
    let mac = if machine.mac.is_empty() { "without a network card" } else { &machine.mac };
    let image = image.map(|name| format!(", image {name}")).unwrap_or_default();
    let report = report.map(|url| format!(", told to {}", boot::server_of(url))).unwrap_or_default();
    format!("machine {mac}{image}{report}")
}

#[cfg(test)]
mod tests {
    use bootwright_image::timeline::{Step, Tried};

    use super::*;

    #[test]
    fn a_screen_names_the_step_everything_tried_and_what_to_do() {
        let tried = |what, text: &str| Tried { what, text: text.into() };
        let failure = Failure::new("root.img could not be fetched").at(Step::Http).with([
            tried(What::Source, "http://10.0.0.1/images/a/root.img at 10.0.0.1:80: HTTP status 404"),
            tried(What::Interface, "eth0: 10.0.0.50/24 by DHCP from 10.0.0.1"),
        ]);
        let machine = MachineId { mac: "52:54:00:00:00:01".into(), ..MachineId::default() };
        let url = Url::parse("http://10.0.0.1/v1/report").unwrap();
        let told = lines(&failure, &Context { machine: &machine, image: Some("a"), report: Some(&url) });
        let at = |text: &str| told.iter().position(|line| line.contains(text)).unwrap();
        assert!(at("FAILED at: the answer of the server") < at("could not be fetched"));
        assert!(at("tried interfaces:") < at("eth0:") && at("tried sources:") < at("status 404"));
        assert_eq!(told[told.len() - 2], "machine 52:54:00:00:00:01, image a, told to 10.0.0.1");
    }
}
