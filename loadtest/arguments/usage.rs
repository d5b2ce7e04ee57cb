//! What the command line can be.

use crate::proxies::Kind;
use crate::scenario;

const USAGE: &str = "\
usage: cargo run --release --example loadtest -- [COMMAND] [OPTION VALUE ..]

  compare (what no command means)  weir beside its peers, in one table
    --seconds N      length of one measurement (8)
    --rounds N       measurements of each kind; the table has their medians (3)
    --only A,B       these scenarios (all)
    --proxies A,B    these proxies (all)
    --weir PATH      this program instead of one built for the purpose
    --out FOLDER     where results.json and plot.svg go (loadtest/results)
  soak             weir alone with live clients at 2 Mbit/s
    --minutes N      how long (10)
    --clients N      how many (1000)
    --weir PATH      as above
  failover         weir's clients lose their source again and again: reset, fin, silence, manual
    --clients N      how many (200)
    --rounds N       breaks of each kind for each client, one by one and all at once (3)
    --only A,B       these kinds (all)
    --proxies A,B    haproxy and nginx beside weir, or none (haproxy,nginx)
    --start HOW      where a source begins: group, with its last picture group at once, or
                     anywhere, in the middle of one, as a receiver does (group)
    --decode N       recordings of each round that FFmpeg decodes in the end (20)
    --weir PATH      as above
    --out FOLDER     where failover.json goes (loadtest/results)
  hls              players of one live channel, through weir, through nginx as a cache, and direct
    --clients N      how many (500)
    --seconds N      length of one measurement (30)
    --rounds N       measurements of each kind; the table has their medians (3)
    --segment-bytes N  bytes of a segment of 2 s (500000)
    --delay N        milliseconds until the source answers (0)
    --proxies A,B    these of direct, nginx and weir (all)
    --weir PATH      as above
    --out FOLDER     where hls.json goes (loadtest/results)
  fanout           one stream of 8 Mbit/s for many clients, through a shared channel of weir's, through
                   Icecast, and as HLS through nginx as a cache
    --clients A,B    so many at a time (10,100,1000)
    --seconds N      length of one measurement (8)
    --rounds N       measurements of each kind; the table has their medians (3)
    --proxies A,B    these of weir, icecast2 and nginx (all)
    --lock FILE      locked (flock) during each round, for a machine that others use between them (none)
    --weir PATH      as above
    --json FILE      where the figures go (loadtest/results/fanout.json)
  relay-soak       a shared channel of weir's for a long time, with clients that read too little
    --minutes N      how long (10)
    --mbit N         the stream's Mbit/s (20)
    --clients N      that read everything (50)
    --stalled N      that read nothing (50)
    --slow N         that read half of it (10)
    --weir PATH      as above
    --json FILE      where the figures go (loadtest/results/relay-soak.json)
  remux            sound of one stream of 8 Mbit/s made AAC, by weir and by FFmpeg: CPU, memory, latency
    --seconds N      length of each stream (60)
    --rounds N       measurements of each kind; the table has their medians (5)
    --only A,B       these of ac3-5.1-448k, ac3-2.0-192k, eac3-5.1-256k and mp2-2.0-192k (all)
    --lock FILE      as above
    --json FILE      where the figures go (loadtest/results/remux.json)
  zap [COUNT]      how soon the upstream connection closes after the client's, and what
                   the gateway adds to the first byte; COUNT zaps of each kind (200)

Exits with 1 when a figure cannot be relied on, and says which.";

/// Says so on standard error.
pub(super) fn usage() {
    eprintln!("{USAGE}\nscenarios:");
    for scenario in &scenario::ALL {
        eprintln!("  {:<14} {}", scenario.name, scenario.about);
    }
    let proxies = Kind::ALL.map(Kind::name).join(", ");
    eprintln!("proxies:\n  {proxies}");
}
