//! Stories over real sockets: what is kept, what is not, and what a source may do meanwhile.

use std::time::Duration;

use bytes::Bytes;
use http::Method;

use self::origin::{Origin, Reply, closing, reply, sized};
use super::*;
use crate::flow::{Control, Passage, Way};
use crate::upstream::{Ask, Error, Fetcher, Keep};

mod origin;

const LIMITS: PoolLimits = PoolLimits { idle: 20, open: 100, idle_time: Duration::from_secs(30) };

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

async fn body(fetcher: &Fetcher, ask: &Ask) -> Result<Vec<u8>, Error> {
    let mut answer = fetcher.fetch(ask).await?;
    let mut whole = Vec::new();
    while let Some(bytes) = answer.body.next().await.transpose()? {
        whole.extend_from_slice(&bytes);
    }
    Ok(whole)
}

fn counts(pool: &Pool) -> (usize, usize) {
    pool.with(|shelf| (shelf.idle(), shelf.open()))
}

/// Asks twice; answers the connections that were used.
async fn asked_twice(method: Method, answer: Reply) -> Vec<usize> {
    let expected = !answer.closes;
    let origin = Origin::start(move |_, _| answer.clone()).await;
    let (fetcher, pool) = origin.fetcher(LIMITS);
    let ask = Ask { method, ..origin.ask() };
    for _ in 0..2 {
        body(&fetcher, &ask).await.unwrap();
    }
    let (idle, open) = counts(&pool);
    assert_eq!(idle, open, "nothing is in use");
    if idle == 0 && expected {
        origin.until_closed(2).await;
    }
    origin.connections()
}

#[tokio::test]
async fn two_requests_go_out_on_one_connection() {
    let origin = Origin::start(|_, request| sized(&format!("answer {request}"))).await;
    let (fetcher, pool) = origin.fetcher(LIMITS);
    assert_eq!(body(&fetcher, &origin.ask()).await.unwrap(), b"answer 0");
    assert_eq!(counts(&pool), (1, 1));
    assert_eq!(body(&fetcher, &origin.ask()).await.unwrap(), b"answer 1");
    assert_eq!(origin.connections(), [0, 0]);
    let heads = origin.seen.requests.lock().unwrap();
    assert!(heads.iter().all(|(_, head)| !head.to_lowercase().contains("\r\nconnection:")));
    assert_eq!((pool.0.idle.get(), pool.0.reused.get()), (1, 1));
}

#[tokio::test]
async fn answers_whose_end_is_certain_keep_their_connection() {
    let chunked =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n";
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
    let interim = "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx";
    for (method, answer) in [
        (Method::GET, reply(chunked)),
        (Method::HEAD, reply(head)),
        (Method::GET, reply("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n")),
        (Method::GET, reply("HTTP/1.1 204 No Content\r\n\r\n")),
        (Method::GET, reply("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno")),
        (Method::GET, reply(interim)),
        (Method::GET, sized(&"x".repeat(300_000))),
    ] {
        let text = String::from_utf8_lossy(&answer.bytes[..25]).into_owned();
        assert_eq!(asked_twice(method, answer).await, [0, 0], "{text}");
    }
}

#[tokio::test]
async fn answers_that_do_not_allow_it_close_their_connection() {
    for answer in [
        reply("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx"),
        reply("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx"),
        reply("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx"),
        closing("HTTP/1.1 200 OK\r\n\r\nuntil the end"),
        // Bytes that belong to no answer.
        reply("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\n\r\n"),
        reply("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n?"),
        // Two framings: nobody knows which one the source meant.
        reply(
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        reply("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"),
    ] {
        let text = String::from_utf8_lossy(&answer.bytes).into_owned();
        assert_eq!(asked_twice(Method::GET, answer).await, [0, 1], "{text}");
    }
}

#[tokio::test]
async fn a_body_that_nobody_reads_to_its_end_closes_its_connection() {
    let origin = Origin::start(|_, _| sized(&"x".repeat(8 << 20))).await;
    let (fetcher, pool) = origin.fetcher(LIMITS);
    let mut answer = fetcher.fetch(&origin.ask()).await.unwrap();
    assert!(answer.body.next().await.unwrap().is_ok());
    assert_eq!(counts(&pool), (0, 1));
    drop(answer);
    origin.until_closed(1).await;
    let answer = fetcher.fetch(&origin.ask()).await.unwrap();
    drop(answer.body.into_raw());
    origin.until_closed(2).await;
    assert_eq!(counts(&pool), (0, 0));
}

/// A connection at rest, and the source's end of it.
async fn resting(pool: &Pool, key: &Key) -> tokio::net::TcpStream {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let ours = std::net::TcpStream::connect(address).unwrap();
    ours.set_nonblocking(true).unwrap();
    let (theirs, _) = listener.accept().await.unwrap();
    let (kept, loan) = pool.claim(key, Use::Long, true).await;
    assert!(kept.is_none());
    loan.give_back(Resting::Tcp(ours));
    theirs
}

#[tokio::test]
async fn an_idle_connection_that_can_be_read_is_not_used_again() {
    let origin = Origin::start(|_, _| Reply { closes: true, ..sized("whole") }).await;
    let (fetcher, pool) = origin.fetcher(LIMITS);
    let key = key_of(&origin);
    let quiet = resting(&pool, &key).await;
    assert!(pool.claim(&key, Use::Long, false).await.0.is_some());
    drop(quiet);
    let closed = resting(&pool, &key).await;
    drop(closed);
    assert_eq!(counts(&pool), (1, 1));
    assert!(pool.claim(&key, Use::Long, false).await.0.is_none(), "it is closed");
    let talking = resting(&pool, &key).await;
    talking.try_write(b"HTTP/1.1 408 Request Timeout\r\n\r\n").unwrap();
    assert!(pool.claim(&key, Use::Long, false).await.0.is_none(), "it has said something");
    assert_eq!(counts(&pool), (0, 0));
    // And so a source may close whenever it likes.
    for _ in 0..3 {
        assert_eq!(body(&fetcher, &origin.ask()).await.unwrap(), b"whole");
    }
    assert_eq!(origin.connections(), [0, 1, 2]);
}

fn key_of(origin: &Origin) -> Key {
    let ask = origin.ask();
    Key::new(&ask.url, Trust::Configured, &ask.egress)
}

#[tokio::test]
async fn a_request_that_finds_its_kept_connection_closed_is_sent_once_more() {
    // The second request of each connection is read, and answered with an end.
    let script = |_, request| if request == 0 { sized("whole") } else { closing("") };
    let origin = Origin::start(script).await;
    let (fetcher, _) = origin.fetcher(LIMITS);
    for _ in 0..2 {
        assert_eq!(body(&fetcher, &origin.ask()).await.unwrap(), b"whole");
    }
    assert_eq!(origin.connections(), [0, 0, 1]);
    // Whatever might change something is not sent twice.
    let post = Ask { method: Method::POST, ..origin.ask() };
    assert!(matches!(body(&fetcher, &post).await, Err(Error::Closed)));
    assert_eq!(origin.connections(), [0, 0, 1, 1]);
}

#[tokio::test]
async fn a_request_is_not_sent_again_after_a_byte_of_an_answer_nor_from_a_new_connection() {
    let script = |number, _| match number {
        0 => sized("whole"),
        _ => closing(""),
    };
    let cut = |_, request| if request == 0 { sized("whole") } else { closing("HTTP/1.1 2") };
    let origin = Origin::start(cut).await;
    let (fetcher, pool) = origin.fetcher(LIMITS);
    body(&fetcher, &origin.ask()).await.unwrap();
    assert!(matches!(body(&fetcher, &origin.ask()).await, Err(Error::Closed)));
    assert_eq!(origin.connections(), [0, 0]);
    assert_eq!(counts(&pool), (0, 0));
    let origin = Origin::start(script).await;
    let (fetcher, pool) = origin.fetcher(LIMITS);
    let first = fetcher.fetch(&origin.ask()).await.unwrap();
    assert!(matches!(body(&fetcher, &origin.ask()).await, Err(Error::Closed)));
    assert_eq!(origin.connections(), [0, 1]);
    drop(first);
    assert_eq!(counts(&pool), (1, 1), "its body was there, read or not");
}

#[tokio::test]
async fn a_kept_connection_that_is_answered_408_is_not_answered() {
    let late = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n";
    let script = move |_, request| if request == 0 { sized("whole") } else { closing(late) };
    let origin = Origin::start(script).await;
    let (fetcher, pool) = origin.fetcher(LIMITS);
    for _ in 0..2 {
        assert_eq!(body(&fetcher, &origin.ask()).await.unwrap(), b"whole");
    }
    assert_eq!(origin.connections(), [0, 0, 1]);
    let post = Ask { method: Method::POST, ..origin.ask() };
    assert_eq!(fetcher.fetch(&post).await.unwrap().head.status.as_u16(), 408);
    assert_eq!(counts(&pool), (0, 0));
    // From a new connection it is one.
    let origin = Origin::start(move |_, _| reply(late)).await;
    let (fetcher, _) = origin.fetcher(LIMITS);
    assert_eq!(fetcher.fetch(&origin.ask()).await.unwrap().head.status.as_u16(), 408);
    assert_eq!(origin.connections(), [0]);
}

#[tokio::test]
async fn tls_connections_are_kept() {
    let origin = Origin::start_tls(|_, request| sized(&format!("answer {request}"))).await;
    let (fetcher, _) = origin.fetcher(LIMITS);
    for request in 0..3 {
        let expected = format!("answer {request}");
        assert_eq!(body(&fetcher, &origin.ask()).await.unwrap(), expected.as_bytes());
    }
    assert_eq!(origin.connections(), [0, 0, 0]);
}

/// Moves a body beneath hyper and shows it.
async fn raw_body(fetcher: &Fetcher, ask: &Ask) -> Vec<u8> {
    let answer = fetcher.fetch(ask).await.unwrap();
    let raw = answer.body.into_raw().unwrap_or_else(|_| panic!("plain and not chunked"));
    let mut passage = Passage::new(raw, Way::Watched, Arc::new(Control::new(PATIENCE)));
    let mut whole = Vec::new();
    let show = |cx: &mut std::task::Context<'_>| {
        passage.poll_shown(cx, |bytes| whole.extend_from_slice(bytes))
    };
    let mut show = Box::new(show);
    while std::future::poll_fn(&mut *show).await.transpose().unwrap().is_some() {}
    drop(show);
    whole
}

#[tokio::test]
async fn a_body_beneath_hyper_gives_its_socket_back() {
    let large: Bytes = (0..=250).cycle().take(1_000_000).collect();
    let sent = large.clone();
    let script = move |_, request| match request {
        0 => {
            let mut bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n".to_vec();
            bytes.extend_from_slice(&sent);
            reply(bytes)
        }
        _ => sized("small"),
    };
    let origin = Origin::start(script).await;
    let (fetcher, pool) = origin.fetcher(LIMITS);
    assert_eq!(raw_body(&fetcher, &origin.ask()).await, large);
    assert_eq!(counts(&pool), (1, 1));
    assert_eq!(body(&fetcher, &origin.ask()).await.unwrap(), b"small");
    assert_eq!(raw_body(&fetcher, &origin.ask()).await, b"small");
    assert_eq!(origin.connections(), [0, 0, 0]);
}

#[tokio::test]
async fn a_body_beneath_hyper_whose_connection_is_no_longer_good_closes_its_socket() {
    let length = 100_000;
    let body = "x".repeat(length);
    for answer in [
        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body} and more"),
        format!("HTTP/1.0 200 OK\r\nContent-Length: {length}\r\n\r\n{body}"),
        format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"),
    ] {
        let origin = Origin::start(move |_, _| reply(answer.clone())).await;
        let (fetcher, pool) = origin.fetcher(LIMITS);
        assert_eq!(raw_body(&fetcher, &origin.ask()).await, body.as_bytes());
        origin.until_closed(1).await;
        assert_eq!(counts(&pool), (0, 0));
    }
}

#[tokio::test]
async fn idle_connections_are_closed_when_their_time_is_over_and_when_the_program_ends() {
    let origin = Origin::start(|_, _| sized("whole")).await;
    let brief = PoolLimits { idle_time: Duration::from_millis(30), ..LIMITS };
    let (fetcher, pool) = origin.fetcher(brief);
    let tasks = Tasks::new();
    pool.tend(&tasks);
    for round in 1..3 {
        body(&fetcher, &origin.ask()).await.unwrap();
        origin.until_closed(round).await;
    }
    assert_eq!(counts(&pool), (0, 0));
    let (fetcher, pool) = origin.fetcher(LIMITS);
    pool.tend(&tasks);
    body(&fetcher, &origin.ask()).await.unwrap();
    assert_eq!(counts(&pool), (1, 1));
    assert_eq!(tasks.finish(PATIENCE).await, 0);
    origin.until_closed(3).await;
    body(&fetcher, &origin.ask()).await.unwrap();
    assert_eq!(counts(&pool), (0, 0), "nothing is kept from then on");
}

#[tokio::test]
async fn beyond_the_bound_a_fetch_waits_for_a_place_and_then_fails() {
    let origin = Origin::start(|_, _| sized(&"x".repeat(8 << 20))).await;
    let (fetcher, pool) = origin.fetcher(PoolLimits { open: 2, ..LIMITS });
    let first = fetcher.fetch(&origin.ask()).await.unwrap();
    let second = fetcher.fetch(&origin.ask()).await.unwrap();
    let hasty = Ask { connect_timeout: Duration::from_millis(50), ..origin.ask() };
    let refused = fetcher.fetch(&hasty).await.err().unwrap();
    assert_eq!(refused.outcome(), "no_place");
    assert!(matches!(refused, Error::NoPlace(_)));
    assert!(!pool.with(|shelf| shelf.has_queue()), "who gave up does not wait");
    let patient = origin.ask();
    let (third, fourth, ()) =
        tokio::join!(fetcher.fetch(&patient), fetcher.fetch(&patient), async {
            tokio::task::yield_now().await;
            assert!(pool.with(|shelf| shelf.has_queue()));
            drop(first);
            drop(second);
        });
    assert!(third.is_ok() && fourth.is_ok());
    assert_eq!(counts(&pool), (0, 2));
}

#[tokio::test]
async fn a_playlist_has_a_place_where_segments_have_taken_theirs_and_goes_before_them() {
    let origin = Origin::start(|_, _| sized(&"x".repeat(8 << 20))).await;
    let (fetcher, pool) = origin.fetcher(PoolLimits { open: 10, ..LIMITS });
    let (segment, playlist) = (origin.ask(), Ask { keep: Keep::Ahead, ..origin.ask() });
    let mut slow = Vec::new();
    for _ in 0..9 {
        slow.push(fetcher.fetch(&segment).await.unwrap());
    }
    let hasty = Ask { connect_timeout: Duration::from_millis(50), ..segment.clone() };
    assert!(matches!(fetcher.fetch(&hasty).await, Err(Error::NoPlace(_))));
    slow.push(fetcher.fetch(&playlist).await.unwrap());
    assert_eq!(counts(&pool), (0, 10));
    let order = Mutex::new(Vec::new());
    let waits = async |ask: &Ask, name| {
        let answer = fetcher.fetch(ask).await.unwrap();
        order.lock().unwrap().push(name);
        drop(answer);
    };
    let frees = async {
        while pool.with(|shelf| shelf.queued()) < 2 {
            tokio::task::yield_now().await;
        }
        drop(slow.remove(0));
    };
    tokio::join!(waits(&segment, "segment"), waits(&playlist, "playlist"), frees);
    assert_eq!(*order.lock().unwrap(), ["playlist", "segment"]);
    drop(slow);
    assert_eq!(counts(&pool), (0, 0));
}

#[tokio::test]
async fn at_the_bound_the_oldest_idle_connection_makes_room() {
    let one = Origin::start(|_, _| sized("one")).await;
    let two = Origin::start(|_, _| sized("two")).await;
    let (fetcher, pool) = one.fetcher(PoolLimits { open: 1, ..LIMITS });
    body(&fetcher, &one.ask()).await.unwrap();
    assert_eq!(body(&fetcher, &two.ask()).await.unwrap(), b"two");
    one.until_closed(1).await;
    assert_eq!(counts(&pool), (1, 1));
}

#[tokio::test]
async fn a_connection_serves_only_who_would_have_vetted_it_alike() {
    let origin = Origin::start(|_, _| sized("whole")).await;
    let (fetcher, pool) = origin.fetcher(LIMITS);
    let home = Egress { private: vec!["127.0.0.0/8".parse().unwrap()], ..Egress::default() };
    let other = Ask { egress: Arc::new(home), ..origin.ask() };
    let foreign = Ask { home: Url::parse("http://elsewhere/").unwrap(), ..other.clone() };
    for ask in [&origin.ask(), &other, &foreign, &origin.ask(), &other, &foreign] {
        body(&fetcher, ask).await.unwrap();
    }
    assert_eq!(origin.connections(), [0, 1, 2, 0, 1, 2]);
    assert_eq!(counts(&pool), (3, 3));
    // A source that counts its connections is asked on a new one when no other is open.
    let counted = Ask { counted: true, keep: Keep::Fresh, ..origin.ask() };
    let answer = fetcher.fetch(&counted).await.unwrap();
    origin.until_closed(3).await;
    drop(answer);
    assert_eq!(counts(&pool), (0, 0));
    let heads = origin.seen.requests.lock().unwrap();
    assert!(heads.last().unwrap().1.contains("Connection: close"));
}

#[tokio::test]
async fn a_redirect_is_followed_on_the_connection_that_it_came_on() {
    let script = |_, request| match request {
        0 => reply("HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 5\r\n\r\nthere"),
        _ => sized("here"),
    };
    let origin = Origin::start(script).await;
    let (fetcher, _) = origin.fetcher(LIMITS);
    assert_eq!(body(&fetcher, &origin.ask()).await.unwrap(), b"here");
    assert_eq!(origin.connections(), [0, 0]);
}

/// A runtime of another thread, as lanes are.
fn lane() -> (tokio::runtime::Handle, impl Drop) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    (runtime.handle().clone(), OtherLane(Some(runtime)))
}

struct OtherLane(Option<tokio::runtime::Runtime>);

impl Drop for OtherLane {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

#[tokio::test]
async fn a_connection_is_used_again_on_another_lane() {
    let plain = Origin::start(|_, _| sized("whole")).await;
    let secure = Origin::start_tls(|_, _| sized("whole")).await;
    for origin in [plain, secure] {
        let (fetcher, _) = origin.fetcher(LIMITS);
        let (first, _held) = lane();
        for lane in [Some(first), None] {
            let (fetcher, ask) = (fetcher.clone(), origin.ask());
            let asked = async move { body(&fetcher, &ask).await };
            let runtime = lane.unwrap_or_else(tokio::runtime::Handle::current);
            let (tell, told) = tokio::sync::oneshot::channel();
            Tasks::new().spawn_on(&runtime, Span::none(), async move {
                tell.send(asked.await).unwrap();
            });
            assert_eq!(told.await.unwrap().unwrap(), b"whole");
        }
        assert_eq!(origin.connections(), [0, 0]);
    }
}
