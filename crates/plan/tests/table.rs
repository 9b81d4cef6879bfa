//! docs/cmdline.md says what the readers do: its table is that of the code, and every example in it is read.

#![allow(clippy::unwrap_used)] // a test may stop where it cannot go on

use bootwright_plan::foreign::{self, System, Verdict, entries, table};
use bootwright_plan::{Instructions, Understood, explain};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/cmdline.md");
const BEGIN: &str = "<!-- The table of crates/plan/src/foreign.rs: a test keeps it so. -->\n";
const END: &str = "<!-- end of the table -->\n";

#[test]
fn the_page_has_the_table_of_the_code() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let (before, behind) = page.split_once(BEGIN).unwrap();
    let (found, after) = behind.split_once(END).unwrap();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        return std::fs::write(PAGE, [before, BEGIN, &table(), END, after].concat()).unwrap();
    }
    assert!(found == table(), "docs/cmdline.md has another table: run this test with UPDATE_DOCS=1");
}

#[test]
fn every_example_is_read_as_the_table_says() {
    for entry in entries() {
        let parameters = match entry.system {
            System::LiveBoot => format!("boot=live {}", entry.example),
            System::Casper => format!("boot=casper {}", entry.example),
            System::Systemd => format!("rd.systemd.pull=raw,machine:i:http://s/i {}", entry.example),
            System::Aria2 => format!("bootwright.compat=aria2 {}", entry.example),
            _ => entry.example.to_owned(),
        };
        let explanation = explain(&Instructions::combine(None, &parameters));
        let read = explanation.parameters.last().unwrap();
        let wanted = match entry.verdict {
            Verdict::Same | Verdict::Better => Understood::Used,
            Verdict::NotUnderstood => Understood::NoEffect,
        };
        assert_eq!(read.understood, wanted, "{}: {}", entry.example, read.text);
    }
}

#[test]
fn every_example_finds_its_own_entry() {
    for entry in entries() {
        let line = bootwright_image::cmdline::CommandLine::parse(entry.example);
        let found = foreign::find(&line.parameters[0]).unwrap();
        assert_eq!(found.key, entry.key, "{}", entry.example);
    }
}
