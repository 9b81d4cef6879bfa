//! The signature of a dm-verity root hash, as it lies in a partition of its own.
//!
//! Specification: the Discoverable Partitions Specification (UAPI.2), "Verity signature": JSON with `rootHash`,
//! `certificateFingerprint` (SHA-256 of the certificate in DER) and `signature` (PKCS#7 in DER over the root hash as
//! lower-case hexadecimal text, detached, without attributes; base64), filled up with zeros. The signature is made by
//! openssl(1), so that any key that it reads will do; of an RSA key it is the same each time, of an elliptic curve
//! it is not.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bootwright_image::{Digest, SignedRootHash};

use super::MediaError;
use crate::tool::Tool;

const OPENSSL: Tool = Tool { program: "openssl", package: "openssl" };

/// The text is filled up to a multiple of this: the size that systemd-repart gives the partition.
const UNIT: usize = 16 << 10;

/// Who signs root hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// The private key, in PEM.
    pub key: PathBuf,
    /// Its certificate, in PEM, which machines have to know.
    pub certificate: PathBuf,
}

impl Signer {
    /// What lies in the partition.
    pub(super) fn partition(&self, root_hash: &Digest) -> Result<Vec<u8>, MediaError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| MediaError::Io { path, source }
        };
        let work = tempfile::tempdir().map_err(at(&std::env::temp_dir()))?;
        let file = |name: &str| work.path().join(name);
        let (hash, signed, der) = (file("hash"), file("signature"), file("certificate"));
        std::fs::write(&hash, root_hash.hex()).map_err(at(&hash))?;
        let mut command = OPENSSL.command();
        command.args(["smime", "-sign", "-binary", "-noattr", "-md", "sha256", "-outform", "DER"]);
        command.arg("-in").arg(&hash).arg("-out").arg(&signed);
        command.arg("-inkey").arg(&self.key).arg("-signer").arg(&self.certificate);
        OPENSSL.run(&mut command, None, &|_| {})?;
        let mut command = OPENSSL.command();
        command.args(["x509", "-outform", "DER", "-in"]).arg(&self.certificate).arg("-out").arg(&der);
        OPENSSL.run(&mut command, None, &|_| {})?;
        let read = |path: &Path| std::fs::read(path).map_err(at(path));
        let signature = SignedRootHash {
            root_hash: root_hash.hex(),
            certificate_fingerprint: Digest::of(&read(&der)?).hex(),
            signature: STANDARD.encode(read(&signed)?),
        };
        let mut bytes = serde_json::to_vec(&signature).map_err(|error| at(&signed)(error.into()))?;
        bytes.resize(bytes.len().next_multiple_of(UNIT), 0);
        Ok(bytes)
    }
}
