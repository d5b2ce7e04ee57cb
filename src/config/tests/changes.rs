//! What a reload changes.

use super::*;

fn changes(old: &str, new: &str) -> Vec<String> {
    diff(&parsed(old), &parsed(new)).iter().map(ToString::to_string).collect()
}

#[test]
fn equal_configurations_have_no_difference() {
    let text = "channels: {a: {sources: http://h/}}";
    assert_eq!(changes(text, text), Vec::<String>::new());
    assert_eq!(
        changes(text, &format!("# a comment\n{text}\nlog: {{level: info}}")),
        Vec::<String>::new()
    );
}

#[test]
fn named_things_are_added_removed_and_changed() {
    let old = "
providers: {p: {}, q: {}}
receivers: {r: {stream: http://h:1}}
channels: {a: {sources: http://h/}, b: {sources: http://h/}, c: {sources: http://h/}}
profiles: {x: {delivery: shared}}
";
    let new = "
providers: {p: {max_connections: 2}, n: {}}
receivers: {r: {stream: http://h:2}}
channels: {d: {sources: http://h/}, a: {sources: http://h/}, b: {sources: http://h/other}}
profiles: {x: {delivery: auto}, y: {}}
";
    let expected = [
        "provider p changed",
        "provider q removed",
        "provider n added",
        "receiver r changed",
        "profile x changed",
        "profile y added",
        "channel b changed",
        "channel c removed",
        "channel d added",
    ];
    assert_eq!(changes(old, new), expected);
}

#[test]
fn order_matters_where_something_follows_it() {
    let old = "channels: {a: {sources: http://h/}, b: {sources: http://h/}}";
    let new = "channels: {b: {sources: http://h/}, a: {sources: http://h/}}";
    assert_eq!(changes(old, new), ["channels reordered"]);
    let new =
        "channels: {b: {sources: http://h/}, c: {sources: http://h/}, a: {sources: http://h/}}";
    assert_eq!(changes(old, new), ["channel c added", "channels reordered"]);
    let new =
        "channels: {c: {sources: http://h/}, a: {sources: http://h/}, b: {sources: http://h/}}";
    assert_eq!(changes(old, new), ["channel c added"]);
}

#[test]
fn settings_apply_at_once_or_after_a_restart() {
    let cases = [
        ("listen: {stream: 0.0.0.0:1}", "listen.stream changed: applies after a restart"),
        ("listen: {admin: 127.0.0.1:1}", "listen.admin changed: applies after a restart"),
        ("state_dir: x", "state_dir changed: applies after a restart"),
        ("log: {format: json}", "log.format changed: applies after a restart"),
        ("log: {level: debug}", "log.level changed"),
        ("public_url: http://h", "public_url changed"),
        ("trusted_proxies: private", "trusted_proxies changed"),
        ("access: {allow: any}", "access.allow changed"),
        ("access: {tokens: {a: b}}", "access.tokens changed"),
        ("access: {admin_token: b}", "access.admin_token changed"),
        ("limits: {clients: 1}", "limits changed"),
        ("egress: {deny: any}", "egress changed"),
        ("failover: {rounds: 1}", "failover changed"),
        ("hls: {connections: 1}", "hls changed: applies after a restart"),
        ("relay: {max_processes: 1}", "relay changed"),
        ("ffmpeg: {restarts: 1}", "ffmpeg changed"),
        ("drain_timeout: 1s", "drain_timeout changed"),
    ];
    for (text, expected) in cases {
        assert_eq!(changes("", text), [expected], "{text}");
        assert_eq!(changes(text, ""), [expected], "{text}");
    }
    let tls = "listen: {stream_tls: :1}\ntls: {certificate: a, private_key: b}";
    assert_eq!(
        changes("", tls),
        ["listen.stream_tls changed: applies after a restart", "tls changed"]
    );
}
