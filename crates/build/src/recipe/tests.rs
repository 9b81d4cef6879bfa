use proptest::prelude::*;

use super::*;

const HELLO: &str = include_str!("../../../../examples/hello/bootwright.toml");

/// The start of a partition: two lines.
const DATA: &str = "[[output.partitions]]\ntype = 'data'\n";

fn parse(text: &str) -> Result<Recipe, RecipeError> {
    Recipe::parse(Path::new("dir/bootwright.toml"), text)
}

/// The problems of a faulty recipe: line (from 1) and text.
fn problems(text: &str) -> Vec<(usize, String)> {
    let Err(RecipeError::Faults { problems, .. }) = parse(text) else { panic!("no faults in:\n{text}") };
    let line = |problem: &RecipeProblem| text[..problem.span.start].matches('\n').count() + 1;
    problems.iter().map(|problem| (line(problem), problem.text.clone())).collect()
}

#[test]
fn the_example_is_a_recipe() {
    let recipe = parse(HELLO).unwrap();
    assert_eq!(recipe.name, "hello");
    assert!(matches!(&recipe.root, RootSource::Debian(debian) if debian.suite == "trixie"));
}

#[test]
fn what_is_not_said_has_its_default() {
    let recipe = parse("name = 'a'\n[root]\nsource = 'tar'\npath = 'root.tar'\n").unwrap();
    assert_eq!(recipe.root, RootSource::Tar("dir/root.tar".into()));
    assert_eq!((recipe.mode, recipe.format), (Mode::Ram, RootFormat::Squashfs));
    assert_eq!(recipe.kernel, KernelSource::Root);
    assert_eq!(recipe.cmdline, "");
}

#[test]
fn the_url_of_an_image_is_kept_for_the_pin() {
    let root = "[root]\nsource = 'tar'\npath = 'root.tar'\n";
    for url in ["https://boot.example/images/a/image.json", "http://10.0.0.1:8080/images/a/"] {
        let recipe = parse(&format!("name = 'a'\nurl = '{url}'\n{root}")).unwrap();
        assert_eq!(recipe.url.as_deref(), Some(url));
    }
}

#[test]
fn every_fault_is_told_with_its_line() {
    let root = "[root]\nsource = 'directory'\npath = 'r'\n";
    for (text, line, expected) in [
        ("nam = 'a'\n".to_owned(), 1, "unknown field `nam`"),
        (format!("name = 'a/b'\n{root}"), 1, "letters, digits"),
        (format!("name = 'a'\nmode = 'disc'\n{root}"), 2, "unknown variant `disc`"),
        (
            "name = 'a'\n[root]\nsource = 'tar'\nsuite = 'sid'\npath = 'x'\n".into(),
            4,
            "suite is for the source debian",
        ),
        ("name = 'a'\n[root]\nsource = 'tar'\n".into(), 2, "path is missing"),
        ("name = 'a'\n[root]\nsource = 'oci'\nimage = 'docker://a/b'\n".into(), 4, "without docker://"),
        ("name = 'a'\n[root]\nsource = 'oci'\nimage = 'a/b'\npath = 'c'\n".into(), 5, "either path or image"),
        (
            "name = 'a'\n[root]\nsource = 'debian'\nsuite = 'sid'\npackages = [\n 'a',\n '-o x',\n]\n".into(),
            7,
            "one word",
        ),
        (
            format!("name = 'a'\n{root}[kernel]\ncmdline = 'bootwright.imgae=x'\n"),
            6,
            "did you mean bootwright.image?",
        ),
        (format!("name = 'a'\norder = 'trace'\n{root}"), 2, "order is for the format erofs"),
        (format!("name = 'a'\nformat = 'erofs'\ncompression = 'xz'\n{root}"), 3, "not with xz"),
        (format!("name = 'a'\non_failure = 'explode'\n{root}"), 2, "unknown action"),
        (format!("name = 'a'\nmode = 'disk'\n{root}"), 2, "mode disk needs verity"),
        (format!("name = 'a'\noffline = '30s'\n{root}"), 2, "offline is for the mode disk"),
        (
            format!("name = 'a'\nmode = 'disk'\nverity = true\ncache = 'crate'\n{root}"),
            4,
            "none of label:NAME",
        ),
        (
            format!("name = 'a'\nmode = 'disk'\nverity = true\n{root}[initrd]\nprofile = 'network'\n"),
            8,
            "the drivers of disks",
        ),
        (format!("name = 'a'\nseed = 'never'\n{root}"), 2, "neither off nor a time"),
        (format!("name = 'a'\nupload = '1k'\n{root}"), 2, "at least 64k"),
        (format!("name = 'a'\nurl = 'http://s/images/a'\n{root}"), 2, "ends with image.json"),
        (format!("name = 'a'\nurl = 'ftp://s/a/image.json'\n{root}"), 2, "http:// or https://"),
        (format!("name = 'a'\nurl = 'http:///image.json'\n{root}"), 2, "http:// or https://"),
        (format!("name = 'a'\n{root}[[files]]\npath = '/a'\n"), 5, "either content or from"),
        (format!("name = 'a'\n{root}[[files]]\npath = 'a'\ncontent = ''\n"), 6, "starts with /"),
        (format!("name = 'a'\n{root}[[files]]\npath = '/../a'\ncontent = ''\n"), 6, ".."),
        (format!("name = 'a'\n{root}[[files]]\npath = '/a'\ncontent = ''\nmode = '0999'\n"), 8, "octal"),
        (format!("name = 'a'\n{root}[[users]]\nname = 'Root'\n"), 6, "login name"),
        (format!("name = 'a'\n{root}[[users]]\nname = 'a'\nshell = '/bin/sh:x'\n"), 7, "neither :"),
        (format!("name = 'a'\n{root}[units]\nenable = ['ssh']\n"), 6, "has its type"),
        (format!("name = 'a'\nhostname = '-x'\n{root}"), 2, "host name"),
        (format!("name = 'a'\n{root}[output]\ndisk_size = '8'\n"), 6, "whole number of MiB"),
        (format!("name = 'a'\n{root}[output]\nsector_size = 1024\n"), 6, "512 or 4096"),
        (format!("name = 'a'\n{root}[output]\nbios = true\nsector_size = 4096\n"), 7, "no BIOS"),
        (format!("name = 'a'\n{root}[output]\nformats = ['vdi']\nsector_size = 4096\n"), 7, "vdi holds"),
        (
            format!("name = 'a'\n{root}[output]\nsignature = {{ key = 'k', certificate = 'c' }}\n"),
            6,
            "verity = true",
        ),
        (format!("name = 'a'\n{root}{DATA}size = '0M'\n"), 7, "whole number of MiB"),
        (format!("name = 'a'\n{root}{DATA}size = '1G'\nformat = 'swap'\n"), 8, "belong together"),
        (format!("name = 'a'\n{root}{DATA}size = '1G'\nlabel = 'two words'\n"), 8, "at most 16"),
        (format!("name = 'a'\n{root}{DATA}size = '1G'\nformat = 'fat'\ngrow = true\n"), 9, "only ext4"),
        (
            format!("name = 'a'\n{root}{DATA}size = '1G'\ngrow = true\n{DATA}size = '1G'\n"),
            8,
            "only the last",
        ),
        ("name = 'a'\n[root\n".into(), 2, ""),
    ] {
        let found = problems(&text);
        let told = found.iter().any(|(at, problem)| *at == line && problem.contains(expected));
        assert!(told, "wanted {expected:?} in line {line}, found {found:?} of:\n{text}");
    }
}

#[test]
fn all_faults_are_told_at_once_in_the_order_of_the_text() {
    let text = "name = 'a b'\nhostname = '.'\n[root]\nsource = 'tar'\nsuite = 'x'\n";
    let lines: Vec<usize> = problems(text).into_iter().map(|(line, _)| line).collect();
    assert_eq!(lines, [1, 2, 3, 5]);
    let message = parse(text).unwrap_err().to_string();
    assert_eq!(message, "dir/bootwright.toml:1:8: the recipe has 4 faults");
}

#[test]
fn a_command_line_of_several_lines_is_one() {
    let text = "name = 'a'\non_failure = 'shell,5'\n[root]\nsource = 'tar'\npath = 'x'\n[kernel]\n\
        cmdline = '''\nquiet\n  console=tty0\n'''\n";
    assert_eq!(parse(text).unwrap().cmdline, "quiet console=tty0 bootwright.on_failure=shell,5");
}

#[test]
fn what_machines_share_goes_onto_the_command_line() {
    let text = "name = 'a'\npeers = false\nseed = '2h'\nupload = '20M'\n[root]\nsource = 'tar'\npath = 'x'\n";
    let line = "bootwright.peers=off bootwright.seed=2h bootwright.upload=20M";
    assert_eq!(parse(text).unwrap().cmdline, line);
}

#[test]
fn what_is_kept_on_a_disk_goes_onto_the_command_line_and_the_initrd_has_its_drivers() {
    let digest = format!("sha256:{}", "ab".repeat(32));
    let text = format!(
        "name = 'a'\nmode = 'disk'\nverity = true\ncache = 'create,required'\noffline = '30s'\n\
         fallback = ['{digest}']\n[root]\nsource = 'tar'\npath = 'x'\n"
    );
    let recipe = parse(&text).unwrap();
    let line = "bootwright.cache=create,required bootwright.offline=30s";
    assert_eq!(recipe.cmdline, format!("{line} bootwright.fallback={digest}"));
    assert_eq!((recipe.mode, recipe.initrd.profile), (Mode::Disk, Profile::Generic));
}

fn template() -> impl Strategy<Value = Template> {
    let package = "[a-z][a-z0-9.+-]{0,12}";
    let key = "ssh-ed25519 [A-Za-z0-9+/]{20} [a-z\"'\\\\]{0,8}";
    (
        "[a-z][a-z0-9_.]{0,12}",
        proptest::collection::vec(package, 0..4),
        proptest::option::of("[a-z][a-z0-9]{0,12}"),
        proptest::collection::vec(key, 0..3),
        any::<bool>(),
    )
        .prop_map(|(name, packages, hostname, ssh_keys, embed)| Template {
            name,
            suite: "trixie".into(),
            packages,
            hostname,
            ssh_keys,
            mode: if embed { Mode::Embed } else { Mode::Ram },
        })
}

proptest! {
    #[test]
    fn what_init_writes_is_a_recipe_that_says_what_was_asked(template in template()) {
        let text = template.render();
        let recipe = parse(&text).unwrap();
        prop_assert_eq!(&recipe.name, &template.name);
        prop_assert_eq!(recipe.mode, template.mode);
        prop_assert_eq!(&recipe.changes.hostname, &template.hostname);
        let keys: Vec<_> = recipe.changes.users.iter().flat_map(|user| user.ssh_keys.clone()).collect();
        let trimmed: Vec<_> = template.ssh_keys.iter().map(|key| key.trim().to_owned()).collect();
        prop_assert_eq!(keys, trimmed);
        let RootSource::Debian(debian) = recipe.root else { panic!("not Debian") };
        prop_assert!(template.packages.iter().all(|package| debian.packages.contains(package)));
    }

    #[test]
    fn no_text_makes_it_panic_and_every_span_lies_within(
        text in any::<String>(), cut in 0usize..2000, insert in "[\\[\\]'\"=\\n{}a-z0-9]{0,6}",
    ) {
        let mut damaged = HELLO.to_owned();
        let at = (0..=cut.min(HELLO.len())).rev().find(|at| HELLO.is_char_boundary(*at)).unwrap_or(0);
        damaged.insert_str(at, &insert);
        for text in [text, damaged] {
            if let Err(RecipeError::Faults { problems, .. }) = parse(&text) {
                prop_assert!(!problems.is_empty());
                prop_assert!(problems.iter().all(|problem| problem.span.end <= text.len()));
            }
        }
    }
}
