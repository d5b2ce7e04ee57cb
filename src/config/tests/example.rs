//! `config.yaml.example` says what is true: every key of the configuration, each with its default.

use super::*;

/// The key paths and values of a YAML text, in order.
fn leaves(text: &str) -> Vec<(String, String)> {
    let mut faults = Vec::new();
    let root = tree::parse(text, &file_origin, &mut faults);
    assert_eq!(faults, []);
    let mut leaves = Vec::new();
    collect(&root, &KeyPath::default(), &mut leaves);
    leaves
}

fn collect(node: &Node, path: &KeyPath, leaves: &mut Vec<(String, String)>) {
    match &node.value {
        tree::Value::Map(entries) if !entries.is_empty() => {
            entries.iter().for_each(|entry| collect(&entry.node, &path.key(&entry.key), leaves));
        }
        tree::Value::List(items)
            if items.iter().any(|item| matches!(item.value, tree::Value::Map(_))) =>
        {
            let at = |(index, item): (usize, &Node)| collect(item, &path.index(index), leaves);
            items.iter().enumerate().for_each(at);
        }
        tree::Value::Map(_) => leaves.push((path.to_string(), "{}".to_owned())),
        tree::Value::List(items) => {
            let text = |item: &Node| match &item.value {
                tree::Value::Scalar { text, .. } => text.clone(),
                _ => panic!("{path}"),
            };
            leaves.push((path.to_string(), items.iter().map(text).collect::<Vec<_>>().join(", ")));
        }
        tree::Value::Scalar { text, .. } => leaves.push((path.to_string(), text.clone())),
        tree::Value::Refused => panic!("{path}"),
    }
}

fn example() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config.yaml.example")).unwrap()
}

#[test]
fn holds_every_key() {
    let text = example();
    let loaded = parse(&text, "config.yaml.example", &Environment::default())
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(loaded.warnings, Vec::<String>::new());
    // What takes effect names every key there is. None of them may come from anywhere but the example.
    let effective = loaded.effective.to_string();
    let (mut seen, mut not_written) = (0, Vec::new());
    for line in effective.lines().filter(|line| line.contains("  # ")) {
        seen += 1;
        if !line.contains("  # config.yaml.example:") {
            not_written.push(line);
        }
    }
    assert_eq!(
        not_written,
        ["state_dir: state  # default"],
        "null there means a default of its own"
    );
    assert_eq!(seen, 98);
    assert_eq!(leaves(&effective).len(), 98);
    for key in TOP_KEYS {
        assert!(effective.contains(&format!("{key}:")), "{key}");
    }
}

#[test]
fn shows_the_defaults() {
    let defaults = parse("", "", &Environment::default()).unwrap().effective.to_string();
    let written = leaves(
        &parse(&example(), "example", &Environment::default()).unwrap().effective.to_string(),
    );
    let named = ["providers", "receivers", "channels", "profiles"];
    let (mut seen, mut without) = (0, Vec::new());
    for (key, value) in leaves(&defaults) {
        if named.contains(&key.as_str()) {
            without.push(key);
            continue;
        }
        let shown = written
            .iter()
            .find(|(path, _)| *path == key)
            .unwrap_or_else(|| panic!("{key} is not there"));
        assert_eq!(shown.1, value, "{key}");
        seen += 1;
    }
    assert_eq!((seen, without), (51, named.map(str::to_owned).to_vec()));
    for (key, value) in [
        ("providers.acme.max_connections", Provider::default().max_connections.to_string()),
        ("receivers.living-room.max_connections", Receiver::default().max_connections.to_string()),
        ("receivers.living-room.profile", Receiver::default().profile),
        ("channels.orf1.profile", Channel::default().profile),
        ("channels.orf1.kind", "auto".to_owned()),
        ("profiles.passthrough.delivery", "direct".to_owned()),
        ("profiles.aac.audio.bitrate", units::show_bitrate(Audio::default().bitrate)),
        ("profiles.aac.audio.channels", Audio::default().channels.to_string()),
        ("profiles.aac.audio.languages", String::new()),
        ("profiles.aac.audio.tracks", "null".to_owned()),
        ("profiles.aac.audio.pcr_offset", units::show_duration(Audio::default().pcr_offset)),
        ("profiles.aac.audio.downmix_gain_db", Audio::default().downmix_gain_db.to_string()),
        ("profiles.aac.audio.target_level", "null".to_owned()),
        ("profiles.aac.audio.encoder", "built-in".to_owned()),
    ] {
        assert!(written.contains(&(key.to_owned(), value.clone())), "{key}: {value}");
    }
}

/// Each `default …` in a comment beside a value of the example is that value.
#[test]
fn comments_tell_the_same() {
    let mut seen = 0;
    for line in example().lines() {
        let Some((setting, comment)) = line.split_once('#') else { continue };
        let Some((_, value)) = setting.split_once(": ") else { continue };
        let Some((_, default)) = comment.split_once("default ") else { continue };
        let default = default.split([';', ':']).next().unwrap().trim();
        if setting.trim().is_empty() || ["none", "as the arguments say"].contains(&default) {
            continue;
        }
        let shared = setting.trim() == "delivery: shared";
        assert!(default == value.trim() || shared, "{line}");
        seen += 1;
    }
    assert_eq!(seen, 18);
}

#[test]
fn the_effective_configuration_reads_back() {
    let loaded = parse(&example(), "example", &Environment::default()).unwrap();
    let text = loaded.effective.to_string().replace("/***", "/");
    let again = parse(&text, "effective", &Environment::default())
        .unwrap_or_else(|error| panic!("{error}\n{text}"));
    let mut config = again.config;
    config.channels.clone_from(&loaded.config.channels);
    config.receivers.clone_from(&loaded.config.receivers);
    assert_eq!(config, loaded.config);
}
