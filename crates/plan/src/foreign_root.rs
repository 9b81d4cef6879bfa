//! A root that another builder made: what it is taken for, which part of it is the root, and what vouches for it.
//!
//! A single file counts as one, whoever names it: `bootwright.image=`, systemd's [pull], a [live] system. It is
//! looked for where nothing is pinned alone: an initrd that pins an image boots that and no other.

use bootwright_image::cmdline::FailureAction;
use bootwright_image::{Digest, Pin};

use crate::address::ImageAddress;
use crate::part::Part;
use crate::pull::{self, Form, Verify};
use crate::remote::driver_options;
use crate::{Instructions, live};

/// A root to fetch, of which no manifest tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignRoot {
    /// What it has to be; `None`: whatever its bytes say.
    pub form: Option<Form>,
    /// Which part of it is the root.
    pub part: Part,
    /// Where a live root lies in an ISO, the first choice first.
    pub live: Vec<String>,
    /// Where the layers of one lie that has several, the lowest first; else none.
    pub layers: Vec<String>,
    /// What is asked of its bytes before anything of it runs.
    pub check: Check,
    /// `roothash=`: what the kernel is told to trust, block by block.
    pub root_hash: Option<Digest>,
    /// `usrhash=`: the same of a `/usr` of its own.
    pub usr_hash: Option<Digest>,
    /// `rootflags=`: what the driver of its file system is told, with commas between.
    pub options: String,
    /// What is done instead of entering it, once it is there.
    pub on_success: Option<FailureAction>,
}

/// What is asked of the bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// `bootwright.digest=`: the SHA-256 of the file as the server has it.
    Digest(Digest),
    /// `roothash=` or `usrhash=`: dm-verity refuses whatever is not under that hash, and no partition is used for
    /// which there is none.
    RootHash(Digest),
    /// Signatures in the image of the root hashes of its partitions, by whom the initrd trusts: then as
    /// [`RootHash`](Self::RootHash).
    Signed,
    /// The checksum beside the file. It tells damage; whoever can change the file can change that, too.
    Sums,
    /// Nothing: somebody said so.
    Nothing,
}

/// Why the root is not fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForeignRootError {
    /// Nothing says what the right bytes are.
    #[error(
        "the image {0} is refused: this initrd pins no image and bootwright.digest= is not given, so nothing says which bytes are the right ones"
    )]
    Unpinned(String),
    /// systemd's default, which takes OpenPGP there, and here a root hash that is signed.
    #[error(
        "the image {0} is refused: its signature is to be verified (verify=signature is the default), and this initrd knows nobody whose signature counts: boot one with the certificate of who signed the root hash in the image (/etc/verity.d; OpenPGP is not understood), or say the SHA-256 of the image by bootwright.digest=, the root hash of its dm-verity by roothash=, or verify=checksum"
    )]
    Signature(String),
    /// `roothash=` or `usrhash=` that is none.
    #[error("{0}={1} is no SHA-256: 64 hexadecimal digits")]
    RootHash(&'static str, String),
}

/// Who names a root, and what is asked of it unless the line says more.
struct Named {
    form: Option<Form>,
    part: Part,
    verify: Option<Verify>,
}

impl ForeignRoot {
    /// What the line says of the file at `address`; `None` when that is an image of ours or a UKI.
    ///
    /// # Errors
    /// [`ForeignRootError`] when nothing vouches for its bytes.
    pub fn at(instructions: &Instructions, address: &ImageAddress) -> Result<Option<Self>, ForeignRootError> {
        let named = match Named::by(instructions) {
            Some(named) => named,
            None if instructions.pin.is_some() || address.is_manifest() || address.is_uki() => {
                return Ok(None);
            }
            None => Named {
                form: None,
                part: instructions.line.get("root").and_then(Part::by_table).unwrap_or(Part::Discovered),
                verify: None,
            },
        };
        let line = &instructions.line;
        let hash = |key: &'static str| {
            let hash = line.get(key).map(|text| {
                let hash = format!("sha256:{text}").parse();
                hash.map_err(|_| ForeignRootError::RootHash(key, text.to_owned()))
            });
            hash.transpose()
        };
        let (root_hash, usr_hash) = (hash("roothash")?, hash("usrhash")?);
        let vouches = root_hash.or(usr_hash.filter(|_| matches!(named.part, Part::Discovered | Part::Usr)));
        let check = named.check(instructions, vouches, address.url.as_str())?;
        let on_success = pull::on_success(line);
        Ok(Some(Self {
            form: named.form,
            part: named.part,
            live: live::paths(line),
            layers: live::layers(line),
            check,
            root_hash,
            usr_hash,
            options: driver_options(line),
            on_success,
        }))
    }

    /// Whether something vouches for a partition with that root hash, or with none.
    pub fn vouches_for(&self, hash: Option<Digest>) -> bool {
        hash.is_some() || !matches!(self.check, Check::RootHash(_) | Check::Signed)
    }
}

impl Named {
    /// The names of other systems, which count where neither a pin nor `bootwright.image=` says more.
    fn by(instructions: &Instructions) -> Option<Self> {
        let Instructions { line, options, pin, .. } = instructions;
        if pin.is_some() || options.image.is_some() {
            return None;
        }
        if let Some((pull, part)) = pull::root(line) {
            return Some(Self { form: Some(pull.form), part, verify: Some(pull.verify) });
        }
        let whole = Self { form: None, part: Part::Discovered, verify: Some(Verify::Checksum) };
        live::url(line).map(|_| whole)
    }

    fn check(
        &self,
        instructions: &Instructions,
        hash: Option<Digest>,
        url: &str,
    ) -> Result<Check, ForeignRootError> {
        match (instructions.options.digest, hash, self.verify) {
            (Some(digest), ..) => Ok(Check::Digest(digest)),
            (None, Some(hash), _) if self.form != Some(Form::Tar) => Ok(Check::RootHash(hash)),
            (None, _, None | Some(Verify::Signature)) if self.may_be_signed(instructions) => {
                Ok(Check::Signed)
            }
            (None, _, None) => Err(ForeignRootError::Unpinned(url.to_owned())),
            (None, _, Some(Verify::No)) => Ok(Check::Nothing),
            (None, _, Some(_)) if instructions.options.verify_off => Ok(Check::Nothing),
            (None, _, Some(Verify::Checksum)) => Ok(Check::Sums),
            (None, _, Some(Verify::Signature)) => Err(ForeignRootError::Signature(url.to_owned())),
        }
    }
}

impl Named {
    /// Whether signatures in the image may vouch for it.
    fn may_be_signed(&self, instructions: &Instructions) -> bool {
        instructions.signers && self.form != Some(Form::Tar) && !instructions.options.verify_off
    }
}

/// A root by another system's names that does not count, and why; for people.
pub fn passed_over(instructions: &Instructions) -> Option<String> {
    let Instructions { line, options, pin, .. } = instructions;
    let url = match pull::root(line) {
        Some((pull, _)) => pull.remote,
        None => live::url(line)?.to_owned(),
    };
    let why = match (options.image.is_some(), pin) {
        (true, _) => "bootwright.image= counts",
        (false, Some(Pin { .. })) => "the initrd pins an image, which counts",
        (false, None) => return None,
    };
    Some(format!("the root {url} has no effect: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address;
    use crate::instructions::tests::pin;

    fn root(line: &str) -> Result<Option<ForeignRoot>, ForeignRootError> {
        let instructions = Instructions::combine(None, line);
        let address = address::known(&instructions, |_| None).unwrap().unwrap();
        ForeignRoot::at(&instructions, &address)
    }

    const PULL: &str = "rd.systemd.pull=raw,machine,verify=VERIFY,blockdev:i:http://s/i.raw.xz \
                        root=/dev/disk/by-loop-ref/i.raw-part2";

    #[test]
    fn what_is_verified_is_what_the_line_asks_for() {
        let digest = Digest::of(b"x");
        let pull = |verify: &str, more: &str| {
            root(&format!("{} {more}", PULL.replace("VERIFY", verify))).map(|root| root.unwrap().check)
        };
        assert_eq!(pull("no", ""), Ok(Check::Nothing));
        assert_eq!(pull("checksum", ""), Ok(Check::Sums));
        assert!(matches!(pull("signature", ""), Err(ForeignRootError::Signature(_))));
        let with = format!("bootwright.digest=sha256:{}", digest.hex());
        assert_eq!(pull("signature", &with), Ok(Check::Digest(digest)));
        let with = format!("roothash={}", digest.hex());
        assert_eq!(pull("signature", &with), Ok(Check::RootHash(digest)));
        assert_eq!(pull("signature", "bootwright.verify=off"), Ok(Check::Nothing));
        assert!(matches!(pull("no", "roothash=12"), Err(ForeignRootError::RootHash("roothash", _))));
    }

    #[test]
    fn the_driver_is_told_what_is_its_own() {
        let line =
            "root=live:http://s/live.iso rootflags=rw,noatime,subvol=root,x-systemd.growfs,_netdev,degraded";
        assert_eq!(root(line).unwrap().unwrap().options, "subvol=root,degraded");
    }

    #[test]
    fn where_signers_are_known_a_signature_in_the_image_vouches_for_it() {
        let check = |line: &str| {
            let instructions = Instructions { signers: true, ..Instructions::combine(None, line) };
            let address = address::known(&instructions, |_| None).unwrap().unwrap();
            ForeignRoot::at(&instructions, &address).map(|root| root.unwrap().check)
        };
        let signature = PULL.replace("VERIFY", "signature");
        assert_eq!(check(&signature), Ok(Check::Signed));
        assert_eq!(check("bootwright.image=http://s/i.raw"), Ok(Check::Signed));
        let digest = Digest::of(b"x");
        let more = |more: &str| check(&format!("{signature} {more}"));
        assert_eq!(more(&format!("roothash={}", digest.hex())), Ok(Check::RootHash(digest)));
        assert_eq!(more("bootwright.verify=off"), Ok(Check::Nothing));
        assert_eq!(check(&PULL.replace("VERIFY", "checksum")), Ok(Check::Sums));
        let tar = "rd.systemd.pull=tar,machine:i:http://s/i.tar root=bind:/run/machines/i";
        assert!(matches!(check(tar), Err(ForeignRootError::Signature(_))));
    }

    #[test]
    fn the_hash_of_usr_vouches_for_no_root_beside_it() {
        let digest = Digest::of(b"x");
        let pull = |part: &str| {
            let line =
                format!("rd.systemd.pull=raw,machine:i:http://s/i.raw usrhash={} root={part}", digest.hex());
            root(&line).map(|root| root.unwrap())
        };
        for part in ["gpt-auto", "tmpfs"] {
            let root = pull(part).unwrap();
            assert_eq!((root.check, root.usr_hash), (Check::RootHash(digest), Some(digest)));
            assert!(root.vouches_for(root.usr_hash) && !root.vouches_for(root.root_hash));
        }
        assert!(matches!(pull("PARTLABEL=root"), Err(ForeignRootError::Signature(_))));
    }

    #[test]
    fn a_live_root_is_compared_with_the_checksums_beside_it() {
        let found = root("root=live:http://s/live.iso rd.live.dir=x/y").unwrap().unwrap();
        assert_eq!((found.check, found.form, found.part), (Check::Sums, None, Part::Discovered));
        assert_eq!(found.live.first().map(String::as_str), Some("x/y/squashfs.img"));
        assert!(matches!(root("bootwright.image=http://s/r.img"), Err(ForeignRootError::Unpinned(_))));
        assert_eq!(root("bootwright.image=http://s/a/image.json"), Ok(None));
    }

    #[test]
    fn an_initrd_that_pins_an_image_boots_no_other() {
        let line = "root=live:http://s/live.iso";
        let pinned = Instructions::combine(Some(pin("")), line);
        assert!(passed_over(&pinned).unwrap().contains("the initrd pins"));
        assert_eq!(passed_over(&Instructions::combine(None, line)), None);
    }
}
