//! The reader: one member after the other from any stream, nothing held but the current name.

use std::io::{self, BufRead, Read};

use super::{Error, HEADER, MAGIC, MAGIC_CHECKSUM, MAX_NAME, Metadata, TRAILER, padding};

/// Reads the members of an archive from a stream.
///
/// ```
/// # use bootwright_formats::cpio::{Attributes, Reader, Writer};
/// # let mut writer = Writer::new(Vec::new(), 0);
/// # writer.file("init", Attributes::EXECUTABLE, 2, &b"hi"[..])?;
/// # let archive = writer.finish()?;
/// let mut reader = Reader::new(&archive[..]);
/// while let Some(mut entry) = reader.next_entry()? {
///     let mut content = String::new();
///     std::io::Read::read_to_string(&mut entry, &mut content)?;
///     assert_eq!((entry.path(), content.as_str()), (&b"init"[..], "hi"));
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// After an error the reader stands at no member's start: it is of no further use.
#[derive(Debug)]
pub struct Reader<R> {
    inner: R,
    /// Bytes taken from `inner`.
    position: u64,
    /// Bytes of data and padding of the current member that are still to come.
    data: u64,
    padding: u64,
    /// Where the current member's header starts.
    member: u64,
    ended: bool,
}

/// One member. Reading from it gives its data.
#[derive(Debug)]
pub struct Entry<'a, R> {
    reader: &'a mut Reader<R>,
    head: Head,
}

/// What comes before a member's data.
#[derive(Debug)]
pub(crate) struct Head {
    metadata: Metadata,
    name: Vec<u8>,
    size: u32,
    offset: u64,
    data_offset: u64,
}

impl<R: Read> Reader<R> {
    /// Reads from `inner`, which stands at the start of an archive. It is read in small pieces, so let
    /// it be buffered.
    pub fn new(inner: R) -> Self {
        Self { inner, position: 0, data: 0, padding: 0, member: 0, ended: false }
    }

    /// The next member, after what was left of the one before; `None` at the archive's trailer, or at
    /// the end of the stream, which the kernel takes for an end as well.
    pub fn next_entry(&mut self) -> Result<Option<Entry<'_, R>>, Error> {
        Ok(self.next_head()?.map(|head| self.entry(head)))
    }

    /// The member that [`next_head`](Self::next_head) just gave.
    pub(crate) fn entry(&mut self, head: Head) -> Entry<'_, R> {
        Entry { reader: self, head }
    }

    /// As [`next_entry`](Self::next_entry), without borrowing the reader.
    pub(crate) fn next_head(&mut self) -> Result<Option<Head>, Error> {
        self.finish_member()?;
        if self.ended {
            return Ok(None);
        }
        let offset = self.position;
        let mut header = [0; HEADER];
        if self.fill(&mut header[..1])? == 0 {
            self.ended = true;
            return Ok(None);
        }
        self.member = offset;
        self.read_exact(&mut header[1..])?;
        let Header { metadata, size, name_size } = Header::parse(&header, offset)?;
        if name_size == 0 || name_size as usize > MAX_NAME {
            return Err(Error::NameSize { offset, size: name_size });
        }
        let mut name = vec![0; name_size as usize];
        self.read_exact(&mut name)?;
        if name.pop() != Some(0) {
            return Err(Error::NameEnd { offset });
        }
        // A writer may pad the name with further NULs to align the data; the kernel stops at the first.
        name.truncate(name.iter().position(|&byte| byte == 0).unwrap_or(name.len()));
        self.read_exact(&mut [0; 3][..padding(HEADER as u64 + u64::from(name_size)) as usize])?;
        self.data = u64::from(size);
        self.padding = padding(self.data);
        if name == TRAILER {
            self.finish_member()?;
            self.ended = true;
            return Ok(None);
        }
        let data_offset = self.position;
        Ok(Some(Head { metadata, name, size, offset, data_offset }))
    }

    /// Passes over what is left of the current member, so that the stream stands at the next one.
    pub fn finish_member(&mut self) -> Result<(), Error> {
        let left = self.data + std::mem::take(&mut self.padding);
        self.data = 0;
        let skipped = io::copy(&mut (&mut self.inner).take(left), &mut io::sink())
            .map_err(|source| Error::Read { offset: self.position, source })?;
        self.position += skipped;
        if skipped < left { Err(self.truncated()) } else { Ok(()) }
    }

    /// Whether the trailer, or the end of the stream, was met.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// Bytes taken from the stream so far.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The stream.
    pub fn get_ref(&self) -> &R {
        &self.inner
    }

    /// The stream, where the reader stands: after `None`, right behind the archive.
    pub fn into_inner(self) -> R {
        self.inner
    }

    fn truncated(&self) -> Error {
        Error::Truncated { member: self.member, offset: self.position }
    }

    /// Reads until `buffer` is full or the stream ends; gives the bytes read.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        let mut filled = 0;
        while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
            match self.inner.read(room) {
                Ok(0) => break,
                Ok(count) => {
                    filled += count;
                    self.position += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(Error::Read { offset: self.position, source }),
            }
        }
        Ok(filled)
    }

    fn read_exact(&mut self, buffer: &mut [u8]) -> Result<(), Error> {
        if self.fill(buffer)? < buffer.len() { Err(self.truncated()) } else { Ok(()) }
    }
}

impl<R: BufRead> Reader<R> {
    /// Passes over the NUL bytes after an archive and tells whether another one follows in the stream;
    /// [`next_entry`](Self::next_entry) then reads on in it.
    pub fn next_archive(&mut self) -> Result<bool, Error> {
        self.finish_member()?;
        let found = self.skip_padding()?.is_some();
        self.ended = !found;
        if found && !self.position.is_multiple_of(4) {
            return Err(Error::Misplaced { offset: self.position });
        }
        Ok(found)
    }

    /// The next byte of the stream, not taken; `None` at its end.
    #[cfg(feature = "compression")]
    pub(crate) fn peek(&mut self) -> Result<Option<u8>, Error> {
        let offset = self.position;
        let buffer = self.inner.fill_buf().map_err(|source| Error::Read { offset, source })?;
        Ok(buffer.first().copied())
    }

    /// Passes over NUL bytes; gives the byte after them without taking it, `None` at the end.
    fn skip_padding(&mut self) -> Result<Option<u8>, Error> {
        loop {
            let offset = self.position;
            let buffer = match self.inner.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => return Err(Error::Read { offset, source }),
            };
            let nuls = buffer.iter().take_while(|&&byte| byte == 0).count();
            let (found, end) = (buffer.get(nuls).copied(), buffer.is_empty());
            self.inner.consume(nuls);
            self.position += nuls as u64;
            if end || found.is_some() {
                return Ok(found);
            }
        }
    }
}

impl<R> Entry<'_, R> {
    /// The member's name as it stands in the archive, without its NUL: relative to the root as a rule,
    /// though nothing stops an archive from naming `/x` or `../x`.
    pub fn path(&self) -> &[u8] {
        &self.head.name
    }

    /// The header's fields.
    pub fn metadata(&self) -> &Metadata {
        &self.head.metadata
    }

    /// Bytes of data.
    pub fn size(&self) -> u32 {
        self.head.size
    }

    /// Where the member's header starts, in bytes from the start of the reader's stream.
    pub fn offset(&self) -> u64 {
        self.head.offset
    }

    /// Where its data starts.
    pub fn data_offset(&self) -> u64 {
        self.head.data_offset
    }

    /// Bytes of the archive that the member takes: header, name, data and padding.
    pub fn total_size(&self) -> u64 {
        self.head.data_offset - self.head.offset
            + u64::from(self.head.size)
            + padding(u64::from(self.head.size))
    }
}

impl<R: Read> Entry<'_, R> {
    /// Reads the data of a symbolic link: its target.
    pub fn read_target(&mut self) -> Result<Vec<u8>, Error> {
        if self.head.size as usize > MAX_NAME {
            return Err(Error::Target { offset: self.head.offset, size: self.head.size });
        }
        let mut target = vec![0; self.reader.data as usize];
        self.reader.read_exact(&mut target)?;
        self.reader.data = 0;
        Ok(target)
    }
}

impl<R: Read> Read for Entry<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let reader = &mut *self.reader;
        if reader.data == 0 || buffer.is_empty() {
            return Ok(0);
        }
        let count = (&mut reader.inner).take(reader.data).read(buffer)?;
        if count == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, reader.truncated()));
        }
        reader.data -= count as u64;
        reader.position += count as u64;
        Ok(count)
    }
}

struct Header {
    metadata: Metadata,
    size: u32,
    name_size: u32,
}

impl Header {
    fn parse(bytes: &[u8; HEADER], offset: u64) -> Result<Self, Error> {
        let (magic, mut fields) = bytes.split_at(MAGIC.len());
        if magic != MAGIC && magic != MAGIC_CHECKSUM {
            return Err(Error::Magic { offset, found: magic.escape_ascii().to_string() });
        }
        if !offset.is_multiple_of(4) {
            return Err(Error::Misplaced { offset });
        }
        let mut next = |field| {
            let (digits, rest) = fields.split_at_checked(8).unwrap_or((fields, &[]));
            fields = rest;
            hexadecimal(digits).ok_or_else(|| Error::Field {
                offset,
                field,
                found: digits.escape_ascii().to_string(),
            })
        };
        let mut metadata = Metadata {
            ino: next("ino")?,
            mode: next("mode")?,
            uid: next("uid")?,
            gid: next("gid")?,
            nlink: next("nlink")?,
            mtime: next("mtime")?,
            ..Metadata::default()
        };
        let size = next("filesize")?;
        metadata.dev = (next("devmajor")?, next("devminor")?);
        metadata.rdev = (next("rdevmajor")?, next("rdevminor")?);
        Ok(Self { metadata, size, name_size: next("namesize")? })
    }
}

/// Eight digits, nothing else: `from_str_radix` alone would take a sign.
fn hexadecimal(digits: &[u8]) -> Option<u32> {
    if digits.len() != 8 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}
