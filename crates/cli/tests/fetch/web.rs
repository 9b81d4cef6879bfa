//! A small web server of fixed answers, one thread for each connection, which writes down what it was asked.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What a path is answered with.
#[derive(Clone)]
pub enum Page {
    /// A file, by Range where that is asked for.
    File(Vec<u8>),
    /// A file, as much of it as is said, then the end of the connection.
    Cut(Vec<u8>, usize),
    /// A redirection.
    Redirect(String),
}

pub struct Web {
    pub port: u16,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Web {
    /// As [`Web::start`], at ::1.
    pub fn start_at_six(pages: &[(&str, Page)], missing: (u16, &str)) -> Self {
        Self::serve(TcpListener::bind(("::1", 0)).unwrap(), pages, missing)
    }

    /// Serves `pages`; any other path is answered with `missing`: status and text.
    pub fn start(pages: &[(&str, Page)], missing: (u16, &str)) -> Self {
        Self::serve(TcpListener::bind(("127.0.0.1", 0)).unwrap(), pages, missing)
    }

    fn serve(listener: TcpListener, pages: &[(&str, Page)], missing: (u16, &str)) -> Self {
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let pages: HashMap<String, Page> =
            pages.iter().map(|(path, page)| ((*path).to_owned(), page.clone())).collect();
        let (pages, missing) = (Arc::new(pages), (missing.0, missing.1.to_owned()));
        let log = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (pages, missing, log) = (Arc::clone(&pages), missing.clone(), Arc::clone(&log));
                std::thread::spawn(move || connection(stream, &pages, &missing, &log));
            }
        });
        Self { port, seen }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The first lines of all requests so far.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

fn connection(
    stream: TcpStream,
    pages: &HashMap<String, Page>,
    missing: &(u16, String),
    log: &Mutex<Vec<String>>,
) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    loop {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            match reader.read_line(&mut line) {
                Ok(1..) if line.trim_end().is_empty() => break,
                Ok(1..) => head.push(line.trim_end().to_owned()),
                _ => return,
            }
        }
        log.lock().unwrap().push(head[0].clone());
        let target = head[0].split(' ').nth(1).unwrap();
        // A proxy is asked for a whole URL.
        let path = target.strip_prefix("http://").and_then(|rest| rest.find('/').map(|at| &rest[at..]));
        let range =
            head.iter().find_map(|line| line.to_lowercase().strip_prefix("range: bytes=").map(str::to_owned));
        let answered = match pages.get(path.unwrap_or(target)) {
            Some(Page::File(bytes)) => file(&mut stream, bytes, range.as_deref()),
            Some(Page::Cut(bytes, length)) => {
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", bytes.len());
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&bytes[..*length]));
                return;
            }
            Some(Page::Redirect(to)) => {
                let text = format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
                stream.write_all(text.as_bytes())
            }
            None => {
                let (status, text) = missing;
                let text = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{text}", text.len());
                stream.write_all(text.as_bytes())
            }
        };
        if answered.is_err() {
            return;
        }
    }
}

fn file(stream: &mut TcpStream, bytes: &[u8], range: Option<&str>) -> std::io::Result<()> {
    let Some((first, last)) = range.and_then(|range| range.split_once('-')) else {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", bytes.len());
        return stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(bytes));
    };
    let first: usize = first.parse().unwrap();
    let last = last.parse().unwrap_or(bytes.len().saturating_sub(1));
    if first >= bytes.len() {
        let head =
            format!("HTTP/1.1 416 X\r\nContent-Range: bytes */{}\r\nContent-Length: 0\r\n\r\n", bytes.len());
        return stream.write_all(head.as_bytes());
    }
    let head = format!(
        "HTTP/1.1 206 X\r\nContent-Range: bytes {first}-{last}/{}\r\nContent-Length: {}\r\n\r\n",
        bytes.len(),
        last + 1 - first
    );
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&bytes[first..=last]))
}
