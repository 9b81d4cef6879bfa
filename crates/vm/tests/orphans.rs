//! A program that is killed leaves nothing of its labs behind.

#![allow(clippy::unwrap_used)] // a test may stop where it cannot go on

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bootwright_vm::Lab;

/// Tells the test binary to be the victim.
const VICTIM: &str = "BOOTWRIGHT_TEST_VICTIM";

#[test]
fn a_killed_program_leaves_no_process_in_its_lab() {
    if std::env::var_os(VICTIM).is_some() {
        return be_the_victim();
    }
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_killed_program_leaves_no_process_in_its_lab", "--nocapture"])
        .env(VICTIM, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines().map(Result::unwrap);
    let namespace = lines.find(|line| line.starts_with("net:[")).unwrap();
    // unshare, the holder and the three sleeps.
    assert!(processes_in(&namespace) >= 5, "{}", processes_in(&namespace));

    victim.kill().unwrap(); // SIGKILL: nothing of the victim runs any more.
    victim.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while processes_in(&namespace) > 0 {
        assert!(Instant::now() < deadline, "{} processes are left", processes_in(&namespace));
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn be_the_victim() {
    let lab = Lab::new().unwrap();
    // One that ignores what can be ignored, one with a child of its own.
    let script = "trap '' TERM INT HUP; setsid sleep 600 & sleep 600 & \
                  readlink /proc/self/ns/net; exec sleep 600";
    lab.command("sh").args(["-c", script]).status().unwrap();
}

fn processes_in(namespace: &str) -> usize {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let links = entries.filter_map(|entry| fs::read_link(entry.path().join("ns/net")).ok());
    links.filter(|link| link.as_os_str() == namespace).count()
}
