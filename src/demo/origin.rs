//! The demo's source: a small HTTP server over generated channels.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use tokio_util::sync::CancellationToken;

use crate::demo::film;
use crate::demo::frames_since_epoch;
use crate::demo::hls::Window;
use crate::demo::live::LiveBody;
use crate::listen::ConnectionInfo;
use crate::listen::Handler;
use crate::media::synth::Layout;
use crate::media::synth::Palette;
use crate::media::synth::Scene;
use crate::media::synth::Synth;
use crate::media::synth::Tone;
use crate::media::ts::packet::Pid;

type DemoBody = Either<Full<Bytes>, LiveBody>;

/// Answers the demo's sources.
#[derive(Clone)]
pub struct Origin(Arc<Parts>);

struct Parts {
    /// Cancelled when the primary is switched off; replaced when it is switched on again.
    primary: Mutex<CancellationToken>,
    /// Never cancelled: the other channels stay.
    always: CancellationToken,
    film: OnceLock<Bytes>,
    window: Arc<Window>,
}

impl Origin {
    /// A source whose HLS begins at picture `first_frame`.
    #[must_use]
    pub fn new(first_frame: u64) -> Self {
        Self(Arc::new(Parts {
            primary: Mutex::new(CancellationToken::new()),
            always: CancellationToken::new(),
            film: OnceLock::new(),
            window: Arc::new(Window::new(first_frame)),
        }))
    }

    /// The HLS window, for the task that fills it.
    pub(super) fn window(&self) -> Arc<Window> {
        Arc::clone(&self.0.window)
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<DemoBody> {
        let path = request.uri().path();
        if request.method() == Method::POST {
            return self.switch(path);
        }
        match path {
            "/primary.ts" => self.primary(),
            "/backup.ts" => {
                live(&scene("Backup", Palette::Amber, Tone::Low), backup_layout(), &self.0.always)
            }
            "/clock.ts" => {
                live(&scene("Demo 2", Palette::Blue, Tone::High), Layout::default(), &self.0.always)
            }
            "/film.ts" => {
                let film = self.0.film.get_or_init(film::make);
                film::answer(film, request.headers()).map(|body| Either::Left(Full::new(body)))
            }
            "/hls/playlist.m3u8" => {
                bytes("application/vnd.apple.mpegurl", self.0.window.playlist().into())
            }
            _ => match path.strip_prefix("/hls/").and_then(|name| self.0.window.segment(name)) {
                Some(segment) => bytes("video/mp2t", segment),
                None => status(StatusCode::NOT_FOUND, "not found\n"),
            },
        }
    }

    fn primary(&self) -> Response<DemoBody> {
        let on = self.0.primary.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if on.is_cancelled() {
            return status(StatusCode::SERVICE_UNAVAILABLE, "the primary is switched off\n");
        }
        live(&scene("Primary", Palette::Blue, Tone::High), Layout::default(), &on)
    }

    fn switch(&self, path: &str) -> Response<DemoBody> {
        let mut primary = self.0.primary.lock().unwrap_or_else(PoisonError::into_inner);
        match path {
            "/primary/off" => {
                primary.cancel();
                status(StatusCode::OK, "the primary is off\n")
            }
            "/primary/on" => {
                if primary.is_cancelled() {
                    *primary = CancellationToken::new();
                }
                status(StatusCode::OK, "the primary is on\n")
            }
            _ => status(StatusCode::NOT_FOUND, "not found\n"),
        }
    }
}

impl Handler for Origin {
    type Body = DemoBody;

    async fn handle(
        &self,
        request: Request<Incoming>,
        _info: Arc<ConnectionInfo>,
    ) -> Response<DemoBody> {
        self.answer(&request)
    }
}

/// A channel that runs from now on until `off`.
fn live(scene: &Scene, layout: Layout, off: &CancellationToken) -> Response<DemoBody> {
    let synth = Synth::new(scene, layout, frames_since_epoch());
    let mut response = Response::new(Either::Right(LiveBody::new(synth, off.clone())));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("video/mp2t"));
    response
}

fn scene(title: &str, palette: Palette, tone: Tone) -> Scene {
    Scene { title: title.to_owned(), text: String::new(), palette, tone }
}

/// Other PIDs than the primary's, as another provider's stream has.
fn backup_layout() -> Layout {
    Layout {
        transport_stream_id: 2,
        program_number: 2,
        pmt_pid: Pid::masked(0x1020),
        video_pid: Pid::masked(0x200),
        audio_pid: Pid::masked(0x201),
    }
}

fn bytes(media_type: &'static str, body: Bytes) -> Response<DemoBody> {
    let mut response = Response::new(Either::Left(Full::new(body)));
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn status(status: StatusCode, text: &'static str) -> Response<DemoBody> {
    let mut response = bytes("text/plain; charset=utf-8", Bytes::from_static(text.as_bytes()));
    *response.status_mut() = status;
    response
}
