//! What would be lost: partitions and file systems with their labels, as `bootwright inspect` knows them.

use std::sync::Arc;

use bootwright_inspect::{Cache, Limits, Node, Options, Source, inspect, size_text};

/// A table, and what is in its partitions: not the files in there.
const LIMITS: Limits = Limits { depth: 1, nodes: 300, children: 256, unpacked: 0 };

/// A line for the table and for each partition or file system.
pub fn describe(disk: impl bootwright_formats::ReadAt + 'static) -> Vec<String> {
    let source: Source = Arc::new(Cache::new(disk));
    let options = Options { limits: LIMITS, ..Options::default() };
    match inspect(&source, "", None, &options) {
        Ok(node) if matches!(node.kind, "empty" | "data") => Vec::new(),
        Ok(node) => {
            let table = matches!(node.kind, "gpt" | "mbr");
            let partitions = node.children.iter().filter(|_| table).map(partition);
            std::iter::once(named(&node)).chain(partitions).collect()
        }
        Err(error) => vec![format!("its first bytes cannot be read: {error}")],
    }
}

fn partition(node: &Node) -> String {
    let number = node.name.as_deref().unwrap_or_default();
    format!("partition {number}: {}, {}", size_text(node.size), named(node))
}

/// What it is, and what its owner called it.
fn named(node: &Node) -> String {
    let names = ["name", "label"].iter().filter_map(|fact| node.facts.text(fact));
    names.fold(node.what.clone(), |text, name| format!("{text} {name:?}"))
}
