//! The root hashes that partitions of the image say and that somebody has signed whom the initrd trusts (UAPI.2).

use bootwright_formats::gpt::{Gpt, Partition};
use bootwright_formats::{ReadAt as _, Shared};
use bootwright_image::Digest;
use bootwright_plan::foreign_root::{Check, ForeignRoot};
use bootwright_plan::part::Part;

use super::partition::{automatic, native, own};
use super::{FindError, Purpose, list, place};
use crate::foreign::signers::{MAX_SIGNATURE, Signers};

/// What is wanted, with the root hashes that signatures in `file` vouch for.
///
/// # Errors
/// [`FindError`] when there is none, or none that counts.
pub fn signed(file: &Shared, wanted: &ForeignRoot, signers: &Signers) -> Result<ForeignRoot, FindError> {
    let gpt = Gpt::read(file).map_err(FindError::Gpt)?;
    let hash = |said: Option<Digest>, purpose| match said {
        None => root_hash(file, &gpt, purpose, signers),
        said => Ok(said),
    };
    let (root, usr) = (hash(wanted.root_hash, Purpose::Root)?, hash(wanted.usr_hash, Purpose::Usr)?);
    // A signed /usr alone is a system without its /etc: whoever serves the image has not the say in that.
    let vouched = if wanted.part == Part::Usr { usr } else { root };
    let Some(vouched) = vouched else {
        let purpose = if wanted.part == Part::Usr { Purpose::Usr } else { Purpose::Root };
        return Err(FindError::NoSignature { purpose, architecture: native(), there: list(&gpt.partitions) });
    };
    let check = Check::RootHash(vouched);
    Ok(ForeignRoot { root_hash: root, usr_hash: usr, check, ..wanted.clone() })
}

/// The only root hash for that purpose that counts; `None` when nothing is signed for it.
fn root_hash(
    file: &Shared,
    gpt: &Gpt,
    purpose: Purpose,
    signers: &Signers,
) -> Result<Option<Digest>, FindError> {
    let Some(kind) = own().map(|own| purpose.signature_kind(own)) else { return Ok(None) };
    let (mut vouched, mut failed) = (Vec::new(), None);
    for partition in automatic(gpt, kind) {
        match signers.root_hash(&read(file, partition)?) {
            Ok(hash) => vouched.push((partition, hash)),
            Err(source) => failed = Some(FindError::Signature { place: place(partition), source }),
        }
    }
    match (&vouched[..], failed) {
        ([], Some(failed)) => Err(failed),
        ([], None) => Ok(None),
        ([(_, hash)], _) => Ok(Some(*hash)),
        (several, _) => {
            let places: Vec<String> = several.iter().map(|(partition, _)| place(partition)).collect();
            Err(FindError::SeveralSigned { key: purpose.key(), there: places.join(", ") })
        }
    }
}

fn read(file: &Shared, partition: &Partition) -> Result<Vec<u8>, FindError> {
    let range = partition.range.clone();
    if range.is_empty() || range.end > file.size() {
        return Err(FindError::Outside { place: place(partition), range, size: file.size() });
    }
    let mut bytes = vec![0; (range.end - range.start).min(MAX_SIGNATURE) as usize];
    file.read_exact_at(range.start, &mut bytes).map_err(|source| FindError::Read(range.start, source))?;
    Ok(bytes)
}
