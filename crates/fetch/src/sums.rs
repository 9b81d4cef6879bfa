//! Checksums beside a file: `FILE.sha256`, and `SHA256SUMS` of its directory.
//!
//! Lines are those of sha256sum(1), `HEX  NAME` or `HEX *NAME`, and of BSD's sha256(1), `SHA256 (NAME) = HEX`;
//! comments and the lines of an OpenPGP cleartext signature are passed over, the signature is not checked. A
//! text with any other line is no file of checksums: a server's page that says it found nothing is none.

use std::str::FromStr as _;

use bootwright_image::Digest;
use url::Url;

/// The largest file of checksums, in bytes: those of whole distributions have some 100 KiB.
pub const MAX_SUMS: usize = 4 << 20;

/// Where the checksum of the file at `url` may be, the first choice first, and how far the text is about it.
pub fn places(url: &Url) -> Vec<(Url, About)> {
    let mut own = url.clone();
    own.set_path(&format!("{}.sha256", url.path()));
    own.set_query(None);
    let all = url.join("SHA256SUMS").ok();
    std::iter::once((own, About::OneFile)).chain(all.map(|all| (all, About::Directory))).collect()
}

/// What a file of checksums is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// One file alone: a digest needs no name.
    OneFile,
    /// Whatever lies beside it.
    Directory,
}

/// What a text says of a file.
#[derive(Debug, PartialEq, Eq)]
pub enum Said {
    /// Its digest.
    Digest(Digest),
    /// Nothing, though it is a file of checksums.
    Nothing,
    /// It is none: the line that tells.
    NoSums(usize),
}

/// Looks for `name` in the text of a file of checksums.
pub fn look(text: &str, name: &str, about: About) -> Said {
    let alone = about == About::OneFile;
    let mut found = Said::Nothing;
    let mut signature = false;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim_end();
        signature |= line == "-----BEGIN PGP SIGNATURE-----";
        let armour = line.starts_with("-----") || line.starts_with("Hash: ");
        if signature || armour || line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((digest, named)) = entry(line) else { return Said::NoSums(number) };
        let here = named.map_or(alone, |named| base(named) == name);
        if here && found == Said::Nothing {
            found = Said::Digest(digest);
        }
    }
    found
}

/// A line: the digest, and the name it is of.
fn entry(line: &str) -> Option<(Digest, Option<&str>)> {
    if let Some(rest) = line.strip_prefix("SHA256 (") {
        let (name, digest) = rest.rsplit_once(") = ")?;
        return Some((hex(digest)?, Some(name)));
    }
    let (digest, name) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    let name = name.trim_start().trim_start_matches('*');
    Some((hex(digest)?, Some(name).filter(|name| !name.is_empty())))
}

fn hex(text: &str) -> Option<Digest> {
    Digest::from_str(text).ok().filter(|_| text.len() == 64)
}

fn base(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(byte: u8) -> Digest {
        Digest([byte; 32])
    }

    fn line(byte: u8) -> String {
        digest(byte).hex()
    }

    #[test]
    fn the_lines_of_sha256sum_and_of_bsd() {
        let text = format!(
            "# sums\n-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n{}  a.iso\n{} *./dir/b.iso\nSHA256 (c (1).iso) = {}\n\
             -----BEGIN PGP SIGNATURE-----\nabc\n-----END PGP SIGNATURE-----\n",
            line(1),
            line(2),
            line(3)
        );
        assert_eq!(look(&text, "a.iso", About::Directory), Said::Digest(digest(1)));
        assert_eq!(look(&text, "b.iso", About::Directory), Said::Digest(digest(2)));
        assert_eq!(look(&text, "c (1).iso", About::Directory), Said::Digest(digest(3)));
        assert_eq!(look(&text, "d.iso", About::Directory), Said::Nothing);
    }

    #[test]
    fn a_digest_alone_counts_only_in_a_file_of_its_own() {
        assert_eq!(look(&line(4), "a.iso", About::OneFile), Said::Digest(digest(4)));
        assert_eq!(look(&line(4), "a.iso", About::Directory), Said::Nothing);
        assert_eq!(look(&format!("{}  other.iso\n", line(4)), "a.iso", About::OneFile), Said::Nothing);
    }

    #[test]
    fn a_page_that_says_not_found_is_no_file_of_checksums() {
        assert_eq!(look("<!doctype html>\n<title>404</title>", "a.iso", About::OneFile), Said::NoSums(1));
        assert_eq!(
            look(&format!("{}  a.iso\nplus something", line(1)), "a.iso", About::Directory),
            Said::NoSums(2)
        );
        assert_eq!(look("d41d8cd98f00b204e9800998ecf8427e  a.iso", "a.iso", About::OneFile), Said::NoSums(1));
    }
}
