//! The fixed newstyle negotiation of NBD (doc/proto.md of the nbd project). Integers are big-endian.
//!
//! ```text
//! server  NBDMAGIC │ IHAVEOPT │ flags, 2
//! client  flags, 4 │ IHAVEOPT │ option, 4: NBD_OPT_GO │ length, 4 │ name length, 4 │ name │ 1, 2 │ NBD_INFO_BLOCK_SIZE, 2
//! server  reply magic, 8 │ option, 4 │ kind, 4 │ length, 4 │ …       NBD_REP_INFO as often as it likes, NBD_REP_ACK
//! ```
//!
//! An old server that knows no NBD_OPT_GO is asked by NBD_OPT_EXPORT_NAME. Not supported: TLS, structured replies, the
//! oldstyle negotiation.

use std::io::{self, Read, Write};

const MAGIC: u64 = u64::from_be_bytes(*b"NBDMAGIC");
const OPTION_MAGIC: u64 = u64::from_be_bytes(*b"IHAVEOPT");
const OLDSTYLE: u64 = 0x0000_4202_8186_1253;
const REPLY_MAGIC: u64 = 0x0003_e889_0455_65a9;

/// NBD_FLAG_FIXED_NEWSTYLE and NBD_FLAG_NO_ZEROES, of both sides.
const FIXED_NEWSTYLE: u16 = 1;
const NO_ZEROES: u16 = 2;

const EXPORT_NAME: u32 = 1;
const GO: u32 = 7;

const ACK: u32 = 1;
const INFO: u32 = 3;
const ERROR: u32 = 1 << 31;
const UNSUPPORTED: u32 = ERROR + 1;
const TLS_REQUIRED: u32 = ERROR + 5;
const UNKNOWN: u32 = ERROR + 6;

const INFO_EXPORT: u16 = 0;
const INFO_BLOCK_SIZE: u16 = 3;

/// The longest reply: text for people, or a few numbers.
const MAX_REPLY: u32 = 64 << 10;
/// Replies to one option: a server that goes on talking says nothing.
const MAX_REPLIES: u32 = 64;
/// What stands behind the answer to NBD_OPT_EXPORT_NAME where NO_ZEROES is not agreed on.
const ZEROES: usize = 124;
/// The largest block that Linux takes on any machine.
const MAX_BLOCK: u32 = 4096;
/// The smallest: a sector.
const SECTOR: u32 = 512;

/// What the server has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Export {
    /// Bytes.
    pub size: u64,
    /// NBD_FLAG_*: transmission flags.
    pub flags: u16,
    /// Bytes of a block, at least.
    pub block: u32,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The connection broke, or nobody answered.
    #[error("the negotiation of NBD: {0}")]
    Io(#[from] io::Error),
    /// It is another program.
    #[error("the server does not speak NBD: it begins with {0:#018x}")]
    NotNbd(u64),
    /// It is a very old one.
    #[error("the server speaks an NBD from before 2010 (oldstyle): a newer one is needed")]
    Oldstyle,
    /// A reply that is none.
    #[error("the server's reply is malformed: {0}")]
    Malformed(&'static str),
    /// It says no.
    #[error("the server refuses the export {export:?}: {why}")]
    Refused {
        /// As it was asked for.
        export: String,
        /// What it says.
        why: String,
    },
    /// It cannot be used.
    #[error("the export has blocks of {0} bytes: Linux takes up to {MAX_BLOCK}")]
    Block(u32),
}

/// Agrees with the server at the other end of `stream` on `export`.
pub fn negotiate(stream: &mut (impl Read + Write), export: &str) -> Result<Export, HandshakeError> {
    let magic = u64::from_be_bytes(bytes(stream)?);
    if magic != MAGIC {
        return Err(HandshakeError::NotNbd(magic));
    }
    match u64::from_be_bytes(bytes(stream)?) {
        OPTION_MAGIC => {}
        OLDSTYLE => return Err(HandshakeError::Oldstyle),
        _ => return Err(HandshakeError::Malformed("it offers no options")),
    }
    let flags = u16::from_be_bytes(bytes(stream)?) & (FIXED_NEWSTYLE | NO_ZEROES);
    stream.write_all(&u32::from(flags).to_be_bytes())?;
    if flags & FIXED_NEWSTYLE != 0
        && let Some(found) = go(stream, export)?
    {
        return Ok(found);
    }
    by_name(stream, export, flags)
}

/// `None` where the server does not know this option.
fn go(stream: &mut (impl Read + Write), export: &str) -> Result<Option<Export>, HandshakeError> {
    let mut data = Vec::new();
    data.extend_from_slice(&(export.len() as u32).to_be_bytes());
    data.extend_from_slice(export.as_bytes());
    data.extend_from_slice(&1_u16.to_be_bytes());
    data.extend_from_slice(&INFO_BLOCK_SIZE.to_be_bytes());
    send(stream, GO, &data)?;
    let (mut told, mut block) = (None, SECTOR);
    for _ in 0..MAX_REPLIES {
        let (kind, data) = reply(stream)?;
        match kind {
            INFO => match info(&data) {
                Some(Info::Export(size, flags)) => told = Some((size, flags)),
                Some(Info::Block(minimum)) => block = minimum.max(SECTOR),
                None => {}
            },
            ACK => {
                let (size, flags) = told.ok_or(HandshakeError::Malformed("it agrees and tells no size"))?;
                if block > MAX_BLOCK || !block.is_power_of_two() {
                    return Err(HandshakeError::Block(block));
                }
                return Ok(Some(Export { size, flags, block }));
            }
            UNSUPPORTED => return Ok(None),
            ERROR.. => {
                let text = String::from_utf8_lossy(&data).trim().to_owned();
                let why = match kind {
                    _ if !text.is_empty() => text,
                    UNKNOWN => "it has none of that name".to_owned(),
                    TLS_REQUIRED => "it wants TLS, which is not supported".to_owned(),
                    other => format!("error {}", other - ERROR),
                };
                return Err(HandshakeError::Refused { export: export.to_owned(), why });
            }
            _ => return Err(HandshakeError::Malformed("of an unknown kind")),
        }
    }
    Err(HandshakeError::Malformed("it does not end"))
}

enum Info {
    Export(u64, u16),
    Block(u32),
}

fn info(data: &[u8]) -> Option<Info> {
    let (kind, rest) = data.split_first_chunk::<2>()?;
    match u16::from_be_bytes(*kind) {
        INFO_EXPORT => {
            let (size, rest) = rest.split_first_chunk::<8>()?;
            let flags = rest.first_chunk::<2>()?;
            Some(Info::Export(u64::from_be_bytes(*size), u16::from_be_bytes(*flags)))
        }
        INFO_BLOCK_SIZE => Some(Info::Block(u32::from_be_bytes(*rest.first_chunk()?))),
        _ => None,
    }
}

/// A refusal of NBD_OPT_EXPORT_NAME is a connection that ends.
fn by_name(stream: &mut (impl Read + Write), export: &str, flags: u16) -> Result<Export, HandshakeError> {
    send(stream, EXPORT_NAME, export.as_bytes())?;
    let size = bytes(stream).map_err(|_| HandshakeError::Refused {
        export: export.to_owned(),
        why: "it ends the connection: most likely it has none of that name".to_owned(),
    })?;
    let (size, told) = (u64::from_be_bytes(size), u16::from_be_bytes(bytes(stream)?));
    if flags & NO_ZEROES == 0 {
        bytes::<ZEROES>(stream)?;
    }
    Ok(Export { size, flags: told, block: SECTOR })
}

fn send(stream: &mut impl Write, option: u32, data: &[u8]) -> io::Result<()> {
    let mut message = OPTION_MAGIC.to_be_bytes().to_vec();
    message.extend_from_slice(&option.to_be_bytes());
    message.extend_from_slice(&(data.len() as u32).to_be_bytes());
    message.extend_from_slice(data);
    stream.write_all(&message)
}

fn reply(stream: &mut impl Read) -> Result<(u32, Vec<u8>), HandshakeError> {
    if u64::from_be_bytes(bytes(stream)?) != REPLY_MAGIC || u32::from_be_bytes(bytes(stream)?) != GO {
        return Err(HandshakeError::Malformed("it answers something else"));
    }
    let kind = u32::from_be_bytes(bytes(stream)?);
    let length = u32::from_be_bytes(bytes(stream)?);
    if length > MAX_REPLY {
        return Err(HandshakeError::Malformed("it is too long"));
    }
    let mut data = vec![0; length as usize];
    stream.read_exact(&mut data)?;
    Ok((kind, data))
}

fn bytes<const N: usize>(stream: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;
    use std::process::{Child, Command};
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::*;

    /// A server that has said all that it ever will.
    struct Recorded {
        says: io::Cursor<Vec<u8>>,
        heard: Vec<u8>,
    }

    impl Read for Recorded {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.says.read(buffer)
        }
    }

    impl Write for Recorded {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.heard.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn with(says: &[u8]) -> Result<Export, HandshakeError> {
        negotiate(&mut Recorded { says: io::Cursor::new(says.to_vec()), heard: Vec::new() }, "root")
    }

    struct Killed(Child);

    impl Drop for Killed {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn connected(port: u16) -> TcpStream {
        let begun = Instant::now();
        loop {
            match TcpStream::connect(("127.0.0.1", port)) {
                Ok(stream) => return stream,
                Err(error) => assert!(begun.elapsed() < Duration::from_secs(60), "{error}"),
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn free_port() -> u16 {
        std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
    }

    #[test]
    fn qemu_nbd_agrees_on_its_export_and_refuses_another() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(3 << 20).unwrap();
        let port = free_port();
        let server = Command::new("qemu-nbd")
            .args(["--persistent", "--read-only", "--format=raw", "--export-name=root", "--bind=127.0.0.1"])
            .arg(format!("--port={port}"))
            .arg(file.path())
            .spawn();
        let _server = Killed(server.expect("qemu-nbd (package qemu-utils)"));
        let found = negotiate(&mut connected(port), "root").unwrap();
        assert_eq!(found.size, 3 << 20);
        assert_eq!(found.flags & 3, 3, "it has flags, and is read-only");
        let refused = negotiate(&mut connected(port), "other").unwrap_err().to_string();
        assert!(refused.contains("\"other\""), "{refused}");
    }

    #[test]
    fn other_programs_and_old_servers_are_told_apart() {
        assert!(matches!(with(b"SSH-2.0-OpenSSH"), Err(HandshakeError::NotNbd(_))));
        let old = [&b"NBDMAGIC"[..], &OLDSTYLE.to_be_bytes()].concat();
        assert!(matches!(with(&old), Err(HandshakeError::Oldstyle)));
        let by_name =
            [&b"NBDMAGICIHAVEOPT\0\0"[..], &(1_u64 << 20).to_be_bytes(), &[0, 3], &[0; ZEROES]].concat();
        assert_eq!(with(&by_name).unwrap(), Export { size: 1 << 20, flags: 3, block: 512 });
    }

    proptest! {
        #[test]
        fn any_server_is_answered(rest in proptest::collection::vec(any::<u8>(), 0..200), fixed: bool) {
            let flags = [0, u8::from(fixed)];
            let _ = with(&[&b"NBDMAGICIHAVEOPT"[..], &flags, &rest].concat());
            let head = [&REPLY_MAGIC.to_be_bytes()[..], &GO.to_be_bytes()].concat();
            let _ = with(&[&b"NBDMAGICIHAVEOPT\0\x01"[..], &head, &rest].concat());
        }
    }
}
