//! gzip on all cores: the stream is cut into members of 1 MiB, which every reader joins (RFC 1952, 2.2).

use std::io::{self, Write};

use flate2::{Compression, GzBuilder};

/// Bytes in a member, before they are compressed.
const MEMBER: usize = 1 << 20;

/// A stream that is being compressed. What is written does not depend on the number of threads.
pub(super) struct Gzip<'a, W: Write> {
    to: &'a mut W,
    threads: usize,
    members: Vec<Vec<u8>>,
}

impl<'a, W: Write> Gzip<'a, W> {
    pub(super) fn new(to: &'a mut W, threads: usize) -> Self {
        Self { to, threads: threads.max(1), members: Vec::new() }
    }

    pub(super) fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.members.last().is_none_or(|member| member.len() >= MEMBER) {
                if self.members.len() >= self.threads {
                    self.compress()?;
                }
                self.members.push(Vec::with_capacity(MEMBER));
            }
            let Some(member) = self.members.last_mut() else { break };
            let (now, rest) = bytes.split_at(bytes.len().min(MEMBER - member.len()));
            member.extend_from_slice(now);
            bytes = rest;
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.compress()?;
        self.to.flush()
    }

    /// Compresses the members that wait, each on a thread, and writes them in order.
    fn compress(&mut self) -> io::Result<()> {
        let members = std::mem::take(&mut self.members);
        let packed: Vec<io::Result<Vec<u8>>> = std::thread::scope(|scope| {
            let running: Vec<_> = members.iter().map(|member| scope.spawn(|| pack(member))).collect();
            let died = |_| Err(io::Error::other("gzip: a thread died"));
            running.into_iter().map(|thread| thread.join().unwrap_or_else(died)).collect()
        });
        packed.into_iter().try_for_each(|member| self.to.write_all(&member?))
    }
}

fn pack(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzBuilder::new().write(Vec::new(), Compression::new(6));
    encoder.write_all(bytes)?;
    encoder.finish()
}
