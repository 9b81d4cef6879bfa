//! From the raw tables to a checked [`Recipe`]. Every fault is collected, so that a user mends all of
//! them at once. [`source`] checks where root and kernel come from, [`changes`] what is put into the root,
//! [`output`] what is made of it, [`disk`] what mode `disk` wants.

mod changes;
mod disk;
mod output;
mod source;

use std::ops::Range;
use std::path::{Path, PathBuf};

use bootwright_image::RootFormat;
use bootwright_image::cmdline::{BootOptions, CommandLine};
use bootwright_image::manifest::{self, is_plain_name};
use toml::Spanned;

use super::{BootFiles, Changes, Compression, Initrd, Integrity, Recipe, RecipeProblem, raw};
use crate::tree::{Glob, TreePath};

type Text = Spanned<String>;

pub(super) fn check(path: &Path, raw: raw::Recipe) -> Result<Recipe, Vec<RecipeProblem>> {
    let directory = path.parent().unwrap_or(Path::new("")).to_owned();
    let mut checker = Checker { directory, problems: Vec::new() };
    let recipe = checker.recipe(path, raw);
    if checker.problems.is_empty() { Ok(recipe) } else { Err(checker.problems) }
}

/// Collects faults; what was faulty is replaced by something harmless so that checking goes on.
struct Checker {
    directory: PathBuf,
    problems: Vec<RecipeProblem>,
}

impl Checker {
    fn recipe(&mut self, path: &Path, raw: raw::Recipe) -> Recipe {
        self.test(&raw.name, "letters, digits and ._-+~ only, at most 128, none of .- first", is_plain_name);
        let mode = raw.mode.as_ref().map(|mode| *mode.get_ref()).unwrap_or_default();
        self.disk(&raw, mode);
        let (kernel_span, kernel) = match raw.kernel {
            Some(kernel) => (kernel.span(), kernel.into_inner()),
            None => (0..0, raw::Kernel::default()),
        };
        let peers = raw.peers.as_ref().map(|peers| {
            let word = if *peers.get_ref() { "on" } else { "off" };
            Text::new(peers.span(), word.to_owned())
        });
        let fallback = disk::joined(&raw.fallback);
        let parameters = [
            ("cache", raw.cache.as_ref()),
            ("offline", raw.offline.as_ref()),
            ("fallback", fallback.as_ref()),
            ("on_failure", raw.on_failure.as_ref()),
            ("peers", peers.as_ref()),
            ("seed", raw.seed.as_ref()),
            ("upload", raw.upload.as_ref()),
        ];
        let cmdline = self.cmdline(kernel.cmdline.as_ref(), &parameters);
        if let Some(version) = &kernel.version {
            self.test(version, "a kernel version is one plain name", is_plain_name);
        }
        Recipe {
            path: path.to_owned(),
            mode: match mode {
                raw::Mode::Ram => manifest::Mode::Ram,
                raw::Mode::Stream => manifest::Mode::Stream,
                raw::Mode::Embed => manifest::Mode::Embed,
                raw::Mode::Disk => manifest::Mode::Disk,
            },
            url: raw.url.map(|url| {
                let wanted =
                    "an http:// or https:// URL that ends with image.json, or with / for its directory";
                self.test(&url, wanted, is_image_url);
                url.into_inner()
            }),
            format: match raw.format {
                raw::Format::Squashfs => RootFormat::Squashfs,
                raw::Format::Erofs => RootFormat::Erofs,
            },
            order: self.order(raw.format, raw.order),
            compression: self.compression(raw.format, raw.compression),
            verity: if raw.verity { Integrity::Verity } else { Integrity::None },
            exclude: raw.root.get_ref().exclude.iter().map(|glob| Glob::new(glob.get_ref())).collect(),
            mirrors: raw.mirrors.into_iter().map(|url| self.mirror(url)).collect(),
            root: self.root(raw.root),
            kernel_version: kernel.version.clone().map(Spanned::into_inner),
            boot_files: if kernel.keep_boot { BootFiles::Keep } else { BootFiles::Drop },
            kernel: self.kernel(kernel_span, kernel),
            cmdline,
            initrd: self.initrd(raw.initrd, mode),
            changes: Changes {
                trees: raw.trees.into_iter().map(|tree| self.tree(tree)).collect(),
                files: raw.files.into_iter().filter_map(|file| self.file(file)).collect(),
                hostname: raw.hostname.map(|name| {
                    self.test(&name, "a host name has letters, digits and -, at most 63", is_host_name);
                    name.into_inner()
                }),
                locale: raw.locale.map(|locale| {
                    self.test(&locale, "a locale looks like C.UTF-8 or de_DE.UTF-8", is_word);
                    locale.into_inner()
                }),
                users: raw.users.into_iter().map(|user| self.user(user)).collect(),
                enable: self.units(raw.units.enable),
                mask: self.units(raw.units.mask),
                script: raw.script.map(Spanned::into_inner),
            },
            output: self.output(raw.output, raw.verity),
            name: raw.name.into_inner(),
        }
    }

    fn order(&mut self, format: raw::Format, order: Option<Text>) -> Option<PathBuf> {
        let erofs = matches!(format, raw::Format::Erofs);
        self.belongs(erofs, order.as_ref(), "order is for the format erofs");
        order.map(|order| self.directory.join(order.into_inner()))
    }

    fn compression(
        &mut self,
        format: raw::Format,
        asked: Option<Spanned<Compression>>,
    ) -> Option<Compression> {
        let asked = asked?;
        if matches!((format, asked.get_ref()), (raw::Format::Erofs, Compression::Xz)) {
            self.problem(asked.span(), "EROFS is written with zstd, gzip or lz4, not with xz".to_owned());
        }
        Some(asked.into_inner())
    }

    /// BEP 19: a URL with a slash at its end is of a directory.
    fn mirror(&mut self, url: Text) -> String {
        let web = |url: &str| ["http://", "https://"].iter().any(|scheme| url.starts_with(scheme));
        let text = "a mirror is the URL of a directory: http://… or https://…";
        self.test(&url, text, |url| web(url) && is_word(url) && !url.contains(['?', '#']));
        let url = url.into_inner();
        if url.ends_with('/') { url } else { format!("{url}/") }
    }

    /// The command line with the recipe's own keys in it as `bootwright.*` parameters; all of them must be known.
    fn cmdline(&mut self, cmdline: Option<&Text>, parameters: &[(&str, Option<&Text>)]) -> String {
        let mut line = String::new();
        if let Some(cmdline) = cmdline {
            // Lines of a multi-line text are one line to the kernel.
            line = cmdline.get_ref().split_whitespace().collect::<Vec<_>>().join(" ");
            let (_, errors) = BootOptions::read(&CommandLine::parse(&line));
            errors.iter().for_each(|error| self.problem(cmdline.span(), error.to_string()));
        }
        for (key, value) in parameters {
            let Some(value) = value else { continue };
            let word = format!("bootwright.{key}={}", value.get_ref());
            let (_, errors) = BootOptions::read(&CommandLine::parse(&word));
            errors.iter().for_each(|error| self.problem(value.span(), error.to_string()));
            if !is_word(value.get_ref()) {
                self.problem(value.span(), "one word, please".into());
            }
            line = format!("{line} {word}").trim_start().to_owned();
        }
        line
    }

    fn initrd(&mut self, initrd: raw::Initrd, mode: raw::Mode) -> Initrd {
        let profile = self.profile(initrd.profile, mode);
        let add = initrd.add.into_iter().map(|file| {
            let path = self.tree_path(&file.path);
            (self.directory.join(file.from.into_inner()), path)
        });
        let add = add.collect();
        Initrd {
            profile,
            add,
            microcode: initrd.microcode.map(|path| self.directory.join(path.into_inner())),
        }
    }

    fn tree_path(&mut self, path: &Text) -> TreePath {
        if !path.get_ref().starts_with('/') {
            self.problem(path.span(), "a path in the root starts with /".into());
        }
        path.get_ref().parse().unwrap_or_else(|error: crate::tree::PathError| {
            self.problem(path.span(), error.to_string());
            TreePath::ROOT
        })
    }

    fn host_path(&mut self, table: &Range<usize>, path: Option<Text>, key: &str) -> PathBuf {
        let path = self.required(table, path, key);
        self.directory.join(path)
    }

    fn required(&mut self, table: &Range<usize>, value: Option<Text>, key: &str) -> String {
        match value {
            Some(text) => {
                self.test(&text, &format!("{key} is empty"), |text| !text.trim().is_empty());
                text.into_inner()
            }
            None => {
                self.problem(table.clone(), format!("{key} is missing"));
                String::new()
            }
        }
    }

    /// A fault when `value` is given although it does not belong to the source chosen.
    fn belongs<T>(&mut self, belongs: bool, value: Option<&Spanned<T>>, text: &str) {
        if let Some(value) = value.filter(|_| !belongs) {
            self.problem(value.span(), text.to_owned());
        }
    }

    fn test(&mut self, value: &Text, text: &str, good: impl FnOnce(&str) -> bool) {
        if !good(value.get_ref()) {
            self.problem(value.span(), text.to_owned());
        }
    }

    fn problem(&mut self, span: Range<usize>, text: String) {
        self.problems.push(RecipeProblem { span, text });
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// What the agent takes for the address of an image.
fn is_image_url(text: &str) -> bool {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let named = text.ends_with('/') || text.ends_with("/image.json");
    named && is_word(text) && rest.is_some_and(|rest| rest.find('/').is_some_and(|host| host > 0))
}

fn is_host_name(name: &str) -> bool {
    let letter = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    (1..=63).contains(&name.len())
        && name.bytes().all(letter)
        && !name.starts_with('-')
        && !name.ends_with('-')
}
