//! What `--json` prints is what docs/inspect.md says: programs go by it.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::Arc;

use bootwright_inspect::{Depth, Options, Source, inspect};
use serde_json::{Map, Value, json};

const DOCUMENTATION: &str = include_str!("../../../docs/inspect.md");

/// Files of others that together have most that there is.
const FILES: [&[u8]; 9] = [
    include_bytes!("../../../fuzz/corpus/inspect/fit"),
    include_bytes!("../../../fuzz/corpus/inspect/uimage"),
    include_bytes!("../../../fuzz/corpus/inspect/boot-v4"),
    include_bytes!("../../../fuzz/corpus/inspect/vendor-v4"),
    include_bytes!("../../../fuzz/corpus/inspect/sparse"),
    include_bytes!("../../../fuzz/corpus/inspect/wim"),
    include_bytes!("../../../fuzz/corpus/inspect/signed.efi"),
    include_bytes!("../../../fuzz/corpus/inspect/kernel.xz"),
    include_bytes!("../../../fuzz/corpus/disk/child.qcow2"),
];

fn told(bytes: &[u8]) -> Value {
    let source: Source = Arc::new(bytes.to_vec());
    let options = Options { depth: Depth::Deep, ..Options::default() };
    serde_json::to_value(inspect(&source, "file", None, &options).unwrap()).unwrap()
}

/// Whether the table of fields has it.
fn has_field(name: &str) -> bool {
    DOCUMENTATION.lines().any(|line| line.starts_with(&format!("| `{name}` |")))
}

fn check(node: &Map<String, Value>) {
    for (name, value) in node {
        assert!(has_field(name), "docs/inspect.md has no field {name}");
        let right = match name.as_str() {
            "name" | "kind" | "what" => value.is_string(),
            "offset" | "size" | "left_out" => value.is_u64(),
            "facts" => value.as_object().is_some_and(|facts| facts.values().all(fact)),
            _ => value.is_array(),
        };
        assert!(right, "{name}: {value}");
    }
    let kind = node["kind"].as_str().unwrap();
    let kinds = DOCUMENTATION.split("\nKinds:").nth(1).unwrap().split("\n\n").next().unwrap();
    assert!(kinds.contains(&format!("`{kind}`")), "docs/inspect.md has no kind {kind}");
    for child in node.get("children").and_then(Value::as_array).into_iter().flatten() {
        check(child.as_object().unwrap());
    }
}

fn fact(value: &Value) -> bool {
    match value {
        Value::String(_) | Value::Bool(_) => true,
        Value::Number(number) => number.is_u64(),
        Value::Array(texts) => texts.iter().all(Value::is_string),
        _ => false,
    }
}

#[test]
fn every_field_and_kind_is_in_the_documentation() {
    for file in FILES {
        let node = told(file);
        check(node.as_object().unwrap());
        // What is cut off has problems, which have fields of their own.
        check(told(&file[..file.len() * 2 / 3]).as_object().unwrap());
    }
}

#[test]
fn an_answer_stays_what_programs_know() {
    let node = told(include_bytes!("../../../fuzz/corpus/inspect/boot-v4"));
    let expected = json!({
        "kind": "android-boot",
        "what": "Android boot image, version 4",
        "size": 12288,
        "facts": {
            "command_line": "quiet splash",
            "Android_version": "14.0.0, patches of 2024-05",
            "page_size": 4096,
        },
        "boots": [{ "firmware": "android", "starts": "the file itself" }],
        "children": [
            { "name": "kernel", "kind": "text", "what": "text", "offset": 4096, "size": 111 },
            { "name": "ramdisk", "kind": "text", "what": "text", "offset": 8192, "size": 124 },
        ],
    });
    assert_eq!(node, expected);
    let node = told(&include_bytes!("../../../fuzz/corpus/inspect/wim")[..2000]);
    let problem = json!([{
        "severity": "error",
        "offset": 72,
        "what": node["problems"][0]["what"],
        "do": "copy it again, whole",
    }]);
    assert_eq!(node["problems"], problem);
}
