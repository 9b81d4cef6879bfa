//! A live root in an ISO, in one file or in several layers.

use bootwright_formats::Shared;
use bootwright_formats::iso9660::Iso;
use bootwright_plan::foreign_root::ForeignRoot;

use super::{FindError, Found, Layout, file_system};

/// Bytes of a sector.
const SECTOR: u64 = 2048;

pub(super) fn find(file: &Shared, wanted: &ForeignRoot) -> Result<Layout, FindError> {
    let iso = Iso::open(file.clone())?;
    let Some((top, below)) = wanted.layers.split_last() else {
        for path in &wanted.live {
            if let Some(found) = at(file, &iso, path)? {
                return Ok(Layout::of_root(Found { live: true, ..found }));
            }
        }
        return Err(FindError::NoLiveRoot(wanted.live.join(", ")));
    };
    let layer = |path: &String| {
        at(file, &iso, path)?.ok_or_else(|| FindError::NoLayer(path.clone(), iso.volume_id.clone()))
    };
    let root = layer(top)?;
    let below = below.iter().rev().map(layer).collect::<Result<_, _>>()?;
    Ok(Layout { below, ..Layout::of_root(root) })
}

/// The file system in the file at `path`, when there is such a file.
fn at(file: &Shared, iso: &Iso, path: &str) -> Result<Option<Found>, FindError> {
    let Some(entry) = iso.find(path)? else { return Ok(None) };
    let (Some(first), Some(last)) = (entry.extents.first(), entry.extents.last()) else { return Ok(None) };
    // Files over 4 GiB have several extents, which writers lay one behind the other.
    let adjoining = entry.extents.windows(2).all(|pair| match pair {
        [a, b] => a.end.next_multiple_of(SECTOR) == b.start,
        _ => true,
    });
    if !adjoining {
        let found = "a file in pieces".to_owned();
        return Err(FindError::FileSystem { place: path.to_owned(), found });
    }
    let place = format!("{path} in the ISO {}", iso.volume_id);
    file_system(file, place, first.start..last.end).map(Some)
}
