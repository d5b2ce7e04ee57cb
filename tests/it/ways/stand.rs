//! A gateway with one channel, its source, and the doors through which clients come.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::net::UnixStream;
use tokio::task::JoinHandle;

use super::Case;
use super::Framing;
use crate::command_line::process::Folder;
use crate::support::content::Content;
use crate::support::eventually::Gate;
use crate::support::eventually::eventually_async;
use crate::support::gateway::Gateway;
use crate::support::gateway::logs;
use crate::support::origin::Feed;
use crate::support::origin::Origin;
use crate::support::origin::Recorded;
use crate::support::origin::Script;
use crate::support::player::Player;
use crate::support::player::presets;
use crate::support::tls::Authority;

/// Room for tests that ask more often than any viewer, and time for a machine that is busy.
pub(super) const ROOM: &str = "limits: {requests_per_second: 1000000, clients_per_ip: 1000}\n";

type Answers = Arc<dyn Fn(&Recorded) -> Script + Send + Sync>;

/// See the module.
pub(super) struct Stand {
    pub(super) case: Case,
    pub(super) origin: Origin,
    pub(super) gateway: Gateway,
    /// The channel's id, which no other test's log lines have.
    pub(super) id: String,
    answers: Arc<Mutex<Answers>>,
}

impl Stand {
    /// A gateway in this process.
    pub(super) async fn start(case: Case) -> Self {
        Self::start_with(case, "").await
    }

    /// As [`Stand::start`], with more settings.
    pub(super) async fn start_with(case: Case, more: &str) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(1);
        let id = format!("way-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let never: Answers = Arc::new(|_| panic!("a source that nobody told what to play"));
        let answers = Arc::new(Mutex::new(never));
        let current = Arc::clone(&answers);
        let origin = Origin::start(move |request| {
            let answer = Arc::clone(&current.lock().unwrap());
            answer(request)
        })
        .await;
        let entry = case.entry(&origin.url("/source"));
        let settings = case.settings();
        let yaml = format!("{ROOM}{settings}{more}channels: {{{id}: {entry}}}\n");
        let gateway = Gateway::start(&yaml).await;
        Self { case, origin, gateway, id, answers }
    }

    /// What the source answers from now on.
    pub(super) fn plays(&self, script: Script) {
        self.answers(move |_| script.clone());
    }

    /// As [`Stand::plays`], with an answer that depends on the request.
    pub(super) fn answers(&self, answers: impl Fn(&Recorded) -> Script + Send + Sync + 'static) {
        *self.answers.lock().unwrap() = Arc::new(answers);
    }

    /// The source plays its lead, waits for the gate, and then plays `size` bytes more to its end.
    pub(super) fn plays_gated(&self, framing: Framing, size: u64) -> Gate {
        let gate = Gate::new();
        self.plays(gated(self.case, framing, size, &gate));
        gate
    }

    /// The target of the channel.
    pub(super) fn target(&self) -> String {
        format!("/stream/{}", self.id)
    }

    /// Sends `request` on a fresh connection, and reads the head and the lead.
    pub(super) async fn begin(&self, request: &str) -> Player {
        let (player, head) = Player::ask(self.gateway.stream, request).await;
        assert_eq!(head.status, 200, "{:?}: {}", self.case, head.raw.escape_ascii());
        self.lead(player).await
    }

    /// As [`Stand::begin`], with an HTTP/1.1 request on a connection that stays.
    pub(super) async fn tune(&self) -> Player {
        self.begin(&presets::get_keep_alive("x", &self.target())).await
    }

    /// Reads the lead.
    pub(super) async fn lead(&self, mut player: Player) -> Player {
        let lead = player.read_exact_body(self.case.lead()).await;
        self.case.content().assert_matches(0, &lead);
        player
    }

    /// The sessions that run.
    pub(super) async fn sessions(&self) -> Vec<Value> {
        sessions(&self.gateway.admin_get("/api/v1/sessions").await)
    }

    /// Fails unless one session runs, in the way of this case.
    pub(super) async fn assert_way(&self) {
        let sessions = self.sessions().await;
        let ways: Vec<_> = sessions.iter().map(|session| session["way"].as_str()).collect();
        assert_eq!(ways, [Some(self.case.way())], "{:?}", self.case);
    }

    /// The ways of all sessions that began, in their order, as the log has them.
    pub(super) fn begun(&self) -> Vec<String> {
        let channel = format!("channel={} ", self.id);
        let log = logs();
        let lines = log.lines().filter(|line| line.contains("session begins"));
        let way = |line: &str| {
            let (_, rest) = line.split_once(" way=\"").expect("a way");
            rest.split('"').next().unwrap_or_default().to_owned()
        };
        lines.filter(|line| line.contains(&channel)).map(way).collect()
    }

    /// Waits until nothing is left of any client.
    pub(super) async fn nothing_left(&self) {
        self.origin.idle().await;
        for gauge in [
            format!("weir_sessions{{channel=\"{}\"}}", self.id),
            "weir_upstream_connections{provider=\"none\"}".to_owned(),
        ] {
            eventually_async(&format!("{gauge} is 0"), async || {
                (self.gateway.metric(&gauge).await == 0.0).then_some(())
            })
            .await;
        }
        assert_eq!(self.sessions().await, [] as [Value; 0]);
    }

    /// How often a session ended so.
    pub(super) async fn ended(&self, end: &str) -> f64 {
        let id = &self.id;
        self.gateway.metric(&format!("weir_sessions_total{{channel=\"{id}\",end=\"{end}\"}}")).await
    }

    /// Waits until the source's writes stand still, since every buffer on the way is full, and says
    /// how much it has written on its latest connection.
    pub(super) async fn stalled(&self) -> u64 {
        let (mut last, mut same) = (u64::MAX, 0);
        eventually_async("the source stands", async || {
            self.gateway.metrics().await;
            let now = self.origin.connections().last().map_or(0, |latest| latest.written);
            same = if now == last { same + 1 } else { 0 };
            last = now;
            (same == 10).then_some(now)
        })
        .await
    }
}

/// The lead, a gate, and `size` bytes more.
pub(super) fn gated(case: Case, framing: Framing, size: u64, gate: &Gate) -> Script {
    let lead = case.lead();
    let content = case.content();
    let first = content.slice(0, lead);
    let script = case.answer(case.head(framing, lead as u64 + size)).body(first).wait(gate);
    case.end(script.feed(Feed::of(content).from(lead as u64).bytes(size)))
}

/// The document of `/api/v1/sessions`.
pub(super) fn sessions(text: &str) -> Vec<Value> {
    let document: Value = serde_json::from_str(text).unwrap();
    document.as_array().expect("a list of sessions").clone()
}

/// Listeners besides plain TCP.
pub(super) struct Doors {
    folder: Folder,
    authority: Authority,
}

impl Doors {
    pub(super) fn new() -> Self {
        let (folder, authority) = (Folder::new(), Authority::new());
        let (certificate, key) = authority.pem_pair(&["localhost"]);
        folder.write("certificate.pem", &certificate);
        folder.write("key.pem", &key);
        Self { folder, authority }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Settings of a gateway that has them all.
    pub(super) fn settings(&self) -> String {
        let path = |name| self.path(name);
        format!(
            "listen: {{stream: [\"127.0.0.1:0\", \"unix:{}\"], stream_tls: \"127.0.0.1:0\", \
             admin: \"127.0.0.1:0\"}}\n\
             tls: {{certificate: \"{}\", private_key: \"{}\"}}\n",
            path("media"),
            path("certificate.pem"),
            path("key.pem")
        )
    }

    /// A player at the TLS door.
    pub(super) async fn tls(&self, gateway: &Gateway) -> Player {
        let address = gateway.stream_tls.expect("a TLS listener");
        Player::try_connect_tls(address, self.authority.client(), "localhost").await.unwrap()
    }

    /// A way from TCP to the Unix socket's door, for players that know TCP alone.
    pub(super) async fn unix(&self) -> Bridge {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let path = self.path("media");
        let running = tokio::spawn(async move {
            loop {
                let (mut tcp, _) = listener.accept().await.unwrap();
                let mut unix = UnixStream::connect(&path).await.unwrap();
                tokio::spawn(async move {
                    // Whatever ends it ends both of its sides.
                    tokio::io::copy_bidirectional(&mut tcp, &mut unix).await.ok();
                });
            }
        });
        Bridge { address, running }
    }
}

/// See [`Doors::unix`].
pub(super) struct Bridge {
    pub(super) address: SocketAddr,
    running: JoinHandle<()>,
}

impl Drop for Bridge {
    fn drop(&mut self) {
        self.running.abort();
    }
}
