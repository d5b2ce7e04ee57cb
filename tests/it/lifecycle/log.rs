//! What the program writes into its log, and what it never does.

use rustix::process::Signal;

use super::channel;
use super::watch;
use crate::command_line::process::Ended;
use crate::command_line::process::Program;
use crate::command_line::process::free_port;
use crate::command_line::process::get;
use crate::support::capture::Canary;
use crate::support::eventually::Gate;
use crate::support::eventually::eventually;
use crate::support::origin::Feed;
use crate::support::origin::Origin;
use crate::support::origin::Script;
use crate::support::player::Player;
use crate::support::ts::TsPattern;

#[tokio::test]
async fn the_log_says_whose_side_ended_a_session() {
    let over = Gate::new();
    let (opened, pattern) = (over.clone(), TsPattern::new(1));
    let origin = Origin::start(move |request| match request.path() {
        "/ends.ts" => Script::live(Feed::live(&pattern).until(&opened)),
        "/breaks.ts" => Script::live(Feed::live(&pattern).until(&opened)).reset(),
        "/falls-silent.ts" => Script::live(Feed::live(&pattern).until(&opened)).stall(),
        _ => Script::live(&pattern),
    })
    .await;
    let names = ["plays", "ends", "breaks", "falls-silent"];
    let channels = names.map(|name| {
        format!("  {name}: {{kind: live, sources: [\"{}\"]}}\n", origin.url(&format!("/{name}.ts")))
    });
    let yaml = format!(
        "failover: {{rounds: 0, response_timeout: 500ms, stall_timeout: 500ms}}\nchannels:\n{}",
        channels.concat()
    );
    let running = Program::serving(&yaml).start();
    let at = running.ready().await;
    let mut players = Vec::new();
    for name in names {
        let ask = format!("GET /stream/{name} HTTP/1.1\r\nHost: x\r\n\r\n");
        let (mut player, head) = Player::ask(at.stream, &ask).await;
        assert_eq!(head.status, 200, "{name}");
        player.read_exact_body(188 * 50).await;
        players.push(player);
    }
    over.open();
    let mut plays = players.remove(0);
    for mut player in players {
        player.discard_while(|_| true).await;
    }
    plays.read_exact_body(188).await;
    plays.close();
    let expected = [
        ("plays", "client", "client_closed"),
        ("ends", "source", "source_ended"),
        ("breaks", "source", "source_failed"),
        ("falls-silent", "source", "source_stalled"),
    ];
    for (name, side, end) in expected {
        let field = format!("channel={name} ");
        let line = eventually("the session's last line", || {
            let err = running.err();
            let mut lines = err.lines().filter(|line| line.contains("session ends"));
            lines.find(|line| line.contains(&field)).map(str::to_owned)
        })
        .await;
        let fields = [format!("side=\"{side}\""), format!("end=\"{end}\"")];
        let found = fields.iter().filter(|field| line.contains(field.as_str())).count();
        assert_eq!(found, 2, "{fields:?} in {line}");
        assert!(line.contains("session=") && line.contains("source=0"), "{line}");
        let error = matches!(end, "source_failed" | "source_stalled");
        assert_eq!(line.contains("ERROR"), error, "a client lost its stream, or not: {line}");
    }
    assert_eq!(running.stopped().await.code, Some(0));
}

#[tokio::test]
async fn each_line_of_a_json_log_is_an_object() {
    let ended = logged_in("json").await;
    let mut messages = Vec::new();
    for line in ended.err.lines() {
        let document: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let field = |name: &str| document.get(name).and_then(|value| value.as_str());
        assert!(field("timestamp").is_some() && field("level").is_some(), "{line}");
        messages.push((field("message").unwrap_or("").to_owned(), document));
    }
    let find = |start: &str| {
        let found = messages.iter().find(|(message, _)| message.starts_with(start));
        &found.unwrap_or_else(|| panic!("no {start:?} in {messages:?}")).1
    };
    for start in ["ready", "session begins", "reload refused", "draining", "stopped"] {
        find(start);
    }
    let end = find("session ends");
    assert_eq!(end["channel"], "one");
    assert_eq!(end["side"], "client");
    assert_eq!(end["end"], "client_closed");
    assert!(end["session"].is_number() && end["bytes"].is_number(), "{end}");
}

#[tokio::test]
async fn what_ffmpeg_says_does_not_take_the_place_of_a_message() {
    let yaml = "log: {format: json}\nffmpeg: {program: /bin/false}\n\
                channels: {one: {profile: transport-stream, sources: [{pattern: bars}]}}\n";
    let running = Program::serving(yaml).start();
    let at = running.ready().await;
    let (answer, line) =
        tokio::join!(get(at.stream, "/stream/one"), running.line("starting it again"));
    assert_eq!(answer.status(), 502);
    let document: serde_json::Value = serde_json::from_str(&line).unwrap();
    let message = document["message"].as_str().unwrap();
    assert!(message.starts_with("FFmpeg failed"), "{line}");
    assert_eq!(running.stopped().await.code, Some(0));
}

#[tokio::test]
async fn each_line_for_the_journal_has_its_priority_and_no_time() {
    let ended = logged_in("journald").await;
    let mut priorities = [0; 8];
    for line in ended.err.lines() {
        let rest = line.strip_prefix('<').unwrap_or_else(|| panic!("no priority: {line:?}"));
        let (priority, rest) = rest.split_once('>').unwrap();
        priorities[priority.parse::<usize>().unwrap()] += 1;
        let year = rest.trim_start().split('-').next().unwrap_or("");
        let dated = year.len() == 4 && year.bytes().all(|byte| byte.is_ascii_digit());
        assert!(!dated, "the journal has the time itself: {line:?}");
        assert!(!rest.contains("INFO") && !rest.contains("ERROR"), "and the level: {line:?}");
    }
    assert!(priorities[6] >= 4, "{}", ended.err);
    assert!(priorities[3] >= 1, "{}", ended.err);
    let line = ended.err.lines().find(|line| line.contains("session ends")).unwrap();
    assert!(line.starts_with("<6>"), "{line}");
}

/// One session and one refused reload, logged in `format`.
async fn logged_in(format: &str) -> Ended {
    let origin = Origin::live(TsPattern::new(1)).await;
    let running =
        Program::serving(&format!("log: {{format: {format}}}\n{}", channel(&origin))).start();
    let player = watch(&running).await;
    player.close();
    origin.idle().await;
    running.line("session ends").await;
    running.folder().write("config.yaml", "nonsense: 1\nlimits: {clients: 0}\n");
    running.signal(Signal::HUP);
    running.line("2 mistakes").await;
    let ended = running.stopped().await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    ended
}

#[tokio::test]
async fn no_level_of_the_log_has_a_path_a_query_or_a_secret_of_a_source() {
    let pattern = TsPattern::new(1);
    let origin = Origin::start(move |request| match request.attempt {
        1 => Script::redirect("302 Found", "/moved-s3cret/x?key=query-s3cret"),
        _ => Script::live(&pattern),
    })
    .await;
    let source = origin.url_as("user-s3cret:word-s3cret", "/path-s3cret/one.ts?key=query-s3cret");
    let yaml = format!(
        "log: {{level: trace}}\n\
         access: {{tokens: {{anna: viewer-s3cret}}}}\n\
         channels:\n  dead: {{kind: live, sources: [\"http://user-s3cret:word-s3cret@127.0.0.1:{}/path-s3cret/dead.ts\"]}}\n\
        \x20 one: {{kind: live, sources: [\"{source}\"]}}\n",
        free_port()
    );
    let running = Program::serving(&yaml).start();
    let at = running.ready().await;
    let dead = get(at.stream, "/stream/dead?token=viewer-s3cret").await;
    assert_eq!(dead.status(), 502);
    for attempt in 1..=2 {
        let ask = "GET /t/viewer-s3cret/stream/one HTTP/1.1\r\nHost: x\r\n\r\n";
        let (mut player, head) = Player::ask(at.stream, ask).await;
        assert!(head.status == 200 || attempt == 1, "{}", head.status);
        if head.status == 200 {
            player.read_exact_body(188 * 10).await;
        }
    }
    origin.idle().await;
    let ended = running.stopped().await;
    assert!(ended.err.contains("session begins"), "{}", ended.err);
    assert!(ended.err.contains(&origin.authority()) || ended.err.contains("source=0"));
    Canary::new(["s3cret"]).assert_absent("the log", ended.err.as_bytes());
    Canary::new(["s3cret"]).assert_absent("the answer", &dead.everything());
}
