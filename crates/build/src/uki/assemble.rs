//! Puts the parts in their places and the whole where it belongs.

use std::fs::{File, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use bootwright_formats::pe::{Image, Layout};

use super::Error;
use super::parts::{Part, Piece};

/// Writes the UKI beside `output`, reads its headers back, and gives it its name.
pub(super) fn assemble(layout: &Layout, parts: Vec<Part>, output: &Path) -> Result<Image, Error> {
    let failed = |source| Error::Write { path: output.to_owned(), source };
    let directory = match output.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut temporary = tempfile::Builder::new()
        .prefix(".bootwright-uki-")
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(directory)
        .map_err(failed)?;
    let file = temporary.as_file_mut();
    file.write_all(&layout.head).map_err(failed)?;
    for (part, place) in parts.into_iter().zip(&layout.sections) {
        for piece in part.pieces {
            copy(piece, file, output)?;
        }
        let padding = vec![0; (place.padded - place.size) as usize];
        file.write_all(&padding).map_err(failed)?;
    }
    let image = Image::read(file).map_err(|source| Error::Written { path: output.to_owned(), source })?;
    file.sync_all().map_err(failed)?;
    temporary.persist(output).map_err(|error| failed(error.error))?;
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)?;
    Ok(image)
}

/// Copies a piece to where `target` stands. From file to file the standard library has the kernel do it
/// (`copy_file_range`, which shares blocks where the file system can), so no memory is taken.
fn copy(piece: Piece, target: &mut File, output: &Path) -> Result<(), Error> {
    let failed = |source| Error::Write { path: output.to_owned(), source };
    match piece {
        Piece::Bytes(bytes) => target.write_all(&bytes).map_err(failed),
        Piece::File { path, file, size } => {
            let found = io::copy(&mut file.take(size), target).map_err(failed)?;
            if found == size { Ok(()) } else { Err(Error::Changed { path, expected: size, found }) }
        }
    }
}
