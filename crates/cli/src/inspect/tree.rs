//! A node for people: verdict and problems first, then the tree.

use std::io::IsTerminal as _;

use bootwright_inspect::{Node, Severity, Value, size_text};

use super::here::Machine;
use super::lines::{items, paint, put};

/// How it is printed.
pub struct Style {
    /// Columns.
    pub width: usize,
    /// Whether problems are coloured.
    pub colour: bool,
    /// Whether all facts are told of what is inside, too.
    pub verbose: bool,
}

impl Style {
    /// As standard output wants it.
    pub fn of_terminal() -> Self {
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { width: super::width(), colour, verbose: false }
    }
}

/// Facts that are told of what is inside only when everything is asked for.
const DETAILS: &[&str] = &[
    "features",
    "flags",
    "block size",
    "inodes",
    "made",
    "file system size",
    "partition uuid",
    "attributes",
    "version",
    "boot protocol",
    "longest command line",
    "EFI handover",
    "architecture",
    "sector size",
    "node size",
    "checksum",
    "disk guid",
    "segments",
    "hash block size",
    "data block size",
    "type",
    "SBAT",
    "page size",
    "cluster size",
    "used",
    "last mounted on",
    "clusters",
    "content",
    "carries its configuration",
    "signed by",
    "signer",
    "issuer",
    "key",
    "algorithm",
    "digest",
];

/// The most needs at the top.
const MAX_NEEDS: usize = 8;

/// The whole text.
pub fn render(name: &str, node: &Node, style: &Style) -> String {
    let mut out = String::new();
    put(&mut out, "", "", &format!("{name}: {}, {}", node.what, size_text(node.size)), style.width);
    problems(&mut out, node, style);
    summary(&mut out, node, style);
    let facts: Vec<_> = node.facts.0.iter().map(|(name, value)| (*name, value)).collect();
    let column = facts.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).min(28);
    for (name, value) in facts {
        put(&mut out, &format!("  {name:column$}  "), &" ".repeat(column + 4), &told(value), style.width);
    }
    if !node.children.is_empty() {
        out.push('\n');
    }
    children(&mut out, node, "", style);
    out
}

fn problems(out: &mut String, node: &Node, style: &Style) {
    let all = node.all_problems();
    if all.is_empty() {
        return;
    }
    for (address, problem) in all {
        let (word, colour) = match problem.severity {
            Severity::Error => ("error", "31"),
            Severity::Warning => ("warning", "33"),
            Severity::Note => ("note", "36"),
        };
        let shown =
            if style.colour { format!("\x1b[{colour};1m{word:8}\x1b[0m") } else { format!("{word:8}") };
        let place = match (address.as_str(), problem.offset) {
            ("", None) => String::new(),
            ("", Some(offset)) => format!("byte {offset}: "),
            (address, None) => format!("{address}: "),
            (address, Some(offset)) => format!("{address}, byte {offset}: "),
        };
        let first = out.len();
        put(out, "  ~~~~~~~~  ", "            ", &format!("{place}{}", problem.what), style.width);
        // The colour takes no columns, so it is put in once the lines are broken.
        out.replace_range(first + 2..first + 10, &shown);
        if !problem.remedy.is_empty() {
            put(out, "            → ", "              ", &problem.remedy, style.width);
        }
    }
    out.push('\n');
}

/// How it boots and what it needs, from the whole tree.
fn summary(out: &mut String, node: &Node, style: &Style) {
    for (number, boot) in node.boots.iter().enumerate() {
        let label = if number == 0 { "  boots     " } else { "            " };
        let on = boot.architecture.as_ref().map(|name| format!(" on {name}")).unwrap_or_default();
        put(out, label, "            ", &format!("by {}{on}: {}", boot.firmware, boot.starts), style.width);
    }
    if let Some(verdict) = Machine::this().and_then(|machine| machine.verdict(node)) {
        put(out, "  here      ", "            ", &verdict, style.width);
    }
    let mut needs = Vec::new();
    collect(node, &mut needs);
    let more = needs.len().saturating_sub(MAX_NEEDS);
    for (number, need) in needs.iter().take(MAX_NEEDS).enumerate() {
        put(
            out,
            if number == 0 { "  needs     " } else { "            " },
            "              ",
            need,
            style.width,
        );
    }
    if more > 0 {
        put(out, "            ", "", &format!("and {more} more, see --json"), style.width);
    }
    if !node.boots.is_empty() || !needs.is_empty() {
        out.push('\n');
    }
}

fn collect<'a>(node: &'a Node, needs: &mut Vec<&'a str>) {
    for need in &node.needs {
        if !needs.contains(&need.as_str()) {
            needs.push(need);
        }
    }
    node.children.iter().for_each(|child| collect(child, needs));
}

fn children(out: &mut String, node: &Node, indent: &str, style: &Style) {
    let last = node.children.len().saturating_sub(1);
    for (number, child) in node.children.iter().enumerate() {
        let end = number == last && node.left_out == 0;
        let (branch, below) = if end { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        let inner = format!("{indent}{below}");
        let through = if child.children.is_empty() { "   " } else { "│  " };
        let rest = format!("{inner}{through}");
        let start = out.len();
        put(out, &format!("{indent}{branch}"), &rest, &heading(child), style.width);
        if style.colour {
            paint(out, start, child);
        }
        facts(out, child, &rest, style);
        children(out, child, &inner, style);
    }
    if node.left_out > 0 {
        put(
            out,
            &format!("{indent}└─ "),
            indent,
            &format!("and more that is not shown ({})", node.left_out),
            style.width,
        );
    }
}

/// Name, what it is, how large, and a mark when something is wrong with it.
fn heading(node: &Node) -> String {
    let name = node.name.as_deref().map(|name| format!("{name}  ")).unwrap_or_default();
    let worst = node.problems.iter().map(|problem| problem.severity).max();
    let mark = match worst {
        Some(Severity::Error) => "  [error]",
        Some(Severity::Warning) => "  [warning]",
        _ => "",
    };
    match (node.kind, node.facts.text("text")) {
        ("text", Some(text)) if !text.contains('\n') => format!("{name}{text}{mark}"),
        _ => format!("{name}{}, {}{mark}", node.what, size_text(node.size)),
    }
}

/// The facts of something inside, on as few lines as they take.
fn facts(out: &mut String, node: &Node, indent: &str, style: &Style) {
    let shown = |name: &&str| style.verbose || !DETAILS.contains(name);
    let mut line: Vec<String> = Vec::new();
    for (name, value) in &node.facts.0 {
        if !shown(name) || (node.kind == "text" && *name == "text") {
            continue;
        }
        // What is said by the name alone.
        let text = match value {
            Value::Flag(true) => (*name).to_owned(),
            Value::Flag(false) => format!("not {name}"),
            value => format!("{name} {}", told(value)),
        };
        line.push(text);
    }
    items(out, indent, &line, style.width);
}

/// One line of it: line ends become blanks.
fn told(value: &Value) -> String {
    value.to_string().replace('\n', " ⏎ ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_come_first_and_no_line_is_too_wide() {
        let mut top = Node::new("gpt", "disk with a GPT", 1 << 30);
        let mut part = Node::new("ext4", "Linux: ext4 file system", 1 << 20);
        part.name = Some("1".into());
        part.text("label", "root").text("uuid", "0011");
        part.list("features", vec!["feature".into(); 30]);
        part.problem(
            Severity::Error,
            1024,
            "it is broken in a way that takes some words to say ".repeat(2),
            "mend it",
        );
        top.children.push(part);
        let style = Style { width: 60, colour: false, verbose: true };
        let text = render("disk.img", &top, &style);
        assert!(text.lines().all(|line| line.chars().count() <= 60), "{text}");
        assert!(
            text.starts_with("disk.img: disk with a GPT, 1 GiB\n  error     1, byte 1024: it is"),
            "{text}"
        );
        assert!(text.contains("└─ 1  Linux: ext4 file system, 1 MiB  [error]"), "{text}");
        // Colours change nothing but colours.
        let coloured = render("disk.img", &top, &Style { colour: true, ..style });
        assert!(coloured.contains("└─ \x1b[1m1\x1b[0m  Linux"), "{coloured}");
        let plain =
            ["\x1b[31;1m", "\x1b[1m", "\x1b[0m"].iter().fold(coloured, |text, code| text.replace(code, ""));
        assert_eq!(plain, text);
    }
}
