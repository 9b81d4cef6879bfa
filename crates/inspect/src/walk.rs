//! From what one recogniser says to the whole tree.

use std::io;

use crate::bytes::printable;
use crate::check;
use crate::files::Files;
use crate::node::{Node, Severity};
use crate::packed::Budget;
use crate::recognise::{Found, Inner, Look, Part, recognise};
use crate::source::Source;

mod boot_files;
mod boots;

pub(crate) use boots::processor_of;

/// How much is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Depth {
    /// Headers and directories.
    #[default]
    Headers,
    /// Whole contents where they tell more: initrds are unpacked, digests compared.
    Deep,
}

/// What bounds the tree, whatever the bytes say.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The deepest nesting. A qcow2 with a GPT with an ESP with a UKI with an initrd is 6 deep.
    pub depth: usize,
    /// The most nodes of the whole tree.
    pub nodes: usize,
    /// The most children of one node.
    pub children: usize,
    /// The most bytes that all compressed files together are unpacked to; with [`Depth::Deep`] 256 times as
    /// many.
    pub unpacked: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { depth: 16, nodes: 2048, children: 256, unpacked: 256 << 20 }
    }
}

/// How many times as much is unpacked with [`Depth::Deep`].
pub(crate) const DEEPER: u64 = 256;

/// What is asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// How much is read.
    pub depth: Depth,
    /// What bounds the tree.
    pub limits: Limits,
}

/// The longest text of a section that is told whole.
const MAX_TOLD: usize = 16 << 10;

/// Says what `source` is. `path` is its name, `beside` what lies around it: the directory of a file.
///
/// # Errors
/// Only when the first bytes cannot be read. What fails further inside is a problem of a node.
pub fn inspect(
    source: &Source,
    path: &str,
    beside: Option<&dyn Files>,
    options: &Options,
) -> io::Result<Node> {
    let mut walk = Walk { left: options.limits.nodes, limits: options.limits };
    let deep = options.depth == Depth::Deep;
    let budget = Budget::new(options.limits.unpacked.saturating_mul(if deep { DEEPER } else { 1 }));
    let look = Look { path, beside, deep, unpack: Some(&budget) };
    let found = recognise(source, &look)?;
    let mut node = walk.inside(found, &look, 0);
    check::whole(&mut node);
    Ok(node)
}

struct Walk {
    /// Nodes that may still be made.
    left: usize,
    limits: Limits,
}

impl Walk {
    fn look_at(&mut self, source: &Source, look: &Look<'_>, depth: usize) -> Node {
        match recognise(source, look) {
            Ok(found) => self.inside(found, look, depth),
            Err(error) => {
                let mut node = Node::new("unreadable", "cannot be read", source.size());
                node.problem(
                    Severity::Error,
                    None,
                    format!("it cannot be read: {error}"),
                    "copy it again, whole",
                );
                node
            }
        }
    }

    fn inside(&mut self, found: Found, look: &Look<'_>, depth: usize) -> Node {
        self.left = self.left.saturating_sub(1);
        let Found { mut node, inner } = found;
        if depth >= self.limits.depth {
            if !matches!(inner, Inner::Nothing) {
                let what =
                    format!("it is nested more than {} deep: what is inside is not read", self.limits.depth);
                node.problem(Severity::Warning, None, what, "take it out with bootwright extract");
            }
            return node;
        }
        match inner {
            Inner::Nothing => {}
            Inner::Whole(source) => {
                let child = self.look_at(&source, look, depth + 1);
                node.children.push(child);
            }
            Inner::Parts(parts) => self.parts(&mut node, parts, look, depth),
            Inner::Files(files) => self.files(&mut node, &*files, look, depth),
            Inner::PartsAndFiles(parts, files) => {
                self.parts(&mut node, parts, look, depth);
                self.files(&mut node, &*files, look, depth);
            }
        }
        boots::gather(&mut node);
        check::node(&mut node);
        node
    }

    fn parts(&mut self, node: &mut Node, parts: Vec<Part>, look: &Look<'_>, depth: usize) {
        for part in parts.into_iter().filter(|part| part.node.kind != "code") {
            if self.left == 0 || node.children.len() >= self.limits.children {
                node.left_out += 1;
                continue;
            }
            let child = match part.node.kind {
                "text" => told(part),
                "picture" | "key" | "signature" => named(part),
                // It covers the whole disk, as in a hybrid ISO: within is the same again.
                "partition" if part.node.offset == Some(0) => named(part),
                _ => {
                    let inner = look.inner(&part.name, None);
                    let seen = self.look_at(&part.source, &inner, depth + 1);
                    merged(part, seen)
                }
            };
            node.children.push(child);
        }
    }

    fn files(&mut self, node: &mut Node, files: &dyn Files, look: &Look<'_>, depth: usize) {
        if node.kind == "initrd" {
            return;
        }
        let (paths, more) = match boot_files::find(files) {
            Ok(found) => found,
            Err(error) => {
                let what = format!("its directories cannot be read: {error}");
                node.problem(Severity::Error, None, what, "check it with the tools of its kind");
                return;
            }
        };
        node.left_out += more;
        for path in paths {
            if self.left == 0 || node.children.len() >= self.limits.children {
                node.left_out += 1;
                continue;
            }
            let mut child = match files.open(&path) {
                Ok(Some(source)) => {
                    let inner = look.inner(&path, Some(files));
                    self.look_at(&source, &inner, depth + 1)
                }
                Ok(None) => continue,
                Err(error) => {
                    let mut node = Node::new("unreadable", "cannot be read", 0);
                    let what = format!("it cannot be read: {error}");
                    node.problem(Severity::Error, None, what, "check the file system");
                    node
                }
            };
            child.name = Some(path);
            node.children.push(child);
        }
    }
}

/// A part as the whole describes it.
fn named(part: Part) -> Node {
    let mut node = part.node;
    node.name = Some(part.name);
    node
}

/// A part that is a text: it is told, as far as it is not too long.
fn told(part: Part) -> Node {
    let text = crate::bytes::read(&part.source, 0, MAX_TOLD);
    let mut node = named(part);
    if let Ok(text) = text {
        let lines = text
            .0
            .split(|&byte| byte == b'\n')
            .map(|line| printable(line.strip_suffix(b"\0").unwrap_or(line)));
        let lines: Vec<_> = lines.collect();
        node.text("text", lines.join("\n").trim_end_matches(['\n', '\u{fffd}']));
    }
    node
}

/// What the whole says of the part, and what the part itself is.
fn merged(part: Part, seen: Node) -> Node {
    let Part { name, node: mut outer, .. } = part;
    outer.name = Some(name);
    if matches!(seen.kind, "data" | "empty") {
        outer.problems.extend(seen.problems);
        if outer.kind == "partition" && !outer.what.is_empty() {
            outer.text("content", seen.what);
        }
        return outer;
    }
    if outer.kind == "partition" && !outer.what.is_empty() {
        outer.what = format!("{}: {}", outer.what, seen.what);
    } else {
        outer.what = seen.what;
    }
    outer.kind = seen.kind;
    outer.size = seen.size;
    let new = seen.facts.0.into_iter().filter(|(name, _)| outer.facts.get(name).is_none());
    let new: Vec<_> = new.collect();
    outer.facts.0.extend(new);
    outer.boots.extend(seen.boots);
    outer.needs.extend(seen.needs);
    outer.problems.extend(seen.problems);
    outer.children = seen.children;
    outer.left_out = seen.left_out;
    outer
}
