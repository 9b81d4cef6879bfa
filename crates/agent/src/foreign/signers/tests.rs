//! Signatures by openssl(1), as systemd-repart and we make them.

use std::process::Command;

use super::*;

fn openssl(directory: &Path, line: &str) {
    let output = Command::new("openssl").args(line.split(' ')).current_dir(directory).output();
    let output = output.unwrap_or_else(|error| panic!("openssl: {error}: package openssl"));
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Makes `NAME.key` and, in `trusted/`, `NAME.crt`.
pub fn key(directory: &Path, name: &str, kind: &str) {
    let line = format!(
        "req -x509 -newkey {kind} -nodes -subj /CN={name} -days 1 -keyout {name}.key -out trusted/{name}.crt"
    );
    openssl(directory, &line);
}

/// The partition with `hash` signed by `name`.
pub fn partition(directory: &Path, name: &str, hash: &str, more: &str) -> Vec<u8> {
    fs::write(directory.join("hash"), hash).unwrap();
    let line = format!(
        "smime -sign -binary{more} -md sha256 -outform DER -in hash -out signed -inkey {name}.key -signer trusted/{name}.crt"
    );
    openssl(directory, &line);
    let signature = STANDARD.encode(fs::read(directory.join("signed")).unwrap());
    let text = serde_json::json!({"rootHash": hash, "certificateFingerprint": "00", "signature": signature});
    let mut bytes = text.to_string().into_bytes();
    bytes.resize(16 << 10, 0);
    bytes
}

#[test]
fn what_a_trusted_key_has_signed_counts_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    fs::create_dir(at.join("trusted")).unwrap();
    assert!(Signers::read(&at.join("absent")).is_empty());
    for (name, kind) in
        [("rsa", "rsa:2048"), ("curve", "ec -pkeyopt ec_paramgen_curve:P-256"), ("stranger", "rsa:2048")]
    {
        key(at, name, kind);
    }
    let hash = Digest::of(b"a root hash");
    let by = |name: &str, more: &str| partition(at, name, &hash.hex(), more);
    let (rsa, curve) = (by("rsa", " -noattr"), by("curve", " -noattr"));
    let (attributes, stranger) = (by("rsa", ""), by("stranger", " -noattr"));
    fs::remove_file(at.join("trusted/stranger.crt")).unwrap();
    fs::write(at.join("trusted/none.crt"), "no certificate").unwrap();
    let signers = Signers::read(&at.join("trusted"));
    assert_eq!(signers.0.len(), 2);
    assert_eq!(signers.root_hash(&rsa).unwrap(), hash);
    assert_eq!(signers.root_hash(&curve).unwrap(), hash);
    for other in [&attributes, &stranger] {
        let error = signers.root_hash(other).unwrap_err();
        assert!(matches!(error, SignatureError::Untrusted(_, 2)), "{error}");
    }
    // The same signature beside another hash.
    let text = String::from_utf8(rsa).unwrap().replace(&hash.hex(), &Digest::of(b"another").hex());
    assert!(matches!(signers.root_hash(text.as_bytes()), Err(SignatureError::Untrusted(..))));
}

#[test]
fn what_is_no_signature_is_told() {
    let signers = Signers::default();
    let hash = Digest::of(b"x").hex();
    for (text, expected) in [
        ("", "EOF"),
        ("{\"rootHash\":\"12\",\"signature\":\"\"}", "no SHA-256"),
        (&format!("{{\"rootHash\":\"{hash}\",\"signature\":\"?\"}}"), "Invalid"),
        (&format!("{{\"rootHash\":\"{hash}\",\"signature\":\"MAA=\"}}"), "PKCS#7"),
    ] {
        let error = signers.root_hash(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}
