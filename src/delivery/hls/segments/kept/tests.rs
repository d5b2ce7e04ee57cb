//! Who gets a segment, for how long it is there, and what room there is.

use std::time::Duration;

use http::HeaderMap;
use http::StatusCode;
use tokio::time::{advance, timeout};

use super::*;
use crate::channel::Catalog;
use crate::channel::Channel;
use crate::config;
use crate::config::Environment;
use crate::delivery::hls::segments::segment::Access;
use crate::metrics::Metrics;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

struct Table {
    kept: Kept,
    channel: Arc<Channel>,
    tasks: Tasks,
}

impl Table {
    fn new(bytes_max: u64) -> Self {
        let text = "channels: {one: {kind: hls, sources: [\"http://h/\"]}}";
        let nothing: [(&str, &str); 0] = [];
        let loaded = config::parse(text, "config.yaml", &Environment::new(nothing)).unwrap();
        let catalog = Catalog::build(loaded.config.into(), None, &Metrics::new()).unwrap();
        let (tasks, channel) = (Tasks::new(), Arc::clone(catalog.find("one").unwrap()));
        Self { kept: Kept::new(tasks.clone(), bytes_max), channel, tasks }
    }

    fn key(&self, url: &str) -> Key {
        let channel = Same(Arc::clone(&self.channel));
        Key { channel, source: 0, url: url.to_owned(), range: None, cookies: None }
    }

    fn join(&self, url: &str) -> (Reader, Option<Filling>) {
        self.kept.join(&self.key(url)).unwrap()
    }

    /// A segment that is there until then, and one who reads it.
    fn there(&self, url: &str, length: usize, until: Duration) -> Reader {
        let (reader, filling) = self.join(url);
        let filling = filling.unwrap();
        assert!(filling.begins(head(length)));
        filling.segment().takes(&vec![0; length]);
        filling.segment().ends(Ok(()));
        filling.keep(Instant::now() + until);
        reader
    }

    fn count(&self) -> usize {
        self.kept.table().entries.len()
    }
}

fn head(length: usize) -> Head {
    let (status, headers) = (StatusCode::OK, HeaderMap::new());
    Head { status, headers, length: length as u64, set_cookies: Vec::new() }
}

#[tokio::test(start_paused = true)]
async fn one_fetches_for_all_and_what_is_there_expires_by_itself() {
    let table = Table::new(100);
    let (_first, filling) = table.join("a");
    assert!(filling.is_some());
    assert!(table.join("a").1.is_none(), "somebody fetches it");
    assert!(table.join("b").1.is_some(), "something else");
    drop(filling);
    assert!(table.join("a").1.is_some(), "nobody does any more");
    drop(table.there("c", 10, Duration::from_secs(6)));
    drop(table.there("d", 10, Duration::from_secs(9)));
    assert_eq!((table.count(), table.kept.bytes(), table.tasks.count()), (2, 20, 1));
    advance(Duration::from_secs(6)).await;
    assert!(table.join("c").1.is_some(), "too old");
    tokio::time::sleep(Duration::from_secs(3)).await;
    tokio::task::yield_now().await;
    assert_eq!((table.count(), table.kept.bytes()), (0, 0), "nobody had to ask");
    assert_eq!(table.tasks.finish(PATIENCE).await, 0);
}

#[tokio::test(start_paused = true)]
async fn when_the_program_ends_nothing_is_kept_and_nothing_waits() {
    let table = Table::new(100);
    drop(table.there("a", 10, Duration::from_mins(5)));
    let (_reader, _filling) = table.join("b");
    assert_eq!(table.tasks.finish(PATIENCE).await, 0);
    assert_eq!((table.count(), table.kept.bytes()), (1, 0), "what is being fetched goes on");
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_nobody_reads_is_given_up_unless_somebody_comes_in_time() {
    let table = Table::new(100);
    let (reader, filling) = table.join("a");
    let filling = filling.unwrap();
    drop(reader);
    let (reader, other) = table.join("a");
    assert!(other.is_none());
    assert!(timeout(PATIENCE, filling.deserted()).await.is_err(), "somebody has come");
    drop(reader);
    timeout(PATIENCE, filling.deserted()).await.unwrap();
    // Whoever comes now has it fetched again, and what becomes of this one is not theirs.
    let (reader, other) = table.join("a");
    drop(filling);
    assert!(table.join("a").1.is_none());
    let other = other.unwrap();
    assert!(other.begins(head(1)));
    assert!(matches!(reader.opened().await, Ok(Access::Shared(_))));
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_goes_away_leaves_nobody_waiting_and_is_not_joined() {
    let table = Table::new(100);
    let (reader, filling) = table.join("a");
    let (opened, ()) = tokio::join!(reader.opened(), async { drop(filling) });
    assert!(matches!(opened, Ok(Access::None)), "fetched by each one");
    let (_reader, filling) = table.join("a");
    let filling = filling.unwrap();
    assert!(filling.begins(head(10)));
    filling.segment().ends(Err(Cut::Source));
    let (_reader, again) = table.join("a");
    assert!(again.is_some(), "what is broken is given to nobody else");
    drop(filling);
    assert!(table.join("a").1.is_none(), "the new one stays");
}

#[tokio::test(start_paused = true)]
async fn what_nobody_reads_makes_room_the_oldest_first_and_what_is_read_does_not() {
    let table = Table::new(100);
    drop(table.there("new", 40, Duration::from_secs(9)));
    drop(table.there("old", 40, Duration::from_secs(6)));
    drop(table.there("newest", 40, Duration::from_secs(9)));
    assert!(table.join("new").1.is_none());
    assert_eq!((table.count(), table.kept.bytes()), (2, 80));
    let reads = table.there("large", 100, Duration::from_secs(9));
    assert_eq!((table.count(), table.kept.bytes()), (1, 100));
    let (waits, filling) = table.join("more");
    assert!(!filling.as_ref().unwrap().begins(head(1)), "somebody reads the large one");
    drop(filling);
    assert!(matches!(waits.opened().await, Ok(Access::None)));
    drop(reads);
    assert!(!table.join("more").1.unwrap().begins(head(101)), "too large in any case");
    assert_eq!(table.kept.bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn there_is_a_bound_of_segments_however_small() {
    let table = Table::new(100);
    drop(table.there("there", 0, Duration::from_secs(6)));
    let names: Vec<_> = (1..SEGMENTS_MAX).map(|number| number.to_string()).collect();
    let fetched: Vec<_> = names.iter().map(|name| table.join(name)).collect();
    assert_eq!(table.count(), SEGMENTS_MAX);
    let last = table.join("last");
    assert!(last.1.is_some(), "in place of the one that is there");
    assert!(table.kept.join(&table.key("one more")).is_none());
    assert!(table.kept.join(&table.key("last")).is_some());
    drop(fetched);
    assert_eq!(table.count(), 1);
}
