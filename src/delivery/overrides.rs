//! What channels show because somebody says so, instead of what their sources would give: an emergency,
//! a repair. Kept in memory only: a restart ends it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use crate::config::Made;

/// What a channel shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// This, and no source; none is connected to.
    Made(Made),
    /// The source with this index before all others. When it dies, the others take over as ever.
    Source(usize),
}

/// A choice and when it was made.
#[derive(Debug)]
pub struct Override {
    /// What is shown.
    pub choice: Choice,
    /// Since when.
    pub since: SystemTime,
}

/// The overrides of all channels, one for each at most. It belongs to the channel's id, so a reload
/// that changes the channel leaves it.
///
/// Cheap to clone; all clones are of the same.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// Guards the map; held to look one up or to change it.
    set: Arc<Mutex<HashMap<Arc<str>, Arc<Override>>>>,
}

impl Overrides {
    /// What the channel with this id shows instead of its sources, if anything.
    #[must_use]
    pub fn of(&self, channel: &str) -> Option<Arc<Override>> {
        self.set.lock().unwrap_or_else(PoisonError::into_inner).get(channel).cloned()
    }

    /// From now on the channel with this id shows this. Those of channels that `exists` does not know
    /// any more are forgotten, so there are never more than channels.
    pub fn put(
        &self,
        channel: &Arc<str>,
        choice: Choice,
        exists: impl Fn(&str) -> bool,
    ) -> Arc<Override> {
        let new = Arc::new(Override { choice, since: SystemTime::now() });
        let mut set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        set.retain(|channel, _| exists(channel));
        set.insert(Arc::clone(channel), Arc::clone(&new));
        new
    }

    /// The channel with this id shows its sources again. Whether it did not.
    pub fn remove(&self, channel: &str) -> bool {
        self.set.lock().unwrap_or_else(PoisonError::into_inner).remove(channel).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_has_one_override_and_those_of_channels_that_are_gone_go_too() {
        let overrides = Overrides::default();
        let (one, two): (Arc<str>, Arc<str>) = ("one".into(), "two".into());
        overrides.put(&one, Choice::Source(1), |_| true);
        overrides.put(&one, Choice::Source(2), |_| true);
        assert_eq!(overrides.of("one").unwrap().choice, Choice::Source(2));
        overrides.put(&two, Choice::Source(0), |channel| channel == "two");
        assert!(overrides.of("one").is_none());
        assert!(overrides.remove("two") && !overrides.remove("two"));
    }
}
