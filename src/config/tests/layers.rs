//! Environment over file over defaults.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use super::*;

#[test]
fn an_empty_text_is_the_default() {
    assert_eq!(parsed(""), Config::default());
    assert_eq!(parsed("# nothing\n---\n"), Config::default());
    assert_eq!(parsed("\u{feff}log: {level: info}"), Config::default());
}

#[test]
fn each_layer_wins_over_the_one_below() {
    let file = "log: {level: warn}\nlimits: {clients: 5}";
    let loaded = parse(file, "config.yaml", &environment(&[("WEIR_LOG__LEVEL", "trace")])).unwrap();
    assert_eq!(loaded.config.log, Log { level: Level::Trace, format: LogFormat::Text });
    assert_eq!((loaded.config.limits.clients, loaded.config.limits.clients_per_ip), (5, 64));
    let shown = loaded.effective.to_string();
    for line in [
        "level: trace  # WEIR_LOG__LEVEL",
        "clients: 5  # config.yaml:2",
        "clients_per_ip: 64  # default",
    ] {
        assert!(shown.contains(line), "{line}\n{shown}");
    }
}

#[test]
fn a_value_that_is_not_text_is_a_mistake_only_where_it_is_read() {
    let bytes = || OsString::from_vec(vec![0xff]);
    let names = ["WEIR_LOG__LEVEL", "XG2G_PROXY_LISTEN", "UNRELATED", "BOX"];
    let env = Environment::new(names.map(|name| (name, bytes())));
    let shown = mistakes("access: {admin_token: {env: BOX}}", &env);
    assert_eq!(shown.len(), 3, "{shown:?}");
    assert_eq!(shown[1], "WEIR_LOG__LEVEL: the value is not UTF-8");
    assert_eq!(shown[2], "XG2G_PROXY_LISTEN: the value is not UTF-8");
    assert_eq!(mistakes("", &Environment::new([("UNRELATED", bytes())])), Vec::<String>::new());
}

#[test]
fn a_broken_file_still_lets_the_environment_report() {
    let shown =
        mistakes("log: [", &environment(&[("WEIR_LIMIT", "1"), ("XG2G_PROXY_TARGET", "x")]));
    assert_eq!(shown.len(), 1, "the keys of a file that could not be read are unknown: {shown:?}");
    let shown = mistakes("log: [", &environment(&[("WEIR_LOG__LEVEL", "{")]));
    assert_eq!(shown.len(), 2, "{shown:?}");
}

#[test]
fn variables_that_kubernetes_sets_are_no_settings() {
    let env = environment(&[
        ("WEIR_SERVICE_HOST", "10.96.0.9"),
        ("WEIR_SERVICE_PORT_MEDIA", "18000"),
        ("WEIR_PORT", "tcp://10.96.0.9:18000"),
        ("WEIR_PORT_18000_TCP_ADDR", "10.96.0.9"),
    ]);
    assert_eq!(mistakes("", &env), Vec::<String>::new());
    let shown = mistakes("", &environment(&[("WEIR_PORT", "18000")]));
    assert!(shown.len() == 1 && shown[0].starts_with("WEIR_PORT: port: unknown key"), "{shown:?}");
}

#[test]
fn the_m3u_proxy_names_work_alone_and_together() {
    let stream = |pairs: &[(&str, &str)]| {
        let pairs = [pairs, &[("WEIR_COMPAT", "m3u-proxy")]].concat();
        parse("", "", &environment(&pairs)).unwrap().config.listen.stream[0].to_string()
    };
    assert_eq!(stream(&[("HOST", "127.0.0.1")]), "127.0.0.1:8085");
    assert_eq!(stream(&[("PORT", "9000")]), "0.0.0.0:9000");
    assert_eq!(stream(&[("HOST", "::"), ("PORT", "9000")]), "[::]:9000");
    assert_eq!(stream(&[]), "0.0.0.0:18000");
}

/// The profile `aac` that a file and these variables give, and that of the receiver.
fn aac(file: &str, pairs: &[(&str, &str)]) -> (Profile, String) {
    let always =
        [("XG2G_PROXY_TARGET", "http://box:8001"), ("XG2G_ENABLE_AUDIO_TRANSCODING", "true")];
    let env = environment(&[&always, pairs].concat());
    let config = parse(file, "config.yaml", &env).unwrap_or_else(|error| panic!("{error}")).config;
    let aac = config.profiles.into_iter().find(|profile| profile.name == "aac").unwrap();
    (aac, config.receivers[0].profile.clone())
}

#[test]
fn an_aac_profile_in_the_file_is_kept_and_adjusted() {
    let file = "profiles: {aac: {delivery: shared, audio: {bitrate: 128k, channels: 1}}}";
    let (profile, used) = aac(file, &[("XG2G_AUDIO_CHANNELS", "2")]);
    assert_eq!(profile.audio, Some(Audio { bitrate: 128_000, channels: 2, ..Audio::default() }));
    assert_eq!((profile.delivery, used.as_str()), (Delivery::Shared, "aac"));
    let (profile, _) = aac("profiles: {aac: {delivery: auto}}", &[]);
    assert_eq!((profile.delivery, profile.audio), (Delivery::Auto, Some(Audio::default())));
}

#[test]
fn xg2g_converts_for_each_client_and_its_ffmpeg_for_all() {
    let (profile, used) = aac("", &[("XG2G_USE_RUST_REMUXER", "true")]);
    assert_eq!((profile.delivery, profile.audio), (Delivery::Direct, Some(Audio::default())));
    assert_eq!((profile.ffmpeg, used.as_str()), (None, "aac"));
    let (profile, _) = aac("", &[("XG2G_USE_RUST_REMUXER", "0"), ("XG2G_AUDIO_BITRATE", "96k")]);
    assert_eq!((profile.delivery, profile.audio), (Delivery::Shared, None));
    let args = profile.ffmpeg.unwrap().args.join(" ");
    assert!(args.contains("-map 0:a? ") && args.contains("-c:a aac -b:a 96000"), "{args}");
    // Arguments of the user's own stay.
    let own =
        "profiles: {aac: {delivery: shared, ffmpeg: {args: [-i, '{input_url}', '{output}']}}}";
    let (profile, _) = aac(own, &[("XG2G_USE_RUST_REMUXER", "false")]);
    assert_eq!(profile.ffmpeg.unwrap().args.len(), 3);
}

#[test]
fn a_language_has_all_its_codes() {
    let config = parsed("profiles: {x: {audio: {languages: [DEU, eng, ger]}}}");
    let audio = config.profiles.into_iter().find_map(|profile| profile.audio).unwrap();
    assert_eq!(audio.languages, [*b"deu", *b"ger", *b"eng"]);
}
