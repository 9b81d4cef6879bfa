//! From the raw tables to a checked [`Recipe`]. Every fault is collected, so that a user mends all of
//! them at once.

use std::ops::Range;
use std::path::{Path, PathBuf};

use bootwright_image::RootFormat;
use bootwright_image::cmdline::{BootOptions, CommandLine};
use bootwright_image::manifest::{self, is_plain_name};
use toml::Spanned;

use super::{
    Bios, BootFiles, Changes, Compression, Debian, FileChange, FileContent, Initrd, Integrity, KernelSource,
    Oci, Output, Owner, Profile, Recipe, RecipeProblem, RootSource, TreeChange, User, raw,
};
use crate::tree::{Glob, TreePath};

/// The variants that mmdebstrap knows.
const VARIANTS: &[&str] = &[
    "extract",
    "custom",
    "essential",
    "apt",
    "required",
    "minbase",
    "buildd",
    "important",
    "debootstrap",
    "standard",
];

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
        let (kernel_span, kernel) = match raw.kernel {
            Some(kernel) => (kernel.span(), kernel.into_inner()),
            None => (0..0, raw::Kernel::default()),
        };
        let cmdline = self.cmdline(kernel.cmdline.as_ref(), raw.on_failure.as_ref());
        if let Some(version) = &kernel.version {
            self.test(version, "a kernel version is one plain name", is_plain_name);
        }
        Recipe {
            path: path.to_owned(),
            mode: match raw.mode {
                raw::Mode::Ram => manifest::Mode::Ram,
                raw::Mode::Embed => manifest::Mode::Embed,
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
            initrd: self.initrd(raw.initrd),
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
            output: self.output(raw.output),
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

    fn output(&mut self, output: raw::Output) -> Output {
        let disk_size = output.disk_size.and_then(|text| {
            let size = disk_size(text.get_ref());
            if size.is_none() {
                self.problem(text.span(), "a size is a whole number of MiB or more, such as \"8G\"".into());
            }
            size
        });
        let bios = match output.bios {
            None => Bios::WhenPossible,
            Some(true) => Bios::Always,
            Some(false) => Bios::Never,
        };
        Output { formats: output.formats.into_iter().collect(), bios, disk_size }
    }

    fn root(&mut self, root: Spanned<raw::Root>) -> RootSource {
        let span = root.span();
        let root = root.into_inner();
        let debian = root.source == raw::RootSource::Debian;
        self.belongs(!debian, root.path.as_ref(), "path is for the sources tar, directory and oci");
        let oci = root.source == raw::RootSource::Oci;
        self.belongs(oci, root.reference.as_ref(), "reference is for the source oci");
        self.belongs(oci, root.image.as_ref(), "image is for the source oci");
        self.belongs(debian, root.suite.as_ref(), "suite is for the source debian");
        self.belongs(debian, root.packages.as_ref(), "packages is for the source debian");
        self.belongs(debian, root.components.as_ref(), "components is for the source debian");
        self.belongs(debian, root.mirror.as_ref(), "mirror is for the source debian");
        self.belongs(debian, root.keyring.as_ref(), "keyring is for the source debian");
        self.belongs(debian, root.variant.as_ref(), "variant is for the source debian");
        match root.source {
            raw::RootSource::Debian => RootSource::Debian(self.debian(span, root)),
            raw::RootSource::Tar => RootSource::Tar(self.host_path(&span, root.path, "path")),
            raw::RootSource::Directory => RootSource::Directory(self.host_path(&span, root.path, "path")),
            raw::RootSource::Oci => RootSource::Oci(self.oci(&span, root)),
        }
    }

    fn oci(&mut self, span: &Range<usize>, root: raw::Root) -> Oci {
        let Some(image) = root.image else {
            let path = self.host_path(span, root.path, "path");
            return Oci::Host { path, reference: root.reference.map(Spanned::into_inner) };
        };
        self.belongs(false, root.path.as_ref(), "either path or image");
        self.belongs(false, root.reference.as_ref(), "reference is for an image at path");
        let text = "a name as in docker.io/library/debian:trixie, without docker://";
        self.test(&image, text, |name| name.contains('/') && !name.contains("://") && is_word(name));
        Oci::Registry(image.into_inner())
    }

    fn debian(&mut self, span: Range<usize>, root: raw::Root) -> Debian {
        let suite = self.required(&span, root.suite, "suite");
        let words = |checker: &mut Self, list: Option<Spanned<Vec<Text>>>| -> Vec<String> {
            let list = list.map(Spanned::into_inner).unwrap_or_default();
            list.iter().for_each(|word| checker.test(word, "one word, please", is_package));
            list.into_iter().map(Spanned::into_inner).collect()
        };
        let packages = words(self, root.packages);
        let mut components = words(self, root.components);
        if components.is_empty() {
            components.push("main".into());
        }
        if let Some(mirror) = &root.mirror {
            self.test(mirror, "a mirror is one URL", |url| url.contains(":/") && is_word(url));
        }
        if let Some(variant) = &root.variant {
            let known = format!("unknown variant: {}", VARIANTS.join(", "));
            self.test(variant, &known, |name| VARIANTS.contains(&name));
        }
        let variant = root.variant.map_or_else(|| "apt".to_owned(), Spanned::into_inner);
        let keyring = root.keyring.map(|keyring| self.directory.join(keyring.into_inner()));
        Debian { suite, packages, components, mirror: root.mirror.map(Spanned::into_inner), keyring, variant }
    }

    fn kernel(&mut self, span: Range<usize>, kernel: raw::Kernel) -> KernelSource {
        let paths = kernel.source == raw::KernelSource::Paths;
        let deb = kernel.source == raw::KernelSource::Deb;
        self.belongs(deb, kernel.path.as_ref(), "path is for the source deb");
        self.belongs(paths, kernel.image.as_ref(), "image is for the source paths");
        self.belongs(paths, kernel.modules.as_ref(), "modules is for the source paths");
        self.belongs(paths, kernel.config.as_ref(), "config is for the source paths");
        match kernel.source {
            raw::KernelSource::Root => KernelSource::Root,
            raw::KernelSource::Deb => KernelSource::Deb(self.host_path(&span, kernel.path, "path")),
            raw::KernelSource::Paths => KernelSource::Paths {
                image: self.host_path(&span, kernel.image, "image"),
                modules: self.host_path(&span, kernel.modules, "modules"),
                config: kernel.config.map(|config| self.directory.join(config.into_inner())),
            },
        }
    }

    /// The command line with `on_failure` in it; every `bootwright.*` key must be known.
    fn cmdline(&mut self, cmdline: Option<&Text>, on_failure: Option<&Text>) -> String {
        let mut line = String::new();
        if let Some(cmdline) = cmdline {
            // Lines of a multi-line text are one line to the kernel.
            line = cmdline.get_ref().split_whitespace().collect::<Vec<_>>().join(" ");
            let (_, errors) = BootOptions::read(&CommandLine::parse(&line));
            errors.iter().for_each(|error| self.problem(cmdline.span(), error.to_string()));
        }
        if let Some(action) = on_failure {
            let word = format!("bootwright.on_failure={}", action.get_ref());
            let (_, errors) = BootOptions::read(&CommandLine::parse(&word));
            errors.iter().for_each(|error| self.problem(action.span(), error.to_string()));
            if !is_word(action.get_ref()) {
                self.problem(action.span(), "one word, please".into());
            }
            line = format!("{line} {word}").trim_start().to_owned();
        }
        line
    }

    fn initrd(&mut self, initrd: raw::Initrd) -> Initrd {
        let profile = initrd.profile.unwrap_or(Profile::Network);
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

    fn tree(&mut self, tree: raw::Tree) -> TreeChange {
        TreeChange {
            path: tree.path.map_or(TreePath::ROOT, |path| self.tree_path(&path)),
            owner: tree.owner.and_then(|owner| self.owner(&owner)),
            from: self.directory.join(tree.from.into_inner()),
        }
    }

    fn file(&mut self, file: Spanned<raw::File>) -> Option<FileChange> {
        let span = file.span();
        let file = file.into_inner();
        let content = match (file.content, file.from) {
            (Some(text), None) => FileContent::Text(text.into_inner()),
            (None, Some(from)) => FileContent::Host(self.directory.join(from.into_inner())),
            _ => {
                self.problem(span, "a file has either content or from".into());
                return None;
            }
        };
        let path = self.tree_path(&file.path);
        let mode = file.mode.map(|mode| {
            u32::from_str_radix(mode.get_ref(), 8).ok().filter(|mode| *mode <= 0o7777).unwrap_or_else(|| {
                self.problem(mode.span(), "a mode is octal text such as \"0644\"".into());
                0
            })
        });
        Some(FileChange { path, content, mode, owner: file.owner.and_then(|owner| self.owner(&owner)) })
    }

    fn user(&mut self, user: raw::User) -> User {
        self.test(&user.name, "a login name has a-z, 0-9, _ and -, at most 32, a letter first", is_login);
        for group in &user.groups {
            self.test(group, "a group has a-z, 0-9, _ and -, at most 32, a letter first", is_login);
        }
        for key in &user.ssh_keys {
            let form = "an SSH key is one line: TYPE BASE64 [COMMENT]";
            self.test(key, form, |key| !key.contains('\n') && key.split_whitespace().count() >= 2);
        }
        let field = |text: &str| !text.contains([':', '\n']);
        for text in user.password_hash.iter().chain(&user.shell).chain(&user.home) {
            self.test(text, "a field of /etc/passwd has neither : nor a line break", field);
        }
        let texts = |list: Vec<Text>| list.into_iter().map(Spanned::into_inner).collect();
        User {
            uid: user.uid.map(Spanned::into_inner),
            groups: texts(user.groups),
            ssh_keys: texts(user.ssh_keys),
            password_hash: user.password_hash.map(Spanned::into_inner),
            shell: user.shell.map(Spanned::into_inner),
            home: user.home.map(|home| self.tree_path(&home)),
            name: user.name.into_inner(),
        }
    }

    fn units(&mut self, units: Vec<Text>) -> Vec<String> {
        for unit in &units {
            self.test(unit, "a unit's name has its type, such as ssh.service", |name| {
                name.contains('.') && !name.contains('/') && is_word(name)
            });
        }
        units.into_iter().map(Spanned::into_inner).collect()
    }

    fn owner(&mut self, text: &Text) -> Option<Owner> {
        self.test(text, "an owner is USER or USER:GROUP", |text| {
            is_word(text) && text.split(':').count() <= 2 && text.split(':').all(|part| !part.is_empty())
        });
        let (user, group) = match text.get_ref().split_once(':') {
            Some((user, group)) => (user, Some(group.to_owned())),
            None => (text.get_ref().as_str(), None),
        };
        Some(Owner { user: user.to_owned(), group })
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

/// Bytes of `512M`, `8G` or `1T`.
fn disk_size(text: &str) -> Option<u64> {
    let shift = match text.chars().last()? {
        'M' => 20,
        'G' => 30,
        'T' => 40,
        _ => return None,
    };
    let number: u64 = text.get(..text.len() - 1)?.parse().ok()?;
    number.checked_mul(1 << shift).filter(|size| *size > 0)
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// A package, with `=VERSION`, `/SUITE` or `:ARCH` if need be; nothing that a program takes for an
/// option or for two packages.
fn is_package(text: &str) -> bool {
    is_word(text) && !text.starts_with('-') && !text.contains(',')
}

fn is_login(name: &str) -> bool {
    let letter = |b: u8| b.is_ascii_lowercase() || b == b'_';
    name.len() <= 32
        && name.bytes().next().is_some_and(letter)
        && name.bytes().all(|b| letter(b) || b.is_ascii_digit() || b == b'-')
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
