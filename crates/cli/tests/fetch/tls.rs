//! HTTPS from nginx, which offers HTTP/2, directly and through tinyproxy.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use super::{content, text};

/// A program that ends with its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

fn start(program: &str, arguments: &[&str], place: &Path, port: u16) -> Running {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(place).stdout(Stdio::null()).stderr(Stdio::null());
    let child =
        command.spawn().unwrap_or_else(|error| panic!("{program}: {error}: see xtask/src/packages.rs"));
    let running = Running(child);
    let begun = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{program} does not answer");
        std::thread::sleep(Duration::from_millis(50));
    }
    running
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// `ca.pem`, and `server.pem` with `server.key` for 127.0.0.1.
pub fn certificates(place: &Path) {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    for (name, pem) in
        [("ca.pem", issuer.pem()), ("server.pem", certificate.pem()), ("server.key", key.serialize_pem())]
    {
        std::fs::write(place.join(name), pem).unwrap();
    }
}

fn nginx(place: &Path, port: u16) -> Running {
    let here = place.display();
    let configuration = format!(
        "user root; daemon off; pid {here}/pid; error_log {here}/errors;\nevents {{}}\nhttp {{\n\
         log_format protocol '$server_protocol $uri'; access_log {here}/access protocol;\n\
         client_body_temp_path {here}/t1; proxy_temp_path {here}/t2; fastcgi_temp_path {here}/t3;\n\
         uwsgi_temp_path {here}/t4; scgi_temp_path {here}/t5;\n\
         server {{ listen 127.0.0.1:{port} ssl http2; root {here}/www;\n\
         ssl_certificate {here}/server.pem; ssl_certificate_key {here}/server.key; }}\n}}\n"
    );
    let path = place.join("nginx.conf");
    std::fs::write(&path, configuration).unwrap();
    start("nginx", &["-e", "errors", "-c", path.to_str().unwrap()], place, port)
}

fn tinyproxy(place: &Path, port: u16, target: u16) -> Running {
    let log = place.join("proxy.log");
    let configuration = format!(
        "Port {port}\nListen 127.0.0.1\nAllow 127.0.0.1\nConnectPort {target}\nLogLevel Connect\nLogFile \"{}\"\n",
        log.display()
    );
    std::fs::write(place.join("proxy.conf"), configuration).unwrap();
    start("tinyproxy", &["-d", "-c", "proxy.conf"], place, port)
}

fn fetch(place: &Path, url: &str, environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bootwright"));
    for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    command.envs(environment.iter().copied()).args(["fetch", url]).current_dir(place).output().unwrap()
}

#[test]
fn http_2_is_spoken_directly_and_through_the_tunnel_of_a_proxy() {
    let place = tempfile::tempdir().unwrap();
    let bytes = content(11, 3_000_000);
    std::fs::create_dir(place.path().join("www")).unwrap();
    std::fs::write(place.path().join("www/a.iso"), &bytes).unwrap();
    certificates(place.path());
    let (server, proxy) = (free_port(), free_port());
    let _nginx = nginx(place.path(), server);
    let _tinyproxy = tinyproxy(place.path(), proxy, server);
    let url = format!("https://127.0.0.1:{server}/a.iso");
    let read = |name: &str| std::fs::read_to_string(place.path().join(name)).unwrap_or_default();

    let output = fetch(place.path(), &url, &[]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(text(&output).contains("certificate"), "{}", text(&output));

    let output = fetch(place.path(), &url, &[("SSL_CERT_FILE", "ca.pem")]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert_eq!(std::fs::read(place.path().join("a.iso")).unwrap(), bytes);
    assert!(read("access").contains("HTTP/2.0 /a.iso"), "{}", read("access"));

    std::fs::remove_file(place.path().join("a.iso")).unwrap();
    let by_proxy = format!("http://127.0.0.1:{proxy}");
    let environment = [("SSL_CERT_FILE", "ca.pem"), ("https_proxy", &by_proxy)];
    let output = fetch(place.path(), &url, &environment);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert_eq!(std::fs::read(place.path().join("a.iso")).unwrap(), bytes);
    assert!(read("proxy.log").contains(&format!("CONNECT 127.0.0.1:{server}")), "{}", read("proxy.log"));

    // A target that the proxy does not allow.
    let other = format!("https://127.0.0.1:{}/a.iso", free_port());
    let output = fetch(place.path(), &other, &environment);
    assert!(
        text(&output).contains(&format!("the proxy 127.0.0.1:{proxy} fails: CONNECT")),
        "{}",
        text(&output)
    );
    // One that is not to be asked does not matter.
    std::fs::remove_file(place.path().join("a.iso")).unwrap();
    let nowhere = [environment[0], ("https_proxy", "http://127.0.0.1:1"), ("no_proxy", "127.0.0.1")];
    let output = fetch(place.path(), &url, &nowhere);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
}
