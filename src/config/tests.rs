//! The whole reading, by the files in `tests/fixtures/config` and by what must hold for any text.
//!
//! A fixture says in comments what it needs and means: `# env: NAME=value`, then `# expect: line:col path text` for a
//! mistake (in the order they are listed; a variable in place of line and column, `-` for no path), `# show: text` for
//! a part of the effective configuration, `# warn: text` for a part of a warning.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use proptest::prelude::*;

use super::*;

mod changes;
mod example;
mod files;
mod layers;

pub(super) fn environment(pairs: &[(&str, &str)]) -> Environment {
    Environment::new(pairs.iter().copied())
}

pub(super) fn parsed(text: &str) -> Config {
    parse(text, "config.yaml", &Environment::default())
        .unwrap_or_else(|error| panic!("{error}"))
        .config
}

pub(super) fn mistakes(text: &str, env: &Environment) -> Vec<String> {
    match parse(text, "config.yaml", env) {
        Err(Error::Mistakes(mistakes)) => mistakes.iter().map(ToString::to_string).collect(),
        Ok(_) => Vec::new(),
        Err(error) => panic!("{error}"),
    }
}

fn fixtures(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/config").join(folder);
    let mut files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    files
}

/// What the comments `# {word}: …` of a fixture say.
fn notes<'t>(text: &'t str, word: &str) -> Vec<&'t str> {
    let prefix = format!("# {word}: ");
    text.lines().filter_map(|line| line.strip_prefix(&prefix)).collect()
}

/// Reads a fixture with the environment it asks for; its own folder is the working directory of its name.
fn read_fixture(path: &Path, text: &str) -> Result<Loaded, Error> {
    let env: Vec<_> =
        notes(text, "env").into_iter().map(|pair| pair.split_once('=').unwrap()).collect();
    let name = path.file_name().unwrap().to_str().unwrap();
    match load(Some(path), &environment(&env)) {
        Err(Error::Mistakes(mut mistakes)) => {
            mistakes.rename(name);
            Err(Error::Mistakes(mistakes))
        }
        other => other,
    }
}

#[test]
fn valid_files_read_and_show_what_they_say() {
    let (mut files, mut shows) = (0, 0);
    for path in fixtures("valid") {
        let text = fs::read_to_string(&path).unwrap();
        let loaded = read_fixture(&path, &text)
            .unwrap_or_else(|error| panic!("{}:\n{error}", path.display()));
        let folder = format!("{}/", path.parent().unwrap().display());
        let effective = loaded.effective.to_string().replace(&folder, "");
        let warnings = loaded.warnings.join("\n").replace(&folder, "");
        for part in notes(&text, "show") {
            assert!(effective.contains(part), "{}: not shown: {part}\n{effective}", path.display());
            shows += 1;
        }
        for part in notes(&text, "warn") {
            assert!(warnings.contains(part), "{}: no warning: {part}\n{warnings}", path.display());
            shows += 1;
        }
        files += 1;
    }
    assert_eq!((files, shows), (13, 74));
}

#[test]
fn invalid_files_name_every_mistake_at_its_place() {
    let (mut files, mut seen, mut wrong) = (0, 0, Vec::new());
    for path in fixtures("invalid") {
        let text = fs::read_to_string(&path).unwrap();
        let Err(Error::Mistakes(mistakes)) = read_fixture(&path, &text) else {
            panic!("{} was read", path.display())
        };
        let expected = notes(&text, "expect");
        let fits = |(mistake, expected): (&Mistake, &&str)| is_expected(mistake, expected);
        if mistakes.len() != expected.len() || !mistakes.iter().zip(&expected).all(fits) {
            wrong.push(format!("{mistakes}\nexpected:\n{}", expected.join("\n")));
        }
        let all = format!("{mistakes}\n{mistakes:?}");
        assert!(!all.contains("canary"), "{}: a secret shows:\n{all}", path.display());
        files += 1;
        seen += expected.len();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert_eq!((files, seen), (28, 182));
}

/// Whether `mistake` is what `# expect: {expected}` says.
fn is_expected(mistake: &Mistake, expected: &str) -> bool {
    let [place, path, words] = *expected.splitn(3, ' ').collect::<Vec<_>>() else {
        panic!("{expected}")
    };
    let origin = match &mistake.origin {
        Origin::File { line, column } => format!("{line}:{column}"),
        Origin::Variable(name) => name.to_string(),
        Origin::Default => "default".to_owned(),
    };
    let path = if path == "-" { "" } else { path };
    origin == place && mistake.path == path && mistake.text.contains(words)
}

#[test]
fn ten_mistakes_print_ten_lines_and_their_number() {
    let path =
        fixtures("invalid").into_iter().find(|path| path.ends_with("ten-mistakes.yaml")).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let Err(error) = parse(&text, "config.yaml", &Environment::default()) else {
        panic!("it was read")
    };
    let shown = error.to_string();
    let lines: Vec<_> = shown.lines().collect();
    assert_eq!(lines.len(), 11, "{shown}");
    assert!(lines[..10].iter().all(|line| line.starts_with("config.yaml:")), "{shown}");
    assert!(
        lines[4].starts_with("config.yaml:8:10: providers.acme.max_conections: unknown key"),
        "{shown}"
    );
    assert_eq!(lines[10], "10 mistakes in the configuration");
}

#[test]
fn mistakes_are_bounded() {
    let text: String = (0..1500).map(|n| format!("key{n}: 1\n")).collect();
    let Err(Error::Mistakes(mistakes)) = parse(&text, "config.yaml", &Environment::default())
    else {
        panic!("read")
    };
    assert_eq!((mistakes.len(), mistakes.iter().count()), (1500, 1000));
    assert!(mistakes.to_string().ends_with("1500 mistakes in the configuration, 500 not shown"));
}

#[test]
fn nothing_shows_a_secret() {
    let text = r#"
access: {tokens: {tv: canary-token-canary}, admin_token: canary-admin}
receivers:
  box:
    stream: "http://canary:canary@10.0.0.1:8001/canary"
    web: http://10.0.0.1/canary?canary=canary
    username: canary
    password: {env: SECRET}
providers: {acme: {headers: {X-Key: canary}}}
channels:
  a:
    sources:
      - http://canary:canary@h.example/canary/canary?token=canary
      - {url: "https://h.example/canary", headers: {Authorization: Bearer canary}}
      - {receiver: box, service: "4097:0:1:0:0:0:0:0:0:0:http%3a//canary:canary@h/canary:canary"}
profiles:
  x: {delivery: shared, ffmpeg: {args: [-i, "{input_url}", -metadata, "title=a canary", "{output}"]}}
"#;
    let env = environment(&[("SECRET", "canary\n"), ("OTHER", "canary")]);
    let loaded = parse(text, "config.yaml", &env).unwrap();
    let shown = format!("{loaded:?}\n{}\n{env:?}", loaded.effective);
    assert!(!shown.contains("canary"), "{shown}");
    assert_eq!(loaded.config.receivers[0].password.as_ref().unwrap().expose(), "canary");
    assert_eq!(
        loaded.config.receivers[0].stream[0].expose(),
        "http://canary:canary@10.0.0.1:8001/canary"
    );
    assert_eq!(loaded.config.access.tokens[0].secret.expose(), "canary-token-canary");
    let changes = diff(&loaded.config, &Config::default());
    assert!(!changes.iter().any(|change| change.to_string().contains("canary")), "{changes:?}");
}

/// Every way to be wrong that could repeat what stands in a secret's place.
#[test]
fn no_mistake_shows_a_secret() {
    let texts = [
        "receivers: {box: {stream: 'rtsp://user:canary@h/canary', password: [canary]}}",
        "receivers: {box: {stream: http://h:1canary}}",
        "channels: {a: {sources: [{http://u:canary@h/: x}]}}",
        "channels: {a: {sources: {http://u:canary@h/canary: canary}, profile: 'http://u:canary@h/'}}",
        "channels: {'http://u:canary@h/': {sources: http://h/}}",
        "access: {tokens: ['http://canary@h']}\naccess: {'canary canary': 1}",
        "access: {admin_token: {file: \"a\\0\", env: canary}}",
        "access: {admin_token: \"canary\\ncanary\"}",
        "access:\n  admin_token: \"canary\n",
        "access:\n  admin_token: canary: canary\n",
        "access:\n  admin_token: *canary\n",
        "access:\n  admin_token: !canary canary\n",
        "access:\n  admin_token: @canary\n",
        "public_url: http://h/?canary",
        "profiles: {x: {delivery: shared, ffmpeg: {args: [-headers, canary, -i, 'http://u:canary@h/', '{output}']}}}",
    ];
    for text in texts {
        let shown =
            mistakes(text, &environment(&[("WEIR_PUBLIC_URL", "[canary"), ("SECRET", "canary")]))
                .join("\n");
        assert!(!shown.is_empty() && !shown.contains("canary"), "{text}\n{shown}");
    }
}

#[test]
fn depth_nodes_and_size_are_bounded() {
    let env = Environment::default();
    let deep = |open: &str, close: &str, levels: usize| {
        format!("{}{}", open.repeat(levels), close.repeat(levels))
    };
    for text in [
        deep("[", "]", 3000),
        deep("{a: ", "}", 3000),
        (0..3000).map(|level| format!("{}a:\n", " ".repeat(level))).collect(),
        format!("a: {}", deep("[{b: ", "}]", 40)),
    ] {
        let mistakes = mistakes(&text, &env);
        assert_eq!(mistakes.len(), 1);
        assert!(mistakes[0].contains("nested deeper than 64 levels"), "{mistakes:?}");
    }
    let many = mistakes(&format!("a: [{}]", "1,".repeat(500_000)), &env);
    assert!(many[0].contains("more than 400000 values"), "{many:?}");
    let bomb = "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]\n";
    assert_eq!(mistakes(bomb, &env).iter().filter(|text| text.contains("aliases")).count(), 6);
}

#[test]
fn bytes_outside_utf_8_are_a_mistake_with_a_place() {
    let error = not_utf8("config.yaml", b"log:\n  level: \xffinfo");
    assert_eq!(
        error.to_string().lines().next(),
        Some("config.yaml:2:10: this is not UTF-8; save the file as UTF-8")
    );
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,200}") {
        drop(parse(&text, "config.yaml", &Environment::default()));
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        drop(parse(&String::from_utf8_lossy(&bytes), "config.yaml", &Environment::default()));
    }

    /// Text made of what YAML and this configuration give a meaning to reaches further than any bytes do.
    #[test]
    fn no_yaml_panics(parts in proptest::collection::vec(prop::sample::select(PARTS.to_vec()), 0..60)) {
        let text = parts.concat();
        let env = environment(&[("WEIR_CHANNELS__A__SOURCES__0__URL", &text), ("XG2G_PROXY_TARGET", &text)]);
        if let Err(error) = parse(&text, "config.yaml", &env) {
            prop_assert!(error.to_string().lines().count() > 1);
        }
    }

    #[test]
    fn no_variable_panics(name in "[A-Z_0-9]{0,30}", value in "\\PC{0,40}") {
        drop(parse("log: {}", "config.yaml", &environment(&[(&format!("WEIR_{name}"), &value)])));
        drop(parse("log: {}", "config.yaml", &environment(&[(&format!("XG2G_{name}"), &value)])));
    }
}

const PARTS: [&str; 44] = [
    "listen",
    "stream",
    "channels",
    "sources",
    "receivers",
    "profiles",
    "access",
    "tokens",
    "tls",
    "url",
    "a",
    "box",
    ": ",
    ":",
    "\n",
    "\n",
    "\n  ",
    "\n    ",
    "\n  - ",
    "- ",
    "{",
    "}",
    "[",
    "]",
    ",",
    "\"",
    "'",
    "#",
    "&a ",
    "*a",
    "!x ",
    "|",
    ">",
    "~",
    "null",
    "1:0:19:132F:3EF:1:C00000:0:0:0:",
    "http://h/",
    "file",
    "env",
    "10s",
    "\t",
    "---\n",
    "é",
    "?",
];
