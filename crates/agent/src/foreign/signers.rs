//! Who may say which root hash is the right one: the certificates in the initrd, and what their keys have signed.
//!
//! Specification: the Discoverable Partitions Specification (UAPI.2), "Verity signature": JSON with `rootHash` and
//! `signature`, base64 of a SignedData (RFC 5652) without content and without attributes, over the root hash as lower-case
//! hexadecimal text; then zeros. As systemd has it, a certificate is trusted itself, whoever has issued it, and however
//! old it is: an initrd is made anew to trust another.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bootwright_image::{Digest, SignedRootHash};
use cms::content_info::ContentInfo;
use cms::signed_data::SignedData;
use der::Decode as _;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use tracing::warn;
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert};

/// Where the initrd has the certificates, `NAME.crt` in PEM, as systemd has them.
const DIRECTORY: &str = "/etc/verity.d";

/// The most bytes of a certificate, and of a partition with a signature, that are looked at.
const MAX_CERTIFICATE: u64 = 64 << 10;
pub const MAX_SIGNATURE: u64 = 256 << 10;

/// Whose signatures count.
#[derive(Debug, Default)]
pub struct Signers(Vec<CertificateDer<'static>>);

/// Why a signature does not count.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    /// Not what the specification says.
    #[error("it is no signature of a root hash: {0}")]
    Malformed(String),
    /// Signed by somebody else, or damaged.
    #[error(
        "its signature of the root hash {0} is of none of the {1} certificates in {DIRECTORY} of the initrd, or damaged"
    )]
    Untrusted(Digest, usize),
}

impl Signers {
    /// Those that the initrd knows.
    pub fn of_initrd() -> Self {
        Self::read(Path::new(DIRECTORY))
    }

    /// Those of a directory; what cannot be read there is told and passed over.
    pub(super) fn read(directory: &Path) -> Self {
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Self::default(),
            Err(error) => {
                warn!("{}: {error}: nobody's signatures count", directory.display());
                return Self::default();
            }
        };
        let mut paths: Vec<_> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "crt"));
        paths.sort();
        let mut certificates = Vec::new();
        for path in paths {
            match certificate(&path) {
                Ok(certificate) => certificates.push(certificate),
                Err(problem) => warn!("{}: {problem}: its signatures do not count", path.display()),
            }
        }
        Self(certificates)
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The root hash that the `bytes` of a partition say, when one of these has signed it.
    ///
    /// # Errors
    /// [`SignatureError`]: nobody of these vouches for it.
    pub fn root_hash(&self, bytes: &[u8]) -> Result<Digest, SignatureError> {
        let malformed = |problem: String| SignatureError::Malformed(problem);
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        let text = bytes.get(..end).unwrap_or_default();
        let told: SignedRootHash =
            serde_json::from_slice(text).map_err(|error| malformed(error.to_string()))?;
        let hash: Digest = format!("sha256:{}", told.root_hash)
            .parse()
            .map_err(|_| malformed(format!("{:?} is no SHA-256", told.root_hash)))?;
        let signed = STANDARD.decode(&told.signature).map_err(|error| malformed(error.to_string()))?;
        let signed = signed_data(&signed).map_err(|error| malformed(format!("PKCS#7: {error}")))?;
        let is_ours = signed.signer_infos.0.iter().any(|signer| {
            // What is signed with attributes is those, which nobody makes here.
            signer.signed_attrs.is_none() && self.have_signed(&hash.hex(), signer.signature.as_bytes())
        });
        if is_ours { Ok(hash) } else { Err(SignatureError::Untrusted(hash, self.0.len())) }
    }

    fn have_signed(&self, text: &str, signature: &[u8]) -> bool {
        let certificates = self.0.iter().filter_map(|der| EndEntityCert::try_from(der).ok());
        certificates.into_iter().any(|certificate| {
            let by = |algorithm| certificate.verify_signature(algorithm, text.as_bytes(), signature).is_ok();
            ALL_VERIFICATION_ALGS.iter().any(|algorithm| by(*algorithm))
        })
    }
}

fn certificate(path: &Path) -> Result<CertificateDer<'static>, String> {
    let size = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > MAX_CERTIFICATE {
        return Err(format!("{size} bytes are no certificate"));
    }
    let bytes = fs::read(path).map_err(|error| error.to_string())?;
    let certificate = CertificateDer::from_pem_slice(&bytes).map_err(|error| format!("{error:?}"))?;
    EndEntityCert::try_from(&certificate).map_err(|error| error.to_string())?;
    Ok(certificate)
}

fn signed_data(der: &[u8]) -> der::Result<SignedData> {
    ContentInfo::from_der(der)?.content.decode_as()
}

#[cfg(test)]
pub mod tests;
