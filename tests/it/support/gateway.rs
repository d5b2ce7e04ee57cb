//! The gateway under test: the real program, wired from a YAML text, in this process, on ports that
//! the kernel picks.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use weir::app::{App, Surroundings};
use weir::config::{self, Environment};
use weir::lifecycle::signals::Request;
use weir::lifecycle::systemd::Notifier;
use weir::listen::Activation;
use weir::logging::LevelHandle;

use crate::support::eventually::eventually_async;
use crate::support::player::Player;

/// A running gateway. Dropping it cuts everything; [`Gateway::stop`] drains.
pub(crate) struct Gateway {
    pub(crate) stream: SocketAddr,
    pub(crate) admin: SocketAddr,
    /// The first address of `listen.stream_tls`, where the test configures one.
    pub(crate) stream_tls: Option<SocketAddr>,
    requests: mpsc::Sender<Request>,
    running: Option<JoinHandle<()>>,
    /// What the next reload reads.
    text: Arc<Mutex<String>>,
}

impl Gateway {
    /// Starts with this configuration; `listen` and `failover: {rounds: 0}` are added unless the text has
    /// its own. Panics with every mistake when it is refused.
    pub(crate) async fn start(yaml: &str) -> Self {
        Self::start_with(yaml, &[]).await
    }

    /// As [`Gateway::start`], with environment variables.
    pub(crate) async fn start_with(yaml: &str, environment: &[(&str, &str)]) -> Self {
        Self::run(yaml, environment, false)
    }

    /// As [`Gateway::start`], with a `state_dir` in the text that it may write to.
    pub(crate) async fn start_keeping(yaml: &str) -> Self {
        Self::run(yaml, &[], true)
    }

    fn run(yaml: &str, environment: &[(&str, &str)], keeps_state: bool) -> Self {
        logs();
        let environment = Environment::new(environment.iter().copied());
        let text = Arc::new(Mutex::new(with_defaults(yaml)));
        let (read, again) = (Arc::clone(&text), environment.clone());
        let reload = move || config::parse(&read.lock().unwrap(), "config.yaml", &again);
        let loaded = reload().unwrap_or_else(|error| panic!("{error}"));
        let around = Surroundings {
            activation: Activation::none(),
            notifier: Notifier::open(None),
            watchdog: None,
            reload: Box::new(reload),
            level: LevelHandle::fixed(),
            keeps_state,
            helper: env!("CARGO_BIN_EXE_weir").into(),
            environment: Environment::new([("PATH", std::env::var("PATH").unwrap_or_default())]),
        };
        let app = App::build(loaded.config, around).unwrap_or_else(|error| panic!("{error}"));
        let (stream, admin) = (app.stream_addresses(), app.admin_addresses());
        let stream_tls = app.stream_tls_addresses().first().copied();
        let (requests, received) = mpsc::channel(4);
        let running = Some(tokio::spawn(app.run(received)));
        Self { stream: stream[0], admin: admin[0], stream_tls, requests, running, text }
    }

    /// Reloads with another configuration and waits until the reload has been judged.
    pub(crate) async fn reload(&self, yaml: &str) {
        let before = self.reloads().await;
        *self.text.lock().unwrap() = with_defaults(yaml);
        self.requests.send(Request::Reload).await.unwrap();
        let judged = async || (self.reloads().await > before).then_some(());
        eventually_async("the reload is judged", judged).await;
    }

    /// Asks for a drain, as SIGTERM does; `wait` tells when it is over.
    pub(crate) async fn terminate(&self) {
        self.requests.send(Request::Stop).await.unwrap();
    }

    /// Waits until the program has ended.
    pub(crate) async fn wait(&mut self) {
        if let Some(running) = self.running.take() {
            tokio::time::timeout(Duration::from_secs(60), running)
                .await
                .expect("the gateway ends within a minute")
                .expect("the gateway does not panic");
        }
    }

    /// Drains and waits for the end.
    pub(crate) async fn stop(mut self) {
        self.terminate().await;
        self.wait().await;
    }

    /// The text of `/metrics`.
    pub(crate) async fn metrics(&self) -> String {
        self.admin_get("/metrics").await
    }

    /// One metric's figure, labels included: `weir_sessions{channel="one"}`; 0 when it is absent.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let text = self.metrics().await;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0.0, |figure| figure.parse().unwrap())
    }

    /// The body of a GET on the admin listener; panics unless it is 200.
    pub(crate) async fn admin_get(&self, path: &str) -> String {
        let (head, body) = self.admin_request("GET", path).await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{path}: {head}");
        body
    }

    /// Any request to the admin listener: the head and the body as text.
    pub(crate) async fn admin_request(&self, method: &str, path: &str) -> (String, String) {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream = tokio::net::TcpStream::connect(self.admin).await.unwrap();
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    }

    /// A POST to the admin listener with a body: the status and the document that came back.
    pub(crate) async fn admin_post(&self, path: &str, body: &str) -> (u16, serde_json::Value) {
        let length = body.len();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n{body}"
        );
        let answer = Player::fetch(self.admin, &request).await;
        (answer.status(), serde_json::from_str(answer.text()).unwrap())
    }

    /// A family of counters or gauges of one channel: `broken 1, silent 2`, the other labels'
    /// values before each figure that is not 0, in their order.
    pub(crate) async fn figures(&self, name: &str, channel: &str) -> String {
        let prefix = format!("{name}{{channel=\"{channel}\",");
        let text = self.metrics().await;
        let lines = text.lines().filter_map(|line| line.strip_prefix(&prefix)?.split_once("} "));
        let mut figures: Vec<String> = lines
            .filter(|(_, figure)| *figure != "0")
            .map(|(labels, figure)| {
                let values = labels.split('"').skip(1).step_by(2);
                values.chain([figure]).collect::<Vec<_>>().join(" ")
            })
            .collect();
        figures.sort_unstable();
        figures.join(", ")
    }

    async fn reloads(&self) -> f64 {
        let applied = self.metric("weir_reloads_total{outcome=\"applied\"}").await;
        applied + self.metric("weir_reloads_total{outcome=\"refused\"}").await
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.abort();
        }
    }
}

/// Everything that all gateways of this test binary have logged, at the finest level: whoever looks
/// for a secret looks here. Bounded to the last 64 MiB.
pub(crate) fn logs() -> String {
    String::from_utf8_lossy(&log_buffer().0.lock().unwrap()).into_owned()
}

const LOG_BYTES_MAX: usize = 64 * 1024 * 1024;

#[derive(Clone)]
struct LogBuffer(Arc<Mutex<Vec<u8>>>);

impl Write for LogBuffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut buffer = self.0.lock().unwrap();
        if buffer.len() + bytes.len() > LOG_BYTES_MAX {
            let half = buffer.len() / 2;
            buffer.drain(..half);
        }
        buffer.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn log_buffer() -> &'static LogBuffer {
    static BUFFER: OnceLock<LogBuffer> = OnceLock::new();
    BUFFER.get_or_init(|| {
        let buffer = LogBuffer(Arc::default());
        let writer = buffer.clone();
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .init();
        buffer
    })
}

/// Adds what most tests want and their text does not say: free ports, and that the end of a source,
/// most of which are finite here, is the end of its stream.
fn with_defaults(yaml: &str) -> String {
    let mut text = String::new();
    for (key, line) in [
        ("listen:", "listen: {stream: \"127.0.0.1:0\", admin: \"127.0.0.1:0\"}\n"),
        ("failover:", "failover: {rounds: 0}\n"),
    ] {
        if !yaml.contains(key) {
            text.push_str(line);
        }
    }
    text + yaml
}
