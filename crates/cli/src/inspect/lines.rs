//! Words on lines that are no wider than the terminal.

use bootwright_inspect::Node;

/// Puts colours into the heading that begins at `start`: they take no columns, so they come once lines are broken.
pub fn paint(out: &mut String, start: usize, node: &Node) {
    let mut heading = out.split_off(start);
    for (mark, colour) in [("[error]", "31"), ("[warning]", "33")] {
        if let Some(at) = heading.rfind(mark) {
            heading.replace_range(at..at + mark.len(), &format!("\x1b[{colour};1m{mark}\x1b[0m"));
        }
    }
    let name = node.name.as_deref().unwrap_or_default();
    // A name that was broken is found in no line, and stays as it is.
    if let Some(at) = heading.find(name).filter(|_| !name.is_empty()) {
        heading.replace_range(at..at + name.len(), &format!("\x1b[1m{name}\x1b[0m"));
    }
    out.push_str(&heading);
}

/// Items with a dot between them; one that does not fit starts a line, one that is too long for a line is
/// broken.
pub fn items(out: &mut String, indent: &str, items: &[String], width: usize) {
    let room = width.saturating_sub(indent.chars().count());
    let mut line = String::new();
    for item in items {
        let joined = if line.is_empty() { item.clone() } else { format!("{line} · {item}") };
        if joined.chars().count() > room && !line.is_empty() {
            put(out, indent, indent, &line, width);
            line.clone_from(item);
        } else {
            line = joined;
        }
    }
    if !line.is_empty() {
        put(out, indent, indent, &line, width);
    }
}

/// Puts words on lines of `width` columns. A word that is longer has a line of its own.
pub fn put(out: &mut String, first: &str, rest: &str, text: &str, width: usize) {
    let mut line = first.to_owned();
    let mut empty = true;
    for word in text.split(' ') {
        let room = width.saturating_sub(line.chars().count());
        if !empty && word.chars().count() + 1 > room {
            out.push_str(line.trim_end());
            out.push('\n');
            line = rest.to_owned();
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    out.push_str(line.trim_end());
    out.push('\n');
}
