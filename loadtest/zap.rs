//! Zapping: open a stream, look at it, close it; what does the source see of that, and when?

use std::net::SocketAddr;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::time::Instant;
use weir::app::{App, Surroundings};
use weir::config::{self, Environment};
use weir::lifecycle::signals::Request;
use weir::lifecycle::systemd::Notifier;
use weir::listen::Activation;
use weir::logging::LevelHandle;

use self::origin::Manner;

mod origin;

/// How a client leaves.
#[derive(Clone, Copy)]
enum Leave {
    Fin,
    Rst,
}

/// Runs `zaps` of each kind and prints one line for each.
pub(crate) fn run(zaps: usize) {
    let (origin_runtime, gateway_runtime) = (Runtime::new().unwrap(), Runtime::new().unwrap());
    let (asked, mut requests) = mpsc::channel(16);
    let (closed, mut closings) = mpsc::channel(16);
    let (listener, origin) = origin_runtime.block_on(origin::bind());
    origin_runtime.spawn(origin::serve(listener, asked, closed));
    let (gateway, _stop) = gateway(&gateway_runtime, origin);
    let here = Runtime::new().unwrap();
    println!("upstream closed after the client (ms)        p50      p99      max");
    for manner in Manner::ALL {
        for (leave, word) in [(Leave::Fin, "FIN"), (Leave::Rst, "RST")] {
            let mut delays = Vec::with_capacity(zaps);
            for _ in 0..zaps {
                delays.push(here.block_on(async {
                    let stream = open(gateway, manner).await;
                    requests.recv().await.unwrap();
                    let stream = look(stream, manner).await;
                    let left = close(stream, leave);
                    closings.recv().await.unwrap().duration_since(left)
                }));
            }
            line(&format!("source {}, client sends {word}", manner.word()), &mut delays);
        }
    }
    println!("first byte (ms)                              p50      p99      max");
    for (address, word) in [(origin, "direct"), (gateway, "through the gateway")] {
        let mut delays = Vec::with_capacity(zaps);
        for _ in 0..zaps {
            delays.push(here.block_on(async {
                let started = Instant::now();
                let mut stream = open(address, Manner::Sending).await;
                let mut bytes = [0; 1];
                // The first byte of the answer comes with the first byte of media: both are held
                // back until the source has shown some.
                stream.read_exact(&mut bytes).await.unwrap();
                let took = started.elapsed();
                requests.recv().await.unwrap();
                drop(stream);
                closings.recv().await.unwrap();
                took
            }));
        }
        line(word, &mut delays);
    }
}

/// A gateway with one channel for each manner of the origin.
fn gateway(runtime: &Runtime, origin: SocketAddr) -> (SocketAddr, mpsc::Sender<Request>) {
    let mut text = String::from(
        "listen: {stream: \"127.0.0.1:0\", admin: \"127.0.0.1:0\"}\n\
         limits: {requests_per_second: 10000}\nchannels:\n",
    );
    for manner in Manner::ALL {
        let word = manner.word();
        text.push_str(&format!(
            "  {word}: {{kind: live, sources: [\"http://{origin}/{word}\"]}}\n"
        ));
    }
    let environment = Environment::default();
    let read = move || config::parse(&text, "loadtest", &environment);
    let loaded = read().unwrap();
    let surroundings = Surroundings {
        activation: Activation::none(),
        notifier: Notifier::open(None),
        watchdog: None,
        reload: Box::new(read),
        level: LevelHandle::fixed(),
        keeps_state: false,
        helper: "/proc/self/exe".into(),
        environment: Environment::default(),
    };
    let app = runtime.block_on(async { App::build(loaded.config, surroundings) }).unwrap();
    let address = app.stream_addresses().first().copied().unwrap();
    let (stop, requests) = mpsc::channel(1);
    runtime.spawn(app.run(requests));
    (address, stop)
}

async fn open(address: SocketAddr, manner: Manner) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let word = manner.word();
    let request = format!("GET /stream/{word} HTTP/1.1\r\nHost: loadtest\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// Reads 64 KiB, where there is anything to read.
async fn look(mut stream: TcpStream, manner: Manner) -> TcpStream {
    if manner != Manner::Mute {
        let mut bytes = vec![0; 64 * 1024];
        stream.read_exact(&mut bytes).await.unwrap();
    }
    stream
}

/// Closes and tells when.
fn close(stream: TcpStream, leave: Leave) -> Instant {
    if matches!(leave, Leave::Rst) {
        SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    }
    let stream = stream.into_std().unwrap();
    let left = Instant::now();
    if matches!(leave, Leave::Fin) {
        // Bytes that were not read would turn the FIN into a reset.
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        return left;
    }
    drop(stream);
    left
}

fn line(what: &str, delays: &mut [Duration]) {
    delays.sort();
    let at = |share: usize| {
        let index = (delays.len() * share / 100).min(delays.len() - 1);
        delays.get(index).copied().unwrap_or_default().as_secs_f64() * 1000.0
    };
    println!("{what:<40} {:>8.2} {:>8.2} {:>8.2}", at(50), at(99), at(100));
}
