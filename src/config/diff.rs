//! What a reload changes: the differences between two configurations as a list to apply and to log.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt;

use super::Config;

/// One difference between two configurations. Displays as a line for the log; names only, never a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A channel, by its id.
    Channel(String, Edit),
    /// A receiver, by its name.
    Receiver(String, Edit),
    /// A provider, by its name.
    Provider(String, Edit),
    /// A profile, by its name; channels that use it are not listed for that.
    Profile(String, Edit),
    /// The channels or receivers that stay do so in another order, which playlists and the choice of the first receiver
    /// follow. Holds the key.
    Order(&'static str),
    /// A setting that applies at once. Holds its key.
    Setting(&'static str),
    /// A setting that applies after a restart only. Holds its key.
    Restart(&'static str),
}

/// What happened to a named thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It has the same name and something else is different.
    Changed,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Channel(id, edit) => write!(f, "channel {id} {edit}"),
            Self::Receiver(name, edit) => write!(f, "receiver {name} {edit}"),
            Self::Provider(name, edit) => write!(f, "provider {name} {edit}"),
            Self::Profile(name, edit) => write!(f, "profile {name} {edit}"),
            Self::Order(key) => write!(f, "{key} reordered"),
            Self::Setting(key) => write!(f, "{key} changed"),
            Self::Restart(key) => write!(f, "{key} changed: applies after a restart"),
        }
    }
}

impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
        })
    }
}

/// The changes from `old` to `new`: removals, changes and additions of named things in the order of their names, then
/// settings. Empty when both are equal.
#[must_use]
pub fn diff(old: &Config, new: &Config) -> Vec<Change> {
    let mut changes = Vec::new();
    changes.extend(named(
        &old.providers,
        &new.providers,
        |provider| &provider.name,
        Change::Provider,
    ));
    changes.extend(named(
        &old.receivers,
        &new.receivers,
        |receiver| &receiver.name,
        Change::Receiver,
    ));
    changes.extend(named(&old.profiles, &new.profiles, |profile| &profile.name, Change::Profile));
    changes.extend(named(&old.channels, &new.channels, |channel| &channel.id, Change::Channel));
    changes.extend(orders(old, new));
    changes.extend(settings(old, new));
    changes
}

fn named<T: PartialEq>(
    old: &[T],
    new: &[T],
    name: impl Fn(&T) -> &String,
    change: impl Fn(String, Edit) -> Change,
) -> Vec<Change> {
    let before: BTreeMap<&String, &T> = old.iter().map(|item| (name(item), item)).collect();
    let after: BTreeMap<&String, &T> = new.iter().map(|item| (name(item), item)).collect();
    let kept_or_removed = before.iter().filter_map(|(name, item)| match after.get(name) {
        None => Some(change((*name).clone(), Edit::Removed)),
        Some(now) if now != item => Some(change((*name).clone(), Edit::Changed)),
        Some(_) => None,
    });
    let added = after.keys().filter(|name| !before.contains_key(**name));
    kept_or_removed.chain(added.map(|name| change((*name).clone(), Edit::Added))).collect()
}

/// Lists whose common entries stand in another order. Those of providers and profiles mean nothing.
fn orders(old: &Config, new: &Config) -> Vec<Change> {
    let channels = |config: &Config| {
        config.channels.iter().map(|channel| channel.id.clone()).collect::<Vec<_>>()
    };
    let receivers =
        |config: &Config| config.receivers.iter().map(|item| item.name.clone()).collect::<Vec<_>>();
    let moved = |key, mut old: Vec<String>, mut new: Vec<String>| {
        let before: BTreeSet<String> = old.iter().cloned().collect();
        let after: BTreeSet<String> = new.iter().cloned().collect();
        old.retain(|name| after.contains(name));
        new.retain(|name| before.contains(name));
        (old != new).then_some(Change::Order(key))
    };
    let moves = [
        moved("channels", channels(old), channels(new)),
        moved("receivers", receivers(old), receivers(new)),
    ];
    moves.into_iter().flatten().collect()
}

fn settings(old: &Config, new: &Config) -> Vec<Change> {
    // Taken apart without `..`, so that a new field cannot be forgotten here.
    let Config {
        listen,
        tls,
        public_url,
        trusted_proxies,
        access,
        limits,
        egress,
        failover,
        hls,
        providers: _,
        receivers: _,
        channels: _,
        profiles: _,
        relay,
        ffmpeg,
        log,
        state_dir,
        drain_timeout,
    } = new;
    let changed = [
        (Change::Restart("listen.stream"), listen.stream != old.listen.stream),
        (Change::Restart("listen.stream_tls"), listen.stream_tls != old.listen.stream_tls),
        (Change::Restart("listen.admin"), listen.admin != old.listen.admin),
        (Change::Setting("tls"), *tls != old.tls),
        (Change::Setting("public_url"), *public_url != old.public_url),
        (Change::Setting("trusted_proxies"), *trusted_proxies != old.trusted_proxies),
        (Change::Setting("access.allow"), access.allow != old.access.allow),
        (Change::Setting("access.tokens"), access.tokens != old.access.tokens),
        (Change::Setting("access.admin_token"), access.admin_token != old.access.admin_token),
        (Change::Setting("limits"), *limits != old.limits),
        (Change::Setting("egress"), *egress != old.egress),
        (Change::Setting("failover"), *failover != old.failover),
        (Change::Restart("hls"), *hls != old.hls),
        (Change::Setting("relay"), *relay != old.relay),
        (Change::Setting("ffmpeg"), *ffmpeg != old.ffmpeg),
        (Change::Setting("log.level"), log.level != old.log.level),
        (Change::Restart("log.format"), log.format != old.log.format),
        (Change::Restart("state_dir"), *state_dir != old.state_dir),
        (Change::Setting("drain_timeout"), *drain_timeout != old.drain_timeout),
    ];
    changed.into_iter().filter(|(_, changed)| *changed).map(|(change, _)| change).collect()
}
