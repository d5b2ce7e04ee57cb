//! The command line: what each command prints, and the code that it ends with.

pub(crate) mod process;
mod sound;

use std::net::Ipv4Addr;
use std::net::TcpListener;

use rustix::process::Signal;

use crate::support::capture::Canary;
use crate::support::origin::Origin;
use crate::support::origin::Script;
use crate::support::player::Player;
use crate::support::ts::TsPattern;
use process::Folder;
use process::Program;
use process::free_port;
use process::get;

const GOOD: &str = "channels: {one: {sources: [\"http://127.0.0.1:9/one.ts\"], kind: live}}\n";
const SERVICE: &str = "1:0:19:132F:3EF:1:C00000:0:0:0:";

#[tokio::test]
async fn version_and_help_are_printed_and_end_with_0() {
    let version = Program::new(&["--version"]).run().await;
    assert_eq!(version.code, Some(0));
    assert_eq!(version.out, format!("weir {}\n", env!("CARGO_PKG_VERSION")));

    let help = Program::new(&["--help"]).run().await;
    assert_eq!(help.code, Some(0));
    let words = ["serve", "demo", "check", "config", "doctor", "--config", "--version"];
    let found = words.iter().filter(|word| help.out.contains(*word)).count();
    assert_eq!(found, words.len(), "{}", help.out);
}

#[tokio::test]
async fn a_wrong_command_line_ends_with_2_and_shows_the_usage() {
    let wrong: [&[&str]; 5] =
        [&["--nonsense"], &["nonsense"], &["serve", "surplus"], &["--config"], &["check", "-x"]];
    let mut seen = 0;
    for arguments in wrong {
        let ended = Program::new(arguments).file("config.yaml", GOOD).run().await;
        assert_eq!(ended.code, Some(2), "{arguments:?}: {}", ended.err);
        assert!(ended.err.contains("Usage:") || ended.err.contains("--help"), "{}", ended.err);
        seen += 1;
    }
    assert_eq!(seen, 5);
}

#[tokio::test]
async fn check_of_a_good_file_says_so_and_ends_with_0() {
    // The file of the working folder, a named one, and one named by a variable.
    let found = Program::new(&["check"]).file("config.yaml", GOOD).run().await;
    assert_eq!((found.code, found.err.as_str()), (Some(0), ""));
    assert!(found.out.contains("config.yaml") && found.out.contains("good"), "{}", found.out);

    let named = Program::new(&["check", "--config", "other.yaml"]).file("other.yaml", GOOD);
    let named = named.run().await;
    assert_eq!(named.code, Some(0), "{}", named.err);
    assert!(named.out.contains("other.yaml"), "{}", named.out);

    let variable = Program::new(&["check"]).file("third.yaml", GOOD);
    let variable = variable.variable("WEIR_CONFIG", "third.yaml").run().await;
    assert_eq!(variable.code, Some(0), "{}", variable.err);
    assert!(variable.out.contains("third.yaml"), "{}", variable.out);
}

#[tokio::test]
async fn check_prints_each_mistake_with_its_place_and_ends_with_78() {
    let text = include_str!("../fixtures/config/invalid/ten-mistakes.yaml");
    let expected: Vec<(&str, &str)> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# expect: ")?.split_once(' '))
        .map(|(place, rest)| (place, rest.split(' ').next().unwrap()))
        .collect();
    assert_eq!(expected.len(), 10);
    let ended = Program::new(&["check"]).file("config.yaml", text).run().await;
    assert_eq!((ended.code, ended.out.as_str()), (Some(78), ""));
    let lines: Vec<&str> = ended.err.lines().collect();
    assert_eq!(lines.len(), 11, "ten lines and their number:\n{}", ended.err);
    for ((place, key), line) in expected.into_iter().zip(&lines) {
        let start = format!("config.yaml:{place}: {key}: ");
        assert!(line.starts_with(&start), "{line:?} does not start with {start:?}");
    }
    assert!(lines[10].starts_with("10 mistakes"), "{}", lines[10]);
    Canary::new(["canary"]).assert_absent("the mistakes", ended.err.as_bytes());
}

#[tokio::test]
async fn check_finds_what_serve_would_refuse() {
    let (certificate, key) = certificate();
    let tls = "listen: {stream_tls: \"127.0.0.1:0\"}\n\
               tls: {certificate: cert.pem, private_key: key.pem}\n";
    let other = certificate_of_another();
    let cases = [
        ("no certificate", tls, None, Some(key.as_str())),
        ("no key", tls, Some(certificate.as_str()), None),
        ("another's key", tls, Some(certificate.as_str()), Some(other.as_str())),
        ("no PEM", tls, Some("nonsense"), Some(key.as_str())),
        (
            "no receiver",
            "channels: {one: {sources: [{receiver: box, service: \"1:0:1:2:3:4:5:0:0:0:\"}]}}",
            None,
            None,
        ),
        ("no YAML", "listen: [", None, None),
        (
            "one port twice",
            "listen: {stream: \"127.0.0.1:7\", stream_tls: \"127.0.0.1:7\"}",
            None,
            None,
        ),
    ];
    let mut seen = 0;
    for (what, yaml, certificate, key) in cases {
        for command in ["check", "serve"] {
            let mut program = Program::new(&[command]).file("config.yaml", yaml);
            for (name, text) in [("cert.pem", certificate), ("key.pem", key)] {
                if let Some(text) = text {
                    program = program.file(name, text);
                }
            }
            let ended = program.run().await;
            assert_eq!(ended.code, Some(78), "{command} with {what}: {}{}", ended.out, ended.err);
            assert!(!ended.err.is_empty(), "{command} with {what} says nothing");
            seen += 1;
        }
    }
    assert_eq!(seen, 14);

    let good = Program::new(&["check"]).file("config.yaml", tls);
    let good = good.file("cert.pem", &certificate).file("key.pem", &key).run().await;
    assert_eq!(good.code, Some(0), "{}", good.err);
}

#[tokio::test]
async fn config_prints_every_value_with_its_origin_and_no_secret() {
    let secrets = ["viewer-s3cret", "admin-s3cret", "b0x-s3cret", "provider-s3cret", "url-s3cret"];
    let yaml = format!(
        "log: {{level: debug}}\n\
         access:\n  tokens: {{anna: {}}}\n  admin_token: {}\n\
         receivers:\n  box: {{stream: \"http://127.0.0.1:9\", username: root, password: {}}}\n\
         providers:\n  acme: {{max_connections: 2, headers: {{Cookie: {}}}}}\n\
         channels:\n  one: {{sources: [{{url: \"http://user:{}@127.0.0.1:9/{}.ts?key={}\", provider: acme}}]}}\n",
        secrets[0], secrets[1], secrets[2], secrets[3], secrets[4], secrets[4], secrets[4],
    );
    let program = Program::new(&["config"]).file("config.yaml", &yaml);
    let ended = program.variable("WEIR_LIMITS__CLIENTS", "7").run().await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let lines: Vec<&str> = ended.out.lines().collect();
    let expected = [
        ("level: debug", "config.yaml:1"),
        ("format: text", "default"),
        ("clients: 7", "WEIR_LIMITS__CLIENTS"),
        ("drain_timeout: 30s", "default"),
        ("anna: \"***\"", "config.yaml:3"),
        ("admin_token: \"***\"", "config.yaml:4"),
        ("password: \"***\"", "config.yaml:6"),
    ];
    let mut seen = 0;
    for (value, origin) in expected {
        let line = lines.iter().find(|line| line.trim_start().starts_with(&format!("{value}  # ")));
        let line = line.unwrap_or_else(|| panic!("no line {value:?} in\n{}", ended.out));
        assert!(line.ends_with(&format!("# {origin}")), "{line:?} is not from {origin}");
        seen += 1;
    }
    assert_eq!(seen, 7);
    let canary = Canary::new(secrets);
    canary.assert_absent("weir config", ended.out.as_bytes());
    canary.assert_absent("weir config's errors", ended.err.as_bytes());
}

#[tokio::test]
async fn without_any_configuration_it_says_how_to_start() {
    let mut seen = 0;
    for arguments in [&[][..], &["serve"], &["check"], &["config"], &["doctor"]] {
        let ended = Program::new(arguments).run().await;
        assert_eq!(ended.code, Some(78), "{arguments:?}: {}", ended.err);
        for word in ["weir demo", "config.yaml", "/etc/weir/config.yaml", "--config", "WEIR_CONFIG"]
        {
            assert!(ended.err.contains(word), "{word} is not named: {}", ended.err);
        }
        seen += 1;
    }
    assert_eq!(seen, 5);
}

#[tokio::test]
async fn a_named_file_that_is_not_there_ends_with_78_whatever_else_is() {
    for (arguments, variable) in
        [(&["--config", "missing.yaml"][..], ""), (&["check"], "missing.yaml")]
    {
        let program = Program::new(arguments).file("config.yaml", GOOD);
        let ended = program.variable("WEIR_CONFIG", variable).run().await;
        assert_eq!(ended.code, Some(78), "{arguments:?}: {}", ended.err);
        assert!(ended.err.contains("missing.yaml"), "{}", ended.err);
    }
    // A folder in the place of the file cannot be read either.
    let ended = Program::new(&["check", "--config", "/"]).run().await;
    assert_eq!(ended.code, Some(78), "{}", ended.err);
}

#[tokio::test]
async fn serve_and_no_command_at_all_serve_the_same() {
    let origin = Origin::live(TsPattern::new(1)).await;
    let yaml = format!(
        "listen: {{stream: \"127.0.0.1:0\", admin: \"127.0.0.1:0\"}}\n\
         channels: {{one: {{sources: [\"{}\"], kind: live}}}}\n",
        origin.url("/one.ts")
    );
    let mut seen = 0;
    for arguments in
        [&["serve"][..], &[], &["--config", "config.yaml"], &["serve", "-c", "config.yaml"]]
    {
        let running = Program::new(arguments).file("config.yaml", &yaml).start();
        let at = running.ready().await;
        let (mut player, head) =
            Player::ask(at.stream, "GET /stream/one HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert_eq!(head.status, 200, "{arguments:?}");
        player.read_exact_body(188 * 100).await;
        player.close();
        origin.idle().await;
        let ended = running.stopped().await;
        assert_eq!(ended.code, Some(0), "{arguments:?}: {}", ended.err);
        assert_eq!(ended.out, "", "standard output is nobody's log");
        seen += 1;
    }
    assert_eq!(seen, 4);
}

#[tokio::test]
async fn a_receivers_address_in_the_environment_is_enough() {
    let origin = Origin::live(TsPattern::new(1)).await;
    let running = Program::new(&[])
        .variable("XG2G_PROXY_TARGET", &format!("http://{}", origin.authority()))
        .variable("XG2G_PROXY_LISTEN", "127.0.0.1:0")
        // Another program of the machine may have the default port.
        .variable("WEIR_LISTEN__ADMIN", "127.0.0.1:0")
        .start();
    let at = running.ready().await;
    let request = format!("GET /{SERVICE} HTTP/1.1\r\nHost: x\r\n\r\n");
    let (mut player, head) = Player::ask(at.stream, &request).await;
    assert_eq!(head.status, 200);
    player.read_exact_body(188 * 100).await;
    assert_eq!(origin.requests(1).await[0].target(), format!("/{SERVICE}"));
    player.close();
    origin.idle().await;
    assert_eq!(running.stopped().await.code, Some(0));
}

#[tokio::test]
async fn a_variable_beats_the_file() {
    let text = "log: {level: error}\nlisten: {stream: \"127.0.0.1:1\", admin: \"127.0.0.1:0\"}\n";
    let running = Program::new(&["serve"])
        .file("config.yaml", &format!("{text}{GOOD}"))
        .variable("WEIR_LISTEN__STREAM", "127.0.0.1:0")
        .variable("WEIR_LOG__LEVEL", "info")
        .start();
    // At level `error` there would be no such line, and port 1 is not ours.
    let at = running.ready().await;
    assert_ne!(at.stream.port(), 1);
    assert_eq!(get(at.stream, "/health").await.status(), 200);
    assert_eq!(running.stopped().await.code, Some(0));
}

#[tokio::test]
async fn a_taken_port_ends_with_1_and_names_key_and_address() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = taken.local_addr().unwrap();
    let mut seen = 0;
    for (key, other) in [("stream", "admin"), ("admin", "stream")] {
        let yaml = format!("listen: {{{key}: \"{address}\", {other}: \"127.0.0.1:0\"}}\n{GOOD}");
        let ended = Program::new(&[]).file("config.yaml", &yaml).run().await;
        assert_eq!(ended.code, Some(1), "{}", ended.err);
        let named = ended.err.contains(&address.to_string())
            && ended.err.contains(&format!("listen.{key}"));
        assert!(named, "{}", ended.err);
        seen += 1;
    }
    assert_eq!(seen, 2);
}

#[tokio::test]
async fn a_bad_configuration_binds_nothing() {
    // Were a port bound before all is known to be good, the taken one would be the complaint.
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = taken.local_addr().unwrap();
    let bad = [
        "surplus: 1\n",
        "limits: {clients: none}\n",
        "tls: {certificate: missing.pem, private_key: missing.pem}\n",
        "channels: {one: {sources: [{url: \"http://127.0.0.1:9/\", headers: {Bad Name: x}}]}}\n",
    ];
    let mut seen = 0;
    for bad in bad {
        let tls = if bad.contains("tls:") { ", stream_tls: \"127.0.0.1:0\"" } else { "" };
        let yaml = format!("listen: {{stream: \"{address}\", admin: \"{address}\"{tls}}}\n{bad}");
        let ended = Program::new(&["serve"]).file("config.yaml", &yaml).run().await;
        assert_eq!(ended.code, Some(78), "{bad}: {}", ended.err);
        assert!(!ended.err.contains("cannot listen"), "{}", ended.err);
        seen += 1;
    }
    assert_eq!(seen, 4);
}

#[tokio::test]
async fn an_admin_address_that_others_reach_needs_a_token() {
    let yaml = format!("listen: {{stream: \"127.0.0.1:0\", admin: \"0.0.0.0:0\"}}\n{GOOD}");
    for command in ["check", "serve"] {
        let ended = Program::new(&[command]).file("config.yaml", &yaml).run().await;
        assert_eq!(ended.code, Some(78), "{}", ended.err);
        let named = ended.err.contains("listen.admin") && ended.err.contains("access.admin_token");
        assert!(named, "{}", ended.err);
    }
    let program = Program::new(&["check"]).file("config.yaml", &yaml);
    let ended = program.variable("WEIR_ACCESS__ADMIN_TOKEN", "long-enough-a-token").run().await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
}

#[tokio::test]
async fn the_state_folder_is_systemds_or_one_beside_the_file() {
    let line = |text: &str| {
        let line = text.lines().find(|line| line.starts_with("state_dir:"));
        line.unwrap_or_else(|| panic!("no state_dir in\n{text}")).to_owned()
    };
    let program = || Program::new(&["config"]).file("config.yaml", GOOD);
    let ended = program().run().await;
    assert_eq!(line(&ended.out), "state_dir: state  # default");
    let ended = program().variable("STATE_DIRECTORY", "/var/lib/weir:/var/lib/other").run().await;
    assert_eq!(line(&ended.out), "state_dir: /var/lib/weir  # STATE_DIRECTORY");
    let ended = program()
        .variable("STATE_DIRECTORY", "/var/lib/weir")
        .variable("WEIR_STATE_DIR", "/srv/weir")
        .run()
        .await;
    assert_eq!(line(&ended.out), "state_dir: /srv/weir  # WEIR_STATE_DIR");
}

#[tokio::test]
async fn doctor_tells_the_good_source_from_the_dead_one() {
    let good = Origin::live(TsPattern::new(1)).await;
    let page = Origin::start(|_| Script::html("<p>subscription over, s3cret-page</p>")).await;
    let dead = free_port();
    let folder = Folder::new();
    let yaml = format!(
        "state_dir: {}\n\
         channels:\n  good: {{sources: [\"{}\"]}}\n  dead: {{sources: [\"http://127.0.0.1:{dead}/path-s3cret.ts\"]}}\n\
        \x20 page: {{sources: [\"{}\"]}}\n",
        folder.path().display(),
        good.url("/path-s3cret.ts"),
        page.url("/path-s3cret.ts"),
    );
    let ended = Program::new(&["doctor"]).file("config.yaml", &yaml).run().await;
    assert_eq!(ended.code, Some(1), "{}{}", ended.out, ended.err);
    let line = |channel: &str| {
        let part = format!("channel {channel} source 0 ");
        let line = ended.out.lines().find(|line| line.contains(&part));
        line.unwrap_or_else(|| panic!("no line about {channel} in\n{}", ended.out))
    };
    assert!(line("good").starts_with("ok "), "{}", line("good"));
    assert!(line("good").contains("MpegTs"), "{}", line("good"));
    assert!(line("dead").starts_with("MEND"), "{}", line("dead"));
    assert!(line("dead").contains(&format!("127.0.0.1:{dead}")), "{}", line("dead"));
    assert!(line("page").starts_with("MEND"), "{}", line("page"));
    for word in ["open files", "clock", "state_dir", "FFmpeg"] {
        assert!(ended.out.contains(word), "nothing about {word}:\n{}", ended.out);
    }
    good.idle().await;
    assert_eq!(good.total(), 1, "a source is opened once");
    Canary::new(["s3cret"]).assert_absent("weir doctor", ended.out.as_bytes());

    let yaml = format!(
        "state_dir: {}\nlimits: {{clients: 10}}\nchannels: {{good: {{sources: [\"{}\"]}}}}\n",
        folder.path().display(),
        good.url("/path-s3cret.ts")
    );
    let ended = Program::new(&["doctor"]).file("config.yaml", &yaml).run().await;
    assert_eq!(ended.code, Some(0), "{}{}", ended.out, ended.err);
}

#[tokio::test]
async fn a_file_that_everyone_can_read_is_warned_about_when_it_holds_a_secret() {
    use std::os::unix::fs::PermissionsExt;
    let secret = format!("{GOOD}access: {{tokens: {{anna: a-t0ken-of-annas}}}}\n");
    let cases = [(0o644, true), (0o640, false)];
    for (mode, warned) in cases {
        let program = Program::new(&["check"]).file("config.yaml", &secret);
        let path = program.folder().join("config.yaml");
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        let ended = program.run().await;
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        assert_eq!(ended.out.contains("warning"), warned, "{mode:o}: {}", ended.out);
        assert!(!ended.out.contains("a-t0ken-of-annas"));
    }
}

#[tokio::test]
async fn secrets_come_from_files_variables_and_the_service_managers_credentials() {
    let origin = Origin::live(TsPattern::new(1)).await;
    let yaml = format!(
        "access:\n  tokens:\n    a: {{file: token-a}}\n    b: {{env: TOKEN_B}}\n    c: {{credential: token-c}}\n\
         channels: {{one: {{sources: [\"{}\"], kind: live}}}}\n",
        origin.url("/one.ts")
    );
    let credentials = Folder::new();
    credentials.write("token-c", "the-third-token\n");
    let running = Program::serving(&yaml)
        .file("token-a", "the-first-token\n")
        .variable("TOKEN_B", "the-second-token")
        .variable("CREDENTIALS_DIRECTORY", &credentials.path().display().to_string())
        .start();
    let at = running.ready().await;
    let mut seen = 0;
    for (token, status) in [
        ("the-first-token", 200),
        ("the-second-token", 200),
        ("the-third-token", 200),
        ("the-fourth-token", 403),
    ] {
        let request = format!("HEAD /stream/one?token={token} HTTP/1.1\r\nHost: x\r\n\r\n");
        let (_player, head) = Player::ask(at.stream, &request).await;
        assert_eq!(head.status, status, "{token}");
        seen += 1;
    }
    assert_eq!(seen, 4);
    let ended = running.stopped().await;
    Canary::new(["the-first-token", "the-second-token", "the-third-token"])
        .assert_absent("the log", ended.err.as_bytes());
}

#[tokio::test]
async fn an_interrupt_ends_an_idle_program_with_0() {
    for signal in [Signal::INT, Signal::TERM] {
        let running = Program::serving(GOOD).start();
        running.ready().await;
        running.signal(signal);
        let ended = running.ended().await;
        assert_eq!(ended.code, Some(0), "{}", ended.err);
    }
}

fn certificate() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

fn certificate_of_another() -> String {
    certificate().1
}
