//! Where root and kernel come from.

use std::ops::Range;

use toml::Spanned;

use super::{Checker, Text, is_word};
use crate::recipe::{Debian, KernelSource, Oci, RootSource, raw};

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

impl Checker {
    pub(super) fn root(&mut self, root: Spanned<raw::Root>) -> RootSource {
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

    pub(super) fn kernel(&mut self, span: Range<usize>, kernel: raw::Kernel) -> KernelSource {
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
}

/// A package, with `=VERSION`, `/SUITE` or `:ARCH` if need be; nothing that a program takes for an
/// option or for two packages.
fn is_package(text: &str) -> bool {
    is_word(text) && !text.starts_with('-') && !text.contains(',')
}
