//! The sample tree as a tar, for mkfs.erofs.

use tar::{Builder, EntryType, Header};

use crate::sample::{Entry, What};

/// The tree as a tar with PAX records. A tar has no sockets.
pub fn tar(tree: &[Entry]) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for entry in tree.iter().filter(|entry| !matches!(entry.what, What::Socket)) {
        append(&mut tar, entry);
    }
    tar.into_inner().unwrap()
}

fn append(tar: &mut Builder<Vec<u8>>, entry: &Entry) {
    let (seconds, nanoseconds) = entry.mtime;
    let mut records: Vec<(String, Vec<u8>)> = Vec::new();
    if nanoseconds > 0 || seconds < 0 {
        records.push(("mtime".to_owned(), format!("{seconds}.{nanoseconds:09}").into_bytes()));
    }
    for (name, value) in &entry.xattrs {
        records.push((format!("SCHILY.xattr.{}", String::from_utf8_lossy(name)), value.clone()));
    }
    if !records.is_empty() {
        tar.append_pax_extensions(records.iter().map(|(name, value)| (name.as_str(), value.as_slice())))
            .unwrap();
    }
    let mut header = Header::new_gnu();
    header.set_mode(entry.mode.into());
    header.set_uid(entry.uid.into());
    header.set_gid(entry.gid.into());
    header.set_mtime(u64::try_from(seconds).unwrap_or(0));
    header.set_size(0);
    let path = if entry.path.is_empty() { "./" } else { &entry.path };
    let device = |header: &mut Header, kind, major, minor| {
        header.set_entry_type(kind);
        header.set_device_major(major).unwrap();
        header.set_device_minor(minor).unwrap();
    };
    let link = match &entry.what {
        What::File(bytes) => {
            header.set_entry_type(EntryType::Regular);
            header.set_size(bytes.len() as u64);
            tar.append_data(&mut header, path, bytes.as_slice()).unwrap();
            return;
        }
        What::Symlink(target) => {
            header.set_entry_type(EntryType::Symlink);
            Some(String::from_utf8(target.clone()).unwrap())
        }
        What::Link(to) => {
            header.set_entry_type(EntryType::Link);
            Some((*to).to_owned())
        }
        What::Directory => {
            header.set_entry_type(EntryType::Directory);
            None
        }
        What::CharDevice(major, minor) => {
            device(&mut header, EntryType::Char, *major, *minor);
            None
        }
        What::BlockDevice(major, minor) => {
            device(&mut header, EntryType::Block, *major, *minor);
            None
        }
        What::Fifo | What::Socket => {
            header.set_entry_type(EntryType::Fifo);
            None
        }
    };
    match link {
        Some(target) => tar.append_link(&mut header, path, target).unwrap(),
        None => tar.append_data(&mut header, path, std::io::empty()).unwrap(),
    }
}
