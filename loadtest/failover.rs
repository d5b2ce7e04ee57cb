//! Failover: weir's clients lose their source again and again. How long is the gap, and does what
//! they get stay one stream that a decoder is content with? Beside it, what HAProxy's and nginx's
//! clients see.

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::machine;
use crate::proxies::Kind as Proxy;

use self::clients::Clients;
use self::decode::Decoded;
use self::decode::Files;
use self::figures::Quantiles;
use self::gateway::Gateway;
use self::report::Report;
use self::round::Round;
use self::round::Stage;
use self::source::Cut;
use self::source::Source;
use self::source::media::Marks;
use self::source::media::Media;

pub(crate) use self::source::Start;

pub(crate) mod clients;
mod counted;
mod decode;
pub(crate) mod figures;
mod gateway;
mod peers;
mod report;
mod round;
mod rows;
pub(crate) mod source;

/// Bytes of a segment, as on an Ethernet. Loopback's own are larger than the window of a connection
/// that has carried little: TCP would hold a join's burst back until its probe timer, for 200 ms.
const SEGMENT: u32 = 1460;

/// What befalls a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Reset,
    Fin,
    Silence,
    /// Nothing; somebody wants the other one.
    Manual,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Reset, Self::Fin, Self::Silence, Self::Manual];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Fin => "fin",
            Self::Silence => "silence",
            Self::Manual => "manual",
        }
    }

    fn cut(self) -> Option<Cut> {
        match self {
            Self::Reset => Some(Cut::Reset),
            Self::Fin => Some(Cut::Fin),
            Self::Silence => Some(Cut::Silence),
            Self::Manual => None,
        }
    }
}

/// Whether the clients lose their sources one after the other or all in the same moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spread {
    Apart,
    AtOnce,
}

impl Spread {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Apart => "one every 20 ms",
            Self::AtOnce => "all at once",
        }
    }
}

/// What to measure.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) clients: usize,
    pub(crate) rounds: usize,
    pub(crate) kinds: Vec<Kind>,
    /// HAProxy and nginx, or none of them.
    pub(crate) peers: Vec<Proxy>,
    pub(crate) start: Start,
    /// Recordings to decode of each round.
    pub(crate) decode: usize,
    pub(crate) weir: PathBuf,
    pub(crate) out: PathBuf,
}

/// Everything that was measured.
struct Measured {
    bits: usize,
    /// The longest pauses of clients that nothing happened to.
    calm: Quantiles,
    rounds: Vec<Round>,
    decoded: Result<Vec<Decoded>, String>,
    peers: Vec<peers::Row>,
    failures: Vec<String>,
}

/// Measures, prints and writes everything down; whether the streams stayed whole.
pub(crate) fn run(wish: &Wish) -> Result<bool, String> {
    let facts = machine::facts(&wish.weir);
    let folder = machine::folder();
    let measured = measure(wish, &folder);
    std::fs::remove_dir_all(&folder).ok();
    let measured = measured?;
    let report = Report { facts: &facts, wish, measured: &measured };
    print!("{}", report.text());
    let doubts = report.doubts();
    let file = wish.out.join("failover.json");
    std::fs::create_dir_all(&wish.out)
        .and_then(|()| std::fs::write(&file, format!("{:#}\n", report.json(&doubts))))
        .map_err(|error| format!("{}: {error}", file.display()))?;
    for doubt in &doubts {
        eprintln!("*** {doubt}");
    }
    Ok(doubts.is_empty())
}

fn measure(wish: &Wish, folder: &Path) -> Result<Measured, String> {
    let failed = |error: std::io::Error| error.to_string();
    let media = [Media::new(0), Media::new(1)];
    let mut marks = Marks::new();
    for (source, media) in media.iter().enumerate() {
        media.mark(source, &mut marks);
    }
    let marks = Arc::new(marks);
    let bits = media.iter().map(Media::bits).max().unwrap_or(0);
    let [primary, backup] = media;
    let sources = [
        Source::start(primary, wish.start).map_err(failed)?,
        Source::start(backup, wish.start).map_err(failed)?,
    ];
    let mut measured = weir(wish, folder, &sources, &marks)?;
    measured.bits = bits;
    for peer in &wish.peers {
        let rows = peer.program(&wish.weir).and_then(|program| {
            peers::measure(*peer, &program, &folder.join("peer"), wish, &sources, &marks)
        });
        match rows {
            Ok(rows) => measured.peers.extend(rows),
            Err(error) => eprintln!("\n*** {error}; {} is left out ***\n", peer.name()),
        }
    }
    Ok(measured)
}

/// All rounds with weir, and what the decoder says of them.
fn weir(
    wish: &Wish,
    folder: &Path,
    sources: &[Source; 2],
    marks: &Arc<Marks>,
) -> Result<Measured, String> {
    let [primary, backup] = sources;
    let addresses = [primary.address, backup.address];
    let mut files = Files::new(folder.join("recordings"));
    let mut rounds = Vec::new();
    let calm;
    {
        let gateway = Gateway::start(&wish.weir, folder, addresses, wish.clients)?;
        let clients = Clients::start(gateway.address, "/stream/c", wish.clients, Arc::clone(marks))
            .map_err(|error| error.to_string())?;
        let stage =
            &mut Stage { wish, gateway: &gateway, sources, clients: &clients, files: &mut files };
        stage.settle();
        clients.take();
        std::thread::sleep(Duration::from_secs(2));
        calm = figures::quantiles(round::calm(&clients.take()));
        let sample = (0..wish.decode.min(wish.clients)).map(|client| (client, None)).collect();
        stage.files.keep(None, clients.save(sample));
        for number in 0..wish.rounds {
            for spread in [Spread::Apart, Spread::AtOnce] {
                for kind in &wish.kinds {
                    stage.settle();
                    let round = stage.round(number, *kind, spread)?;
                    eprintln!("round {}/{}  {}", number + 1, wish.rounds, report::glance(&round));
                    rounds.push(round);
                }
            }
        }
    }
    eprintln!("decoding what was recorded");
    let decoded = files.decode();
    if let Err(error) = &decoded {
        eprintln!("\n*** {error}: nothing is decoded; apt-get install ffmpeg ***\n");
    }
    let failures = std::mem::take(&mut files.failures);
    Ok(Measured { bits: 0, calm, rounds, decoded, peers: Vec::new(), failures })
}
