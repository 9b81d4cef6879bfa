//! The parameters of [aria2-initrd](https://github.com/OpenCHAMI/aria2-initrd), for set-ups that move over.
//!
//! | parameter | meaning |
//! |---|---|
//! | `url=URL,URL…` | files to fetch into `output_dir` (`/tmp`), as its README says |
//! | `kernel_url=` `initrd_url=` | what to start by kexec, as its init does; the kernel may be a UKI |
//! | `kernel_sha=` `initrd_sha=` | their SHA-256; without it an initrd with a pin refuses ([`Verifying`]), another one warns |
//! | `next_kernel_params=` | the command line; default that of the UKI, else `console=ttyS0` |
//!
//! Of `aria2_options=` a [safe part](Aria2Options) counts. `tpm_attestation=1` is refused: a machine that is
//! told to attest must not boot without. Only HTTP and HTTPS URLs are fetched.

use bootwright_image::Digest;
use bootwright_image::cmdline::CommandLine;
use url::Url;

use crate::Instructions;
use crate::aria2_options::Aria2Options;

/// Every key that counts.
pub const KEYS: &[&str] = &[
    "url",
    "output_dir",
    "kernel_url",
    "initrd_url",
    "kernel_sha",
    "initrd_sha",
    "next_kernel_params",
    "aria2_options",
    "tpm_attestation",
];

/// Where files go without `output_dir=`.
const OUTPUT_DIRECTORY: &str = "/tmp";

/// The command line that aria2-initrd gives when none is given.
pub const COMMAND_LINE: &str = "console=ttyS0";

/// More files than that are a mistake.
const MAX_FILES: usize = 64;

/// A file to fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// Where it is.
    pub url: Url,
    /// Its name in the output directory.
    pub name: String,
    /// What it must be.
    pub digest: Option<Digest>,
}

/// What the line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Files of `url=`.
    pub files: Vec<Remote>,
    /// Where they go.
    pub output_directory: String,
    /// The kernel to start.
    pub kernel: Option<Remote>,
    /// Its initrd.
    pub initrd: Option<Remote>,
    /// Its command line.
    pub next_kernel_params: Option<String>,
    /// How patient downloads are; options that are not done among it.
    pub options: Aria2Options,
}

/// What must have a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verifying {
    /// Whatever is started: the initrd has a pin, and `bootwright.verify=off` is not said.
    Everything,
    /// What the line gives one for, as aria2-initrd does it.
    WhatHasDigest,
}

impl Request {
    /// What the instructions ask for, where they say that these names count. An initrd with a pin starts nothing
    /// that nobody vouches for, unless it is told to.
    pub fn of(instructions: &Instructions) -> Result<Option<Self>, String> {
        let Instructions { line, pin, options, .. } = instructions;
        if !options.compat_aria2 {
            return Ok(None);
        }
        let Some(request) = Self::read(line)? else { return Ok(None) };
        let everything = pin.is_some() && !options.verify_off;
        request.check(if everything { Verifying::Everything } else { Verifying::WhatHasDigest })?;
        Ok(Some(request))
    }

    /// Refuses what would be started without a digest where everything must have one.
    pub fn check(&self, verifying: Verifying) -> Result<(), String> {
        if verifying == Verifying::WhatHasDigest {
            return Ok(());
        }
        let started = [("kernel", &self.kernel), ("initrd", &self.initrd)];
        let without =
            |(_, remote): &&(&str, &Option<Remote>)| remote.as_ref().is_some_and(|it| it.digest.is_none());
        match started.iter().find(without) {
            Some((name, _)) => Err(format!(
                "{name}_url= without {name}_sha= is refused: this initrd pins an image, and starts nothing that is \
                 not verified; give its SHA-256, or say bootwright.verify=off"
            )),
            None => Ok(()),
        }
    }

    /// Reads the line; `None` when it asks for nothing of the kind, an error when it asks for what cannot
    /// be done.
    pub fn read(line: &CommandLine) -> Result<Option<Self>, String> {
        let text = |key: &str| line.get(key).filter(|value| !value.is_empty());
        if text("tpm_attestation") == Some("1") {
            return Err("tpm_attestation=1 is not supported by this agent".to_owned());
        }
        let files = text("url").map(|list| list.split(',').filter(|url| !url.is_empty()));
        let files = files.into_iter().flatten().map(|url| remote("url", url, None, None));
        let files: Vec<Remote> = files.collect::<Result<_, _>>()?;
        if files.len() > MAX_FILES {
            return Err(format!("url= names {} files, more than {MAX_FILES}", files.len()));
        }
        let fetched = |key: &str, digest_key: &str, name: &str| {
            text(key).map(|url| remote(key, url, text(digest_key), Some(name))).transpose()
        };
        let kernel = fetched("kernel_url", "kernel_sha", "kernel")?;
        let initrd = fetched("initrd_url", "initrd_sha", "initrd.img")?;
        if kernel.is_none() && initrd.is_some() {
            return Err("initrd_url= without kernel_url=".to_owned());
        }
        let options = line.get("aria2_options").map(Aria2Options::read).unwrap_or_default();
        let mut request = Self {
            files,
            output_directory: text("output_dir").unwrap_or(OUTPUT_DIRECTORY).to_owned(),
            kernel,
            initrd,
            next_kernel_params: text("next_kernel_params").map(str::to_owned),
            options,
        };
        request.checksum()?;
        Ok((request.kernel.is_some() || !request.files.is_empty()).then_some(request))
    }
}

impl Request {
    /// `--checksum=` is of the one file that is fetched.
    fn checksum(&mut self) -> Result<(), String> {
        let Some(checksum) = self.options.checksum else { return Ok(()) };
        let mut fetched: Vec<&mut Remote> =
            self.files.iter_mut().chain(&mut self.kernel).chain(&mut self.initrd).collect();
        match &mut fetched[..] {
            [one] if one.digest.is_none_or(|digest| digest == checksum) => {
                one.digest = Some(checksum);
                Ok(())
            }
            [_] => Err("aria2_options: --checksum= is another one than kernel_sha=".to_owned()),
            several => {
                let count = several.len();
                Err(format!("aria2_options: --checksum= is of one file, and {count} are fetched"))
            }
        }
    }
}

fn remote(key: &str, url: &str, digest: Option<&str>, name: Option<&str>) -> Result<Remote, String> {
    let url = Url::parse(url).map_err(|error| format!("{key}={url}: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("{key}={url}: only http:// and https:// are fetched by this agent"));
    }
    let digest = digest.map(|text| text.trim().to_lowercase().parse::<Digest>()).transpose();
    let digest = digest.map_err(|error| format!("the SHA-256 for {key}: {error}"))?;
    let last = url.path_segments().and_then(|mut segments| segments.next_back()).unwrap_or_default();
    let name = match name {
        Some(name) => name.to_owned(),
        None if matches!(last, "" | "." | "..") => {
            return Err(format!("{key}={url}: there is no file name in it"));
        }
        None => last.to_owned(),
    };
    Ok(Remote { url, name, digest })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(line: &str) -> Result<Option<Request>, String> {
        Request::read(&CommandLine::parse(line))
    }

    #[test]
    fn kernel_and_initrd_with_their_digests_and_a_quoted_line_are_read() {
        let digest = Digest::of(b"kernel");
        let line = format!(
            "kernel_url=http://s/vmlinuz initrd_url=http://s/initrd kernel_sha={} \
             next_kernel_params=\"console=ttyS0 quiet root=x\"",
            digest.hex().to_uppercase()
        );
        let request = read(&line).unwrap().unwrap();
        let kernel = request.kernel.unwrap();
        assert_eq!((kernel.name.as_str(), kernel.digest), ("kernel", Some(digest)));
        assert_eq!(request.initrd.unwrap().digest, None);
        assert_eq!(request.next_kernel_params.as_deref(), Some("console=ttyS0 quiet root=x"));
    }

    #[test]
    fn a_list_of_urls_goes_into_the_output_directory_by_name() {
        let request = read("url=http://s/a/one.img,https://s/two output_dir=/run/x aria2_options=-j4")
            .unwrap()
            .unwrap();
        let names: Vec<_> = request.files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!((names, request.output_directory.as_str()), (vec!["one.img", "two"], "/run/x"));
        assert_eq!(request.options.refused, [""; 0]);
    }

    #[test]
    fn a_checksum_of_aria2_is_that_of_the_one_file() {
        let digest = Digest::of(b"kernel");
        let options = format!("--checksum=sha-256={}", digest.hex());
        let request = read(&format!("kernel_url=http://s/k aria2_options={options}")).unwrap().unwrap();
        assert_eq!(request.kernel.as_ref().unwrap().digest, Some(digest));
        assert_eq!(request.check(Verifying::Everything), Ok(()));
    }

    #[test]
    fn what_cannot_be_done_is_said_and_nothing_is_asked_by_an_ordinary_line() {
        assert_eq!(read("quiet console=ttyS0"), Ok(None));
        for (line, word) in [
            ("kernel_url=magnet:?xt=1", "only http"),
            ("kernel_url=http://s/k kernel_sha=xyz", "hexadecimal"),
            ("initrd_url=http://s/i", "without kernel_url"),
            ("url=http://s/", "no file name"),
            ("tpm_attestation=1 kernel_url=http://s/k", "tpm_attestation"),
            (
                &*format!("url=http://s/a,http://s/b aria2_options=--checksum=sha-256={}", "0".repeat(64)),
                "2 are fetched",
            ),
        ] {
            let error = read(line).unwrap_err();
            assert!(error.contains(word), "{line}: {error}");
        }
    }

    #[test]
    fn where_everything_is_verified_nothing_starts_without_a_digest() {
        let digest = Digest::of(b"kernel").hex();
        let check = |line: &str| read(line).unwrap().unwrap().check(Verifying::Everything);
        assert!(check("kernel_url=http://s/k").unwrap_err().contains("kernel_sha= is refused"));
        let kernel = format!("kernel_url=http://s/k kernel_sha={digest}");
        assert!(check(&format!("{kernel} initrd_url=http://s/i")).unwrap_err().contains("initrd_sha="));
        assert_eq!(check(&kernel), Ok(()));
        let plain = read("kernel_url=http://s/k initrd_url=http://s/i").unwrap().unwrap();
        assert_eq!(plain.check(Verifying::WhatHasDigest), Ok(()));
    }

    proptest! {
        #[test]
        fn a_name_never_leaves_the_output_directory(path in "[a-z./%0-9]{0,30}") {
            if let Ok(Some(request)) = read(&format!("url=http://s/{path}")) {
                for file in request.files {
                    prop_assert!(!file.name.contains('/') && !matches!(file.name.as_str(), "" | "." | ".."));
                }
            }
        }
    }
}
