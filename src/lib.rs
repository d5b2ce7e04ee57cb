//! weir is a pass-through gateway for television streams. A client asks for a channel; weir opens a
//! fresh upstream connection for that client alone, makes sure that what comes is media, and passes
//! the bytes untouched. When a source cannot be played, the next one is asked before the client is
//! told anything; when it dies under way, the client's stream goes on from the next one.
//!
//! # Words
//! A **client** asks for a **channel**, a name with an ordered list of **sources**. An **upstream
//! connection** is one open connection to a source; sources of one **provider** or **receiver**
//! share its budget of them, a **slot** each. A **session** is one client being served. The
//! **active** is the connection that it plays from, a **standby** one that is to take over, and the
//! **join** is the place in the bytes where it does. A **viewer** is who is taken to be behind a
//! client. A **relay** is one upstream that many clients share, a **slate** what they are shown while
//! no source plays. A **playlist** is HLS's. Wire words follow the standards.
//!
//! # Life of a request
//! Each arrow is one call in one file:
//!
//! `listen::accept` -> `listen::connection` (hyper, over `listen::guard` over `flow::client_io`)
//! -> `server::handler` -> `server::route` -> `channel::Catalog::find` -> `delivery::serve`
//! -> `delivery::{live, vod, playlist}` -> `delivery::attempt` -> `upstream::fetch` (hyper, over
//! `upstream::head_filter`) -> `delivery::pipe` -> client. On an error before the head:
//! `server::respond`.
//!
//! # Life of a failover
//! A live body is a `delivery::feed`. It tells `delivery::failover`, which is pure, what happened (the
//! active died, was silent, has no picture in it; somebody ordered a switch on the session's
//! `delivery::desk`) and does what that answers: ask for a slot (`channel::budget`), open a source
//! (`delivery::attempt`, in `feed::standby`), listen until its bytes can be joined
//! (`media::ts::join::Audition`), join (`media::ts::join::Joiner`). All of it happens in the client's
//! own task, when hyper asks for bytes or something wakes it. The body of a file is a
//! `delivery::reading`, which fetches the rest of the same file instead (`delivery::resume`).
//!
//! What the machine is told comes of `delivery::silence` (nothing came although the client was ready)
//! and `delivery::vital` (what came is no television), and which source is next depends on
//! `channel::health`, how each has fared with all sessions. Where the slot that a first opening needs
//! is held for the same `delivery::viewer`, that session ends and hands it over.
//!
//! # Life of a playlist
//! A client of an HLS channel is a `delivery::hls::viewings::viewing::Viewing`, known by the number sealed in its
//! URLs. `delivery::hls` -> `hls::lists` (where is this playlist now, and where else could it be) ->
//! `hls::flights` (does anybody else ask for the same) -> `delivery::attempt` -> `upstream::fetch`, over a
//! connection of `upstream::pool` -> `media::m3u8::Splice` (numbers go on) -> `hls::links`
//! (`media::m3u8::rewrite`, each URI sealed by `delivery::seal`) -> client. A segment that several want
//! is an `hls::segments::segment::Segment`; any other one is served as a file is. A document for the player is
//! read whole (`hls::documents`), and what stands in it goes through `hls::document`.
//!
//! Where one stream is wanted instead, `delivery::attempt` makes an `hls::continuous` of the playlist, which
//! is a `delivery::line` to its feed as any connection is: `media::m3u8::Follow` says which segment is
//! next, `media::ts::join::Chain` makes one stream of them, `continuous::pace` says when it is due.
//!
//! # Life of an FFmpeg
//! A profile's arguments are checked when the configuration is read (`config::ffmpeg` asks
//! `ffmpeg::arguments`, an allow-list). `transcode::Transcoder` gives a channel a place among the processes
//! and a folder; `transcode::supervisor` has `transcode::spawner`, a thread of its own, start weir itself
//! as `exec-child`, which limits itself and becomes FFmpeg (`transcode::exec`). weir feeds its standard input
//! and reads its standard output, so FFmpeg opens no connection and knows no address.
//!
//! # Life of a shared stream
//! Where a channel's profile shares it, the first client begins a `delivery::shared` relay, whose task reads
//! a feed as any client's does (`shared::pump`), through FFmpeg where the profile asks for it
//! (`shared::converter` -> `transcode` -> `media::ts::join::Chain`), into a `relay::Writer`. Each client is
//! a `relay::Reader` with a place of its own in `relay::ring`: it arrives at an entry
//! (`media::ts::join::{entry, skip}`), follows by reference, and skips when it is too slow. HLS that FFmpeg
//! writes is served from its folder (`shared::files`).
//!
//! # Life of converted sound
//! Where a channel's profile has `audio`, a client's or a relay's feed is read through a
//! `delivery::remuxing::Converted`, which gives nothing before there is a stream that can be played: the same
//! for one client (`remuxing::direct`) and for all of a relay. It gathers what the feed has, and a
//! `remuxing::conversion` moves that with its `remux::Remux` to a thread of `remuxing::pool` and back.
//! `remuxing::account` says what comes of it.
//!
//! What weir makes itself (`delivery::made`: a pattern, a message, an image, a slate) is a `delivery::line`
//! to its feed as any connection is.
//!
//! # Life of a byte
//! A body over plain TCP that is not chunked leaves hyper's hands once it is known to be media
//! (`upstream::body::into_raw`). From then on, above hyper: `flow::passage` (asked by
//! `delivery::pipe`) -> `flow::intake`, which reads the source -> `flow::stage`. hyper is given a
//! placeholder of the same length and frames it. Beneath hyper: `flow::client_io` finds the
//! placeholder and sends what is on the stage. Other bodies (TLS, chunks) pass through hyper frame
//! by frame. A connection stays on the thread it was put on (`lifecycle::lanes`).
//!
//! # Layers
//! A module names only modules on its line; `tests/layers.rs` fails otherwise.
//!
//! layer ffmpeg    <-
//! layer media     <-
//! layer message   <-
//! layer config    <- ffmpeg
//! layer metrics   <-
//! layer lifecycle <-
//! layer flow      <- lifecycle
//! layer logging   <- config
//! layer listen    <- config flow lifecycle message metrics
//! layer channel   <- config lifecycle message metrics
//! layer transcode <- config ffmpeg metrics
//! layer upstream  <- config flow lifecycle message metrics
//! layer relay     <- config media
//! layer remux     <- media
//! layer delivery  <- channel config flow lifecycle media message metrics relay remux transcode upstream
//! layer server    <- channel config delivery lifecycle listen message metrics
//! layer api       <- channel config delivery lifecycle listen message metrics remux transcode
//! layer watchdog  <- lifecycle listen
//! layer doctor    <- channel config ffmpeg lifecycle media message metrics remux transcode upstream
//! layer demo      <- config flow lifecycle listen media message metrics app
//!
//! `app` wires all of them and only `demo`, which runs beside it, names it; `main` is arguments and
//! exit codes. `server` and `api` do not know each other.
//!
//! # Invariants
//! - Nothing is sent to a client before a source has answered with a success and, live, its first
//!   bytes are media.
//! - No process outlives the program, its place or its folder, and none is started by a shell.
//! - Media, message and ffmpeg know no clock, no socket and no configuration. Channel opens no socket.
//! - An upstream connection belongs to one client and is polled by that client's own task: dropping
//!   the client's connection drops it, wherever it is (resolving, connecting, silent, sending). One
//!   that is kept for another request (`upstream::pool`) belongs to nobody in between, with nothing
//!   unread.
//! - A byte of a placeholder never reaches a socket, and no byte is read from a source before the
//!   last ones have been taken by its client.
//! - While a client keeps up its stream owns no buffer and no pipe.
//! - Every upstream connection holds a slot of its budget for as long as it is in use, and a host
//!   that counts its connections has no idle one while another is opened.
//! - No request byte of a client reaches a source, but a service reference, its query, Range, the
//!   conditional fields and the directives of HLS. No byte of a source's error reaches a client.
//! - A slot that is free has no connection in use any more, and one that is handed to another session
//!   was never free.
//! - No byte of one source stands within a packet of another, and no file is gone on with another.
//! - No URL beyond host and port, no credential and no token is ever formatted: their types print
//!   nothing else.
//! - No client of a relay can make its source or another client wait.
//! - No sound is decoded or encoded by a task: that is for the threads of `delivery::remuxing`, of whose work each
//!   session has one piece under way at most. While it has, nothing of its source is read.
//! - No URL, no credential and no choice of a source is ever FFmpeg's, and no FFmpeg outlives weir.
//! - No queue, buffer, wait or table is without a bound.
//!
//! # Reading order
//! `server/route.rs`, `server/handler.rs`, `delivery.rs`, `delivery/live.rs`, `delivery/attempt.rs`,
//! `upstream/fetch.rs`, `delivery/pipe.rs`; `delivery/failover.rs`, `delivery/feed.rs`,
//! `media/ts/join.rs` for what happens when a source dies; `flow.rs`, `flow/passage.rs`, `flow/intake.rs`,
//! `flow/client_io.rs` for how bytes move; then `listen/guard.rs` and `message/request_head.rs` for
//! what never becomes a request; `app.rs` for how it starts and stops.

pub mod api;
pub mod app;
pub mod channel;
pub mod config;
pub mod delivery;
pub mod demo;
pub mod doctor;
pub mod ffmpeg;
pub mod flow;
pub mod lifecycle;
pub mod listen;
pub mod logging;
pub mod media;
pub mod message;
pub mod metrics;
pub mod relay;
pub mod remux;
pub mod server;
pub mod transcode;
pub mod upstream;
pub mod watchdog;
