//! The PKCS#7 in a certificate table: who signed, with which certificates, and which digest.
//!
//! Specifications: RFC 2315 (SignedData); Microsoft, "Windows Authenticode Portable Executable Signature
//! Format" for the `SpcIndirectDataContent` in it; RFC 5280 (certificates).

use cms::cert::CertificateChoices;
use cms::content_info::ContentInfo;
use cms::signed_data::{SignedData, SignerIdentifier, SignerInfo};
use der::asn1::{AnyRef, ObjectIdentifier, OctetStringRef, UintRef};
use der::{Decode as _, Reader as _, SliceReader};
use x509_cert::TbsCertificate;
use x509_cert::name::Name;
use x509_cert::spki::SubjectPublicKeyInfoOwned;

use crate::bytes::printable;

/// The most certificates of a chain that are told: real ones have three.
const MAX_CHAIN: usize = 8;

const ALGORITHMS: [(&str, &str); 12] = [
    ("1.2.840.113549.1.1.1", "RSA"),
    ("1.2.840.113549.1.1.5", "RSA with SHA-1"),
    ("1.2.840.113549.1.1.10", "RSA-PSS"),
    ("1.2.840.113549.1.1.11", "RSA with SHA-256"),
    ("1.2.840.113549.1.1.12", "RSA with SHA-384"),
    ("1.2.840.113549.1.1.13", "RSA with SHA-512"),
    ("1.2.840.10045.2.1", "EC"),
    ("1.2.840.10045.4.3.2", "ECDSA with SHA-256"),
    ("1.3.14.3.2.26", "SHA-1"),
    ("2.16.840.1.101.3.4.2.1", "SHA-256"),
    ("2.16.840.1.101.3.4.2.2", "SHA-384"),
    ("2.16.840.1.101.3.4.2.3", "SHA-512"),
];

/// What one signature says.
pub(super) struct Signature {
    /// Subject of the certificate that it was made with; its issuer and serial number when it is not there.
    pub(super) signer: String,
    /// The signer's issuer.
    pub(super) issuer: String,
    /// The signer's certificate, when it is in the file.
    pub(super) certificate: Option<Certificate>,
    /// Common names from the signer's certificate upwards, as far as certificates are in the file.
    pub(super) chain: Vec<String>,
    /// How it was signed: `RSA`.
    pub(super) algorithm: String,
    /// How the file was digested: `SHA-256`.
    pub(super) digest_algorithm: String,
    /// The file's digest.
    pub(super) digest: Vec<u8>,
}

/// The certificate of the signer.
pub(super) struct Certificate {
    /// Seconds since 1970.
    pub(super) valid: (u64, u64),
    /// `RSA, 2048 bits`.
    pub(super) key: String,
}

/// Reads a `ContentInfo`; padding may follow.
pub(super) fn parse(bytes: &[u8]) -> der::Result<Signature> {
    let info = ContentInfo::decode(&mut SliceReader::new(bytes)?)?;
    let signed = info.content.decode_as::<SignedData>()?;
    let (digest_algorithm, digest) = match &signed.encap_content_info.econtent {
        Some(content) => message_digest(content.value())?,
        None => Default::default(),
    };
    let certificates = signed.certificates.iter().flat_map(|set| set.0.iter());
    let certificates: Vec<_> = certificates
        .filter_map(|choice| match choice {
            CertificateChoices::Certificate(certificate) => Some(&certificate.tbs_certificate),
            CertificateChoices::Other(_) => None,
        })
        .collect();
    // Authenticode has exactly one.
    let signer = signed.signer_infos.0.iter().next();
    let signer = signer.ok_or_else(|| der::ErrorKind::Failed.at(der::Length::ZERO))?;
    let own = certificate_of(signer, &certificates);
    let issuer = match (&signer.sid, own) {
        (SignerIdentifier::IssuerAndSerialNumber(sid), _) => sid.issuer.to_string(),
        (SignerIdentifier::SubjectKeyIdentifier(_), own) => {
            own.map(|own| own.issuer.to_string()).unwrap_or_default()
        }
    };
    let name = own.map_or_else(|| format!("a certificate of {issuer}"), |own| own.subject.to_string());
    Ok(Signature {
        signer: printable(name.as_bytes()),
        issuer: printable(issuer.as_bytes()),
        certificate: own.map(certificate),
        chain: own.map(|own| chain(own, &certificates)).unwrap_or_default(),
        algorithm: algorithm(signer.signature_algorithm.oid),
        digest_algorithm,
        digest,
    })
}

fn certificate_of<'a>(signer: &SignerInfo, among: &[&'a TbsCertificate]) -> Option<&'a TbsCertificate> {
    let SignerIdentifier::IssuerAndSerialNumber(sid) = &signer.sid else { return None };
    among.iter().copied().find(|own| own.serial_number == sid.serial_number && own.issuer == sid.issuer)
}

fn certificate(own: &TbsCertificate) -> Certificate {
    let time = |time: x509_cert::time::Time| time.to_unix_duration().as_secs();
    Certificate {
        valid: (time(own.validity.not_before), time(own.validity.not_after)),
        key: key(&own.subject_public_key_info),
    }
}

/// The kind of key, and for RSA how long its modulus is.
fn key(info: &SubjectPublicKeyInfoOwned) -> String {
    let name = algorithm(info.algorithm.oid);
    if name != "RSA" {
        return name;
    }
    let modulus = || -> der::Result<usize> {
        let bytes = info.subject_public_key.raw_bytes();
        let sequence = AnyRef::decode(&mut SliceReader::new(bytes)?)?;
        Ok(UintRef::decode(&mut SliceReader::new(sequence.value())?)?.as_bytes().len())
    };
    modulus().map_or_else(|_| name.clone(), |bytes| format!("{name}, {} bits", bytes.saturating_mul(8)))
}

/// Goes from issuer to issuer. Each certificate is taken once, so that a circle ends.
fn chain(own: &TbsCertificate, among: &[&TbsCertificate]) -> Vec<String> {
    let mut left = among.to_vec();
    let mut names = vec![name(&own.subject)];
    let mut at = own;
    while names.len() < MAX_CHAIN && at.issuer != at.subject {
        let Some(next) = left.iter().position(|other| other.subject == at.issuer) else {
            names.push(format!("{} (not in the file)", name(&at.issuer)));
            break;
        };
        at = left.swap_remove(next);
        names.push(name(&at.subject));
    }
    names
}

fn name(name: &Name) -> String {
    let all = printable(name.to_string().as_bytes());
    common_name(&all).to_owned()
}

/// The `CN` of a name as RFC 4514 writes it; all of it when there is none. A comma in a value is escaped.
pub(super) fn common_name(name: &str) -> &str {
    let start = name.strip_prefix("CN=").or_else(|| Some(name.split_once(",CN=")?.1));
    let Some(rest) = start else { return name };
    let comma =
        rest.match_indices(',').find(|(at, _)| !rest.get(..*at).is_some_and(|before| before.ends_with('\\')));
    comma.and_then(|(at, _)| rest.get(..at)).unwrap_or(rest)
}

/// Its name; its number when it is none that firmware knows.
fn algorithm(oid: ObjectIdentifier) -> String {
    let number = oid.to_string();
    let known = ALGORITHMS.iter().find(|(known, _)| *known == number);
    known.map_or(number, |(_, name)| (*name).to_owned())
}

/// `SpcIndirectDataContent`: a sequence of data and `DigestInfo { algorithm, digest }`.
fn message_digest(content: &[u8]) -> der::Result<(String, Vec<u8>)> {
    let mut reader = SliceReader::new(content)?;
    AnyRef::decode(&mut reader)?;
    let info = AnyRef::decode(&mut reader)?;
    let mut reader = SliceReader::new(info.value())?;
    let kind = AnyRef::decode(&mut reader)?;
    let kind = ObjectIdentifier::decode(&mut SliceReader::new(kind.value())?)?;
    let digest = OctetStringRef::decode(&mut reader)?;
    reader.finish((algorithm(kind), digest.as_bytes().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::common_name;

    #[test]
    fn a_common_name_is_found_wherever_it_stands() {
        assert_eq!(common_name("CN=a b,O=c"), "a b");
        assert_eq!(common_name("O=c,CN=a"), "a");
        assert_eq!(common_name("CN=a\\, b,O=c"), "a\\, b");
        assert_eq!(common_name("O=c"), "O=c");
    }
}
