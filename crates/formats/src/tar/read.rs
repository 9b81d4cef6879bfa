//! Reading: one pass over the headers, the data of a member where its reader wants them.

use std::io::{self, Read, Seek};

use super::header::Header;
use super::sparse::Map;
use super::{BLOCK, MAX_EXTENSION, Member, MemberKind, Metadata, TarError, TarProblem, acl, pax};

/// Yields the members of an uncompressed archive that comes as a stream.
///
/// After an error the reader stands at no member's start: it is of no further use.
pub struct Reader<R> {
    inner: R,
    /// Bytes taken from `inner`.
    position: u64,
    /// Bytes of data of the current member that are still to come, and of the padding behind them.
    data: u64,
    padding: u64,
    global: Extension,
}

/// The data of a member. What is not read is passed over.
pub struct Data<'a, R>(&'a mut Reader<R>);

/// What extended headers say about a member.
#[derive(Debug, Default, Clone)]
struct Extension {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    uid: Option<u32>,
    gid: Option<u32>,
    mtime: Option<(i64, u32)>,
    xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    sparse: Option<Map>,
    /// `GNU.sparse.name`: the path is then one that GNU tar made up.
    sparse_name: Option<Vec<u8>>,
}

impl<R: Read> Reader<R> {
    /// Starts at the first byte of `inner`, which must be the archive's. It is read in small pieces, so let it be
    /// buffered.
    pub fn new(inner: R) -> Self {
        Self { inner, position: 0, data: 0, padding: 0, global: Extension::default() }
    }

    /// The next member, after what was left of the one before; `None` at the end marker.
    pub fn next_member(&mut self) -> Result<Option<Member>, TarError> {
        let offset = self.position;
        let passed = self.pass_data().map_err(|problem| TarError { offset, problem });
        passed?;
        let offset = self.position;
        self.member(offset).map_err(|problem| TarError { offset, problem })
    }

    /// The data of the member that [`next_member`](Self::next_member) just gave; nothing but files has any.
    pub fn data(&mut self) -> Data<'_, R> {
        Data(self)
    }

    /// Bytes taken from the stream so far.
    pub fn position(&self) -> u64 {
        self.position
    }

    fn member(&mut self, offset: u64) -> Result<Option<Member>, TarProblem> {
        let mut extension = self.global.clone();
        loop {
            let block = self.block()?;
            if block.iter().all(|b| *b == 0) {
                return Ok(None);
            }
            let header = Header::parse(&block)?;
            match header.typeflag() {
                b'x' => extension.apply(&self.extension(&header)?)?,
                b'g' => {
                    let data = self.extension(&header)?;
                    self.global.apply(&data)?;
                    extension.apply(&data)?;
                }
                b'L' => extension.path = Some(self.long_name(&header)?),
                b'K' => extension.link = Some(self.long_name(&header)?),
                b'V' => {
                    self.announce(header.size()?)?;
                    self.pass_data()?;
                }
                _ => return self.finish(&header, extension, offset).map(Some),
            }
        }
    }

    fn finish(
        &mut self,
        header: &Header<'_>,
        extension: Extension,
        offset: u64,
    ) -> Result<Member, TarProblem> {
        let name = extension.sparse_name.or(extension.path).unwrap_or_else(|| header.name());
        let unsupported =
            |what: String| TarProblem::Unsupported { name: name.escape_ascii().to_string(), what };
        let link = extension.link.unwrap_or_else(|| header.link_name());
        let kind = match header.typeflag() {
            // Version 7 marked directories by the slash alone.
            b'0' | 0 if name.ends_with(b"/") => MemberKind::Directory,
            b'0' | 0 | b'7' => {
                let size = extension.size.map_or_else(|| header.size(), Ok)?;
                match extension.sparse {
                    Some(map) => self.sparse(map, size)?,
                    None => {
                        self.announce(size)?;
                        MemberKind::File { offset: self.position, size }
                    }
                }
            }
            b'1' => MemberKind::HardLink(link),
            b'2' => MemberKind::Symlink(link),
            b'3' => header.device().map(|(major, minor)| MemberKind::CharDevice(major, minor))?,
            b'4' => header.device().map(|(major, minor)| MemberKind::BlockDevice(major, minor))?,
            b'5' => MemberKind::Directory,
            b'6' => MemberKind::Fifo,
            b'S' => {
                let (entries, mut more) = header.sparse();
                let mut map = Map::of_size(header.real_size()?);
                map.add_entries(entries)?;
                while more {
                    more = map.add_block(&self.block()?)?;
                }
                self.sparse(map, header.size()?)?
            }
            other => return Err(unsupported(format!("a member of type {:?}", char::from(other)))),
        };
        let (mtime, mtime_nsec) = extension.mtime.map_or_else(|| header.mtime().map(|s| (s, 0)), Ok)?;
        let metadata = Metadata {
            mode: header.mode()?,
            uid: extension.uid.map_or_else(|| header.uid(), Ok)?,
            gid: extension.gid.map_or_else(|| header.gid(), Ok)?,
            mtime,
            mtime_nsec,
            xattrs: extension.xattrs.into_iter().collect(),
        };
        Ok(Member { name, offset, metadata, kind })
    }

    /// A sparse file of which `stored` bytes follow, with the list of its pieces if that stands before them.
    fn sparse(&mut self, mut map: Map, stored: u64) -> Result<MemberKind, TarProblem> {
        let start = self.position;
        if map.in_data {
            map.add_lines(|| self.block())?;
        }
        let size = map.size.ok_or(TarProblem::Sparse("the size of the file is missing"))?;
        let offset = self.position;
        let data = stored.checked_sub(offset - start);
        let data = data.ok_or(TarProblem::Sparse("it is longer than the member"))?;
        self.announce(data)?;
        Ok(MemberKind::Sparse { size, pieces: map.pieces(size, offset, data)? })
    }

    fn extension(&mut self, header: &Header<'_>) -> Result<Vec<u8>, TarProblem> {
        let size = header.size()?;
        if size > MAX_EXTENSION {
            return Err(TarProblem::ExtensionTooLarge(size));
        }
        let mut data = vec![0; size as usize];
        self.read(&mut data)?;
        self.padding = size.next_multiple_of(BLOCK) - size;
        self.pass_data()?;
        Ok(data)
    }

    fn long_name(&mut self, header: &Header<'_>) -> Result<Vec<u8>, TarProblem> {
        let mut name = self.extension(header)?;
        let end = name.iter().position(|b| *b == 0).unwrap_or(name.len());
        name.truncate(end);
        Ok(name)
    }

    fn block(&mut self) -> Result<[u8; BLOCK as usize], TarProblem> {
        let mut block = [0; BLOCK as usize];
        self.read(&mut block)?;
        Ok(block)
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<(), TarProblem> {
        self.inner.read_exact(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => TarProblem::Truncated,
            _ => TarProblem::Io(error),
        })?;
        self.position += buffer.len() as u64;
        Ok(())
    }

    /// So many bytes of data follow, and their padding.
    fn announce(&mut self, size: u64) -> Result<(), TarProblem> {
        let padded = size.checked_next_multiple_of(BLOCK).ok_or(TarProblem::Number("size"))?;
        self.position.checked_add(padded).ok_or(TarProblem::Number("size"))?;
        (self.data, self.padding) = (size, padded - size);
        Ok(())
    }

    /// Passes over what is left of the current member, by reading it.
    fn pass_data(&mut self) -> Result<(), TarProblem> {
        let left = self.data + self.padding;
        (self.data, self.padding) = (0, 0);
        let passed = io::copy(&mut (&mut self.inner).take(left), &mut io::sink()).map_err(TarProblem::Io)?;
        self.position += passed;
        if passed < left { Err(TarProblem::Truncated) } else { Ok(()) }
    }
}

impl<R: Read + Seek> Reader<R> {
    /// Passes over what is left of the current member, without reading it.
    pub fn pass_over(&mut self) -> Result<(), TarError> {
        let offset = self.position;
        let left = self.data + self.padding;
        (self.data, self.padding) = (0, 0);
        // A seek beyond the end succeeds: the last byte has to be there.
        let mut seek = || -> Result<(), TarProblem> {
            let Some(before_last) = left.checked_sub(1) else { return Ok(()) };
            let distance = i64::try_from(before_last).map_err(|_| TarProblem::Truncated)?;
            self.inner.seek_relative(distance).map_err(TarProblem::Io)?;
            self.position += before_last;
            self.read(&mut [0])
        };
        seek().map_err(|problem| TarError { offset, problem })
    }
}

impl<R: Read> Read for Data<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.0.data).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.0.inner.read(buffer.get_mut(..most).unwrap_or_default())?;
        if count == 0 && most > 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the archive is cut short"));
        }
        self.0.position += count as u64;
        self.0.data -= count as u64;
        Ok(count)
    }
}

impl Extension {
    fn apply(&mut self, data: &[u8]) -> Result<(), TarProblem> {
        for (key, value) in pax::records(data)? {
            self.set(key, value)?;
        }
        Ok(())
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<(), TarProblem> {
        match key {
            b"path" => self.path = Some(value.to_vec()),
            b"linkpath" => self.link = Some(value.to_vec()),
            b"size" => self.size = Some(number(value, "size")?),
            b"uid" => self.uid = Some(number(value, "uid")?),
            b"gid" => self.gid = Some(number(value, "gid")?),
            b"mtime" => self.mtime = Some(pax::time(value).ok_or(TarProblem::Number("mtime"))?),
            b"SCHILY.acl.access" => self.set_acl(b"system.posix_acl_access", value)?,
            b"SCHILY.acl.default" => self.set_acl(b"system.posix_acl_default", value)?,
            b"GNU.sparse.name" => self.sparse_name = Some(value.to_vec()),
            _ => {
                if let Some(key) = key.strip_prefix(b"GNU.sparse.") {
                    self.sparse.get_or_insert_default().set(key, value)?;
                } else if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                    self.set_xattr(name, value.to_vec());
                }
            }
        }
        Ok(())
    }

    fn set_acl(&mut self, name: &[u8], text: &[u8]) -> Result<(), TarProblem> {
        let value =
            acl::to_xattr(text).ok_or(TarProblem::Pax("an ACL without numeric ids: pack it numeric"))?;
        self.set_xattr(name, value);
        Ok(())
    }

    fn set_xattr(&mut self, name: &[u8], value: Vec<u8>) {
        self.xattrs.retain(|(other, _)| other != name);
        self.xattrs.push((name.to_vec(), value));
    }
}

fn number<T: std::str::FromStr>(text: &[u8], name: &'static str) -> Result<T, TarProblem> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(TarProblem::Number(name))
}
