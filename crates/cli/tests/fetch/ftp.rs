//! From pyftpdlib, an FTP server that others wrote.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use bootwright_image::Digest;

use super::{NOT_FOUND, Page, Web, content, fetch, file, json, text};

/// Serves the directory it runs in at the address that it is given, to guests and to `user` with the password `pass`;
/// with a second argument, over TLS alone. Prints its port, then what it is told to do.
const SERVER: &str = "
import sys, logging
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler, TLS_FTPHandler
from pyftpdlib.servers import FTPServer
logging.disable(logging.CRITICAL)
authorizer = DummyAuthorizer()
authorizer.add_anonymous('.')
authorizer.add_user('user', 'p@ss', '.')
base = TLS_FTPHandler if len(sys.argv) > 2 else FTPHandler
class Handler(base):
    def pre_process_command(self, line, cmd, arg):
        print(line, flush=True)
        return super().pre_process_command(line, cmd, arg)
Handler.authorizer = authorizer
if len(sys.argv) > 2:
    Handler.certfile, Handler.keyfile = 'server.pem', 'server.key'
    Handler.tls_control_required = Handler.tls_data_required = True
server = FTPServer((sys.argv[1], 0), Handler)
print(server.socket.getsockname()[1], flush=True)
server.serve_forever()";

struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(place: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new("/usr/bin/python3");
        command.args(["-c", SERVER]).args(arguments).current_dir(place);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("install python3-pyftpdlib");
        let mut line = String::new();
        BufReader::with_capacity(1, child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        Self { child, port: line.trim().parse().expect("install python3-pyftpdlib and python3-openssl") }
    }

    /// The commands that it was told.
    fn stop(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        let told = BufReader::new(self.child.stdout.take().unwrap()).lines();
        told.map_while(Result::ok).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_file_comes_by_ftp_with_the_checksums_beside_it() {
    let (served, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let bytes = content(1, 700_000);
    std::fs::create_dir(served.path().join("d e")).unwrap();
    std::fs::write(served.path().join("d e/a.iso"), &bytes).unwrap();
    std::fs::write(served.path().join("d e/SHA256SUMS"), format!("{}  a.iso\n", Digest::of(&bytes).hex()))
        .unwrap();
    let server = Server::start(served.path(), &["127.0.0.1"]);
    // A part is there from before: it goes on where it was.
    std::fs::write(place.path().join("a.iso.part"), &bytes[..500_000]).unwrap();
    let url = format!("ftp://user:p%40ss@127.0.0.1:{}/d%20e/a.iso", server.port);
    let done = json(&fetch(place.path(), &[&url, "--json"]));
    assert_eq!(std::fs::read(place.path().join("a.iso")).unwrap(), bytes);
    assert_eq!((&done["kept"], &done["verified"]["by"]), (&500_000.into(), &"sums".into()));
    assert!(!done.to_string().contains("p%40ss"), "{done}");
    let output = fetch(place.path(), &[&url.replace("a.iso", "b.iso")]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(text(&output).contains("FTP answer 550"), "{}", text(&output));
    let output = fetch(place.path(), &[&url.replace("p%40ss", "wrong")]);
    assert!(text(&output).contains("FTP answer 530"), "{}", text(&output));
    let output = fetch(place.path(), &[&url.replace("a.iso", "a.iso%0d%0aDELE a.iso")]);
    assert!(text(&output).contains("control characters"), "{}", text(&output));
    let told = server.stop();
    assert!(
        told.iter().any(|line| line == "REST 500000") && told.iter().any(|line| line == "PASV"),
        "{told:?}"
    );
    assert!(!told.iter().any(|line| line.starts_with("DELE")), "{told:?}");
}

#[test]
fn ftp_by_ipv6_is_a_mirror_beside_http_and_chunks_come_from_both() {
    let (served, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let bytes = content(2, 3_000_000);
    std::fs::write(served.path().join("a.iso"), &bytes).unwrap();
    let mut make = Command::new("transmission-create");
    make.args(["-s", "32", "-o", "t.torrent", "a.iso"]).current_dir(served.path());
    assert!(make.status().unwrap().success());
    let server = Server::start(served.path(), &["::1"]);
    // The mirror breaks off after half of it.
    let web = Web::start(&[("/a.iso", Page::Cut(bytes.clone(), 1_500_000)), ("/b", file(b""))], NOT_FOUND);
    let torrent = served.path().join("t.torrent");
    let url = format!("ftp://[::1]:{}/a.iso", server.port);
    let arguments = [&url, "--torrent", torrent.to_str().unwrap(), "--mirror", &web.url("/a.iso"), "--json"];
    let done = json(&fetch(place.path(), &arguments));
    assert_eq!(std::fs::read(place.path().join("a.iso")).unwrap(), bytes);
    let sent = |at: usize| done["sources"][at]["bytes"].as_u64().unwrap();
    assert_eq!(sent(0) + sent(1), 3_000_000, "{done}");
    assert!(sent(0) > 0, "{done}");
    let told = server.stop();
    assert!(told.iter().any(|line| line == "EPSV"), "{told:?}");
}

#[test]
fn ftps_needs_a_certificate_that_is_believed() {
    let (served, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let bytes = content(3, 300_000);
    std::fs::write(served.path().join("a.iso"), &bytes).unwrap();
    super::tls::certificates(served.path());
    let server = Server::start(served.path(), &["127.0.0.1", "tls"]);
    let url = format!("ftps://127.0.0.1:{}/a.iso", server.port);
    let output = fetch(place.path(), &[&url]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    let authority = served.path().join("ca.pem");
    let output = Command::new(env!("CARGO_BIN_EXE_bootwright"))
        .args(["fetch", &url, "--digest", &Digest::of(&bytes).to_string()])
        .env("SSL_CERT_FILE", authority)
        .current_dir(place.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert_eq!(std::fs::read(place.path().join("a.iso")).unwrap(), bytes);
}
