//! What is put into the root.

use toml::Spanned;

use super::{Checker, Text, is_word};
use crate::recipe::{FileChange, FileContent, Owner, TreeChange, User, raw};
use crate::tree::TreePath;

impl Checker {
    pub(super) fn tree(&mut self, tree: raw::Tree) -> TreeChange {
        TreeChange {
            path: tree.path.map_or(TreePath::ROOT, |path| self.tree_path(&path)),
            owner: tree.owner.and_then(|owner| self.owner(&owner)),
            from: self.directory.join(tree.from.into_inner()),
        }
    }

    pub(super) fn file(&mut self, file: Spanned<raw::File>) -> Option<FileChange> {
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

    pub(super) fn user(&mut self, user: raw::User) -> User {
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

    pub(super) fn units(&mut self, units: Vec<Text>) -> Vec<String> {
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
}

fn is_login(name: &str) -> bool {
    let letter = |b: u8| b.is_ascii_lowercase() || b == b'_';
    name.len() <= 32
        && name.bytes().next().is_some_and(letter)
        && name.bytes().all(|b| letter(b) || b.is_ascii_digit() || b == b'-')
}
