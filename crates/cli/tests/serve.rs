//! `bootwright serve` as an operator runs it: on loopback, without DHCP, with curl as the client.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const REPORT: &str =
    r#"{"machine":{"mac":"52:54:00:00:00:01"},"events":[{"stage":"system","text":"the system is up"}]}"#;

/// A PE file with a section `.linux`, and the manifest that lists it.
fn image(place: &Path) {
    let mut uki = vec![0; 4096];
    uki[..2].copy_from_slice(b"MZ");
    uki[0x3c] = 0x40;
    uki[0x40..0x44].copy_from_slice(b"PE\0\0");
    (uki[0x46], uki[0x54]) = (1, 112);
    uki[0x58..0x5a].copy_from_slice(&[0x0b, 0x02]);
    let section = 0x58 + 112;
    uki[section..section + 6].copy_from_slice(b".linux");
    for (at, value) in [(8, 6u32), (16, 4096), (20, 4096)] {
        uki[section + at..section + at + 4].copy_from_slice(&value.to_le_bytes());
    }
    uki.extend(b"kernel");
    uki.resize(8192, 0);
    std::fs::write(place.join("image.efi"), &uki).unwrap();
    let digest = format!("sha256:{}", "0".repeat(64));
    let manifest = serde_json::json!({
        "schema": 1, "name": "worker_1", "architecture": "x86_64", "mode": "ram", "kernel": "6", "created": 0,
        "artifacts": [{"file": "image.efi", "kind": "uki", "size": uki.len(), "digest": digest}],
    });
    std::fs::write(place.join("image.json"), manifest.to_string()).unwrap();
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

fn serve(place: &Path, port: u16) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bootwright"));
    command.arg("serve").arg(place.join("image")).args(["--interface", "lo", "--dhcp", "off"]);
    command.args(["--http-port", &port.to_string(), "--state"]).arg(place.join("state"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn curl(port: u16, path: &str, more: &[&str]) -> Output {
    let url = format!("http://127.0.0.1:{port}{path}");
    let output = Command::new("curl").args(["-sf", "--max-time", "5"]).args(more).arg(url).output();
    output.expect("these tests need the package curl")
}

fn started(place: &Path, port: u16) -> Child {
    let child = serve(place, port).spawn().unwrap();
    let begun = Instant::now();
    while !curl(port, "/v1/health", &[]).status.success() {
        assert!(begun.elapsed() < Duration::from_secs(20), "the server does not answer");
        std::thread::sleep(Duration::from_millis(50));
    }
    child
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args(["-s", name, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

/// A temporary directory that any user may look into: the server becomes another one.
fn place() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    let place = tempfile::tempdir().unwrap();
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::create_dir(place.path().join("image")).unwrap();
    image(&place.path().join("image"));
    place
}

#[test]
fn a_server_that_is_killed_remembers_its_machines_and_ends_when_it_is_told() {
    let (place, port) = (place(), free_port());
    let mut first = started(place.path(), port);
    assert_eq!(curl(port, "/images/worker_1/image.efi/linux", &[]).stdout, b"kernel");
    assert!(curl(port, "/v1/report", &["-d", REPORT]).status.success());
    // Timelines are written every second.
    std::thread::sleep(Duration::from_millis(2500));
    first.kill().unwrap();
    first.wait().unwrap();
    let second = started(place.path(), port);
    let machine = curl(port, "/v1/machines/52:54:00:00:00:01", &[]).stdout;
    assert!(String::from_utf8_lossy(&machine).contains("the system is up"));
    signal(&second, "TERM");
    let output = second.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("serves worker_1 at http://127.0.0.1:") && said.ends_with("stopped\n"), "{said}");
}

#[test]
fn a_running_server_has_no_privileges_whoever_started_it() {
    let (place, port) = (place(), free_port());
    let mut server = started(place.path(), port);
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap();
    server.kill().unwrap();
    server.wait().unwrap();
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim();
    assert_eq!((field("CapEff:"), field("NoNewPrivs:")), ("0000000000000000", "1"));
    let one_user = map.split_ascii_whitespace().nth(2) == Some("1");
    assert!(one_user || !field("Uid:").starts_with("0\t"), "{status}");
}

#[test]
fn a_second_server_on_the_port_says_who_to_look_for() {
    let (place, port) = (place(), free_port());
    let mut first = started(place.path(), port);
    let second = serve(place.path(), port).output().unwrap();
    first.kill().unwrap();
    first.wait().unwrap();
    assert_eq!(second.status.code(), Some(3));
    let said = String::from_utf8_lossy(&second.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("is taken by another program") && said.contains("ss -ltnp"), "{said}");
}

#[test]
fn exit_status_tells_a_wrong_option_from_a_broken_image() {
    let place = place();
    let code = |more: &[&str]| serve(place.path(), 1).args(more).output().unwrap().status.code();
    assert_eq!(code(&["--range", "127.0.0.5-127.0.0.9"]), Some(2));
    assert_eq!(code(&["--interface", "absent0"]), Some(2));
    assert_eq!(code(&["--assign", "bios=absent"]), Some(2));
    std::fs::write(place.path().join("image/image.efi"), "x").unwrap();
    assert_eq!(code(&[]), Some(1));
}
