//! Files: which one is read, what it may be, and the secrets beside it.

use std::os::unix::fs::PermissionsExt;

use super::*;

/// An empty folder of this test's own.
fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("weir-config-{}-{name}", std::process::id()));
    drop(fs::remove_dir_all(&folder));
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn write(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn the_named_file_is_read_or_it_is_an_error() {
    let folder = folder("named");
    let (a, b, none) = (folder.join("a.yaml"), folder.join("b.yaml"), folder.join("none.yaml"));
    write(&a, "", 0o600);
    write(&b, "", 0o600);
    let env = environment(&[("WEIR_CONFIG", b.to_str().unwrap())]);
    assert_eq!(find_file(Some(&a), &env), Ok(Some(a)));
    assert_eq!(find_file(None, &env), Ok(Some(b)));
    let missing = find_file(Some(&none), &env).unwrap_err();
    assert!(missing.to_string().contains("none.yaml: No such file"), "{missing}");
    let missing = find_file(None, &environment(&[("WEIR_CONFIG", none.to_str().unwrap())]));
    assert!(matches!(missing, Err(Error::Unreadable { .. })));
    let unreadable = load(Some(&folder), &Environment::default()).unwrap_err();
    assert!(matches!(&unreadable, Error::Unreadable { .. }), "{unreadable}");
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_file_that_is_too_large_is_refused() {
    let folder = folder("large");
    let file = folder.join("config.yaml");
    write(&file, &"#".repeat((4 << 20) + 1), 0o600);
    let error = load(Some(&file), &Environment::default()).unwrap_err();
    assert!(error.to_string().ends_with("it is larger than 4 MiB"), "{error}");
    write(&file, &"#".repeat(4 << 20), 0o600);
    assert!(load(Some(&file), &Environment::default()).is_ok());
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn without_a_file_the_environment_must_name_a_source() {
    for pairs in [&[][..], &[("WEIR_LOG__LEVEL", "debug")], &[("XG2G_PROXY_TARGET", "")]] {
        let error = load(None, &environment(pairs)).unwrap_err();
        assert_eq!(error, Error::NothingConfigured);
        assert!(error.to_string().contains("weir demo"));
    }
    let loaded = load(None, &environment(&[("XG2G_PROXY_TARGET", "http://box:8001")])).unwrap();
    assert_eq!((loaded.path, loaded.config.receivers[0].name.as_str()), (None, "receiver"));
    assert_eq!(loaded.config.receivers[0].stream[0].expose(), "http://box:8001");
    let loaded =
        load(None, &environment(&[("WEIR_RECEIVERS__BOX__STREAM", "http://box:8001")])).unwrap();
    assert_eq!(loaded.config.receivers[0].name, "box");
    let loaded =
        load(None, &environment(&[("WEIR_CHANNELS__TV__SOURCES", "http://h/tv.ts")])).unwrap();
    assert_eq!(loaded.config.channels[0].id, "tv");
    let wrong = load(None, &environment(&[("XG2G_PROXY_TARGET", "rtsp://box")])).unwrap_err();
    assert!(
        wrong
            .to_string()
            .starts_with("XG2G_PROXY_TARGET: receivers.receiver.stream: the scheme `rtsp`"),
        "{wrong}"
    );
}

#[test]
fn secrets_come_from_files_variables_and_credentials() {
    let folder = folder("secrets");
    let credentials = folder.join("credentials");
    fs::create_dir_all(&credentials).unwrap();
    write(&folder.join("private"), "from a file\n", 0o600);
    write(&folder.join("open"), "from an open file\r\n", 0o644);
    write(&credentials.join("receiver"), "from systemd", 0o644);
    let file = folder.join("config.yaml");
    let text = "
access:
  tokens: {a: {file: private}, b: {file: open}, c: {env: TOKEN}, d: {credential: receiver}, e: ' literal '}
  admin_token: |
    block
";
    write(&file, text, 0o640);
    let env = environment(&[
        ("TOKEN", "from a variable\n"),
        ("CREDENTIALS_DIRECTORY", credentials.to_str().unwrap()),
    ]);
    let loaded = load(Some(&file), &env).unwrap();
    let tokens: Vec<_> =
        loaded.config.access.tokens.iter().map(|token| token.secret.expose()).collect();
    assert_eq!(
        tokens,
        ["from a file", "from an open file", "from a variable", "from systemd", " literal "]
    );
    assert_eq!(loaded.config.access.admin_token.as_ref().unwrap().expose(), "block");
    assert_eq!(loaded.warnings.len(), 1, "{:?}", loaded.warnings);
    let place = format!("{}:3:42: access.tokens.b: everyone can read ", file.display());
    assert!(loaded.warnings[0].starts_with(&place), "{:?}", loaded.warnings);
    write(&file, text, 0o644);
    let warnings = load(Some(&file), &env).unwrap().warnings;
    assert!(warnings[1].contains("it holds secrets and everyone can read it"), "{warnings:?}");
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_secret_file_that_never_ends_is_refused() {
    let long = mistakes("access: {admin_token: {file: /dev/zero}}", &Environment::default());
    assert!(
        long.len() == 1 && long[0].contains("the secret is longer than 4096 bytes"),
        "{long:?}"
    );
    for name in ["../passwd", "/etc/passwd", "..", ""] {
        let env = environment(&[("CREDENTIALS_DIRECTORY", "/etc")]);
        assert_eq!(
            mistakes(&format!("access: {{admin_token: {{credential: '{name}'}}}}"), &env).len(),
            1,
            "{name}"
        );
    }
}

#[test]
fn relative_paths_start_at_the_folder_of_the_file() {
    let text = "listen: {stream_tls: :1}\ntls: {certificate: a.pem, private_key: /k.pem}\nstate_dir: data\n";
    let config = parse(text, "/etc/weir/config.yaml", &Environment::default()).unwrap().config;
    let tls = config.tls.unwrap();
    assert_eq!(tls.certificate, Path::new("/etc/weir/a.pem"));
    assert_eq!(tls.private_key, Path::new("/k.pem"));
    assert_eq!(config.state_dir, Path::new("/etc/weir/data"));
    assert_eq!(parsed("").state_dir, Path::new("state"));
}
