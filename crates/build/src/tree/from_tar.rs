use std::fs::File;
use std::io::{BufReader, Seek as _, SeekFrom};
use std::sync::Arc;

use bootwright_formats::tar::{Member, MemberKind, Reader, TarError, TarProblem};

use super::{Backing, Content, Inode, Kind, MAX_INODES, Metadata, PathError, Tree, TreePath};

/// Why an archive is no tree.
#[derive(Debug, thiserror::Error)]
pub enum FromTarError {
    /// The archive itself.
    #[error(transparent)]
    Tar(#[from] TarError),
    /// A name that leads out of the archive or is too long.
    #[error("the tar archive is unusable at byte {offset}")]
    Name {
        /// Offset of the member's header.
        offset: u64,
        /// What is wrong with the name.
        #[source]
        source: PathError,
    },
    /// A hard link to something that did not come before, or to a directory.
    #[error("{path} is a hard link to {target}, and there is no such file before it in the archive")]
    DanglingHardLink {
        /// The link.
        path: TreePath,
        /// What it names.
        target: TreePath,
    },
    /// A member below something that is no directory.
    #[error("{path} lies below {parent}, which is no directory")]
    NotADirectory {
        /// The member.
        path: TreePath,
        /// The parent.
        parent: TreePath,
    },
    /// More than [`MAX_INODES`] members.
    #[error("more than {MAX_INODES} members")]
    TooMany,
}

/// The headers of an archive, one after the other, each with the path that its name is.
pub(super) struct Members<'a>(Reader<BufReader<&'a File>>);

impl<'a> Members<'a> {
    pub(super) fn of(backing: &'a Backing) -> Result<Self, FromTarError> {
        let mut file = backing.file();
        let start = file.seek(SeekFrom::Start(0));
        start.map_err(|error| TarError { offset: 0, problem: TarProblem::Io(error) })?;
        Ok(Self(Reader::new(BufReader::new(file))))
    }

    pub(super) fn next(&mut self) -> Result<Option<(TreePath, Member)>, FromTarError> {
        let Some(member) = self.0.next_member()? else { return Ok(None) };
        self.0.pass_over()?;
        Ok(Some((path(&member.name, &member)?, member)))
    }
}

fn path(name: &[u8], member: &Member) -> Result<TreePath, FromTarError> {
    TreePath::parse(name).map_err(|source| FromTarError::Name { offset: member.offset, source })
}

impl Tree {
    /// Reads the headers of an uncompressed tar; the data stays where it is. A later member of a path
    /// takes the place of an earlier one, as when unpacking; directories that the archive only implies
    /// belong to root, mode 0755, time 0.
    pub fn from_tar(backing: &Arc<Backing>) -> Result<Self, FromTarError> {
        let mut members = Members::of(backing)?;
        let mut tree = Self::default();
        while let Some((path, member)) = members.next()? {
            if tree.inodes.len() >= MAX_INODES {
                return Err(FromTarError::TooMany);
            }
            tree.add_member(path, member, backing)?;
        }
        tree.ensure_parents(&TreePath::ROOT)?;
        Ok(tree)
    }

    pub(super) fn add_member(
        &mut self,
        place: TreePath,
        member: Member,
        backing: &Arc<Backing>,
    ) -> Result<(), FromTarError> {
        self.ensure_parents(&place)?;
        let kind = match member.kind {
            MemberKind::HardLink(ref target) => return self.add_hard_link(place, path(target, &member)?),
            MemberKind::File { offset, size } => Kind::File(Content::part(backing, offset, size)),
            MemberKind::Sparse { size, pieces } => Kind::File(Content::sparse(backing, size, &pieces)),
            MemberKind::Symlink(target) => Kind::Symlink(target),
            MemberKind::Directory => Kind::Directory,
            MemberKind::Fifo => Kind::Fifo,
            MemberKind::CharDevice(major, minor) => Kind::CharDevice(major, minor),
            MemberKind::BlockDevice(major, minor) => Kind::BlockDevice(major, minor),
        };
        if !matches!(kind, Kind::Directory) {
            // Where a directory was, what lay in it goes too.
            self.remove(&place);
        }
        self.insert(place, Inode { metadata: member.metadata, kind });
        Ok(())
    }

    fn add_hard_link(&mut self, path: TreePath, target: TreePath) -> Result<(), FromTarError> {
        match self.get(&target) {
            Some(inode) if !matches!(inode.kind, Kind::Directory) => {}
            _ => return Err(FromTarError::DanglingHardLink { path, target }),
        }
        if path != target {
            self.remove(&path);
            self.link(path, &target);
        }
        Ok(())
    }

    /// Makes the directories above `path` that are missing, the root among them.
    pub(super) fn ensure_parents(&mut self, path: &TreePath) -> Result<(), FromTarError> {
        let mut missing = Vec::new();
        let mut above = if path.is_root() { Some(TreePath::ROOT) } else { path.parent() };
        while let Some(directory) = above {
            match self.get(&directory) {
                Some(Inode { kind: Kind::Directory, .. }) => break,
                Some(_) => {
                    let path = path.clone();
                    return Err(FromTarError::NotADirectory { path, parent: directory });
                }
                None => above = directory.parent(),
            }
            missing.push(directory);
        }
        for directory in missing {
            let metadata = Metadata { mode: 0o755, ..Metadata::default() };
            self.insert(directory, Inode { metadata, kind: Kind::Directory });
        }
        Ok(())
    }
}
