//! Holding a source's answer against what is wanted.

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_RANGE;
use http::{HeaderMap, Method, StatusCode};
use tokio::time::{Instant, timeout_at};

use crate::channel::Kind;
use crate::channel::source::Protocol;
use crate::config::Config;
use crate::delivery::Failure;
use crate::delivery::Form;
use crate::delivery::attempt::Opened;
use crate::delivery::attempt::Question;
use crate::delivery::attempt::Want;
use crate::media::sniff::Container;
use crate::media::sniff::SNIFF_MAX;
use crate::media::sniff::Verdict;
use crate::media::sniff::begins_as_json;
use crate::media::sniff::begins_as_text;
use crate::media::sniff::impostor;
use crate::media::sniff::sniff;
use crate::message::ContentRange;
use crate::message::gzip;
use crate::message::gzip::Coding;
use crate::message::headers::media_type;
use crate::upstream;
use crate::upstream::fetch::status_error;

/// Bytes of a key (8216 section 4.3.2.4: AES with 128 bits).
const KEY_LEN: usize = 16;

impl Opened {
    /// Holds the answer against what is wanted.
    pub(super) async fn judge(
        &mut self,
        question: &Question,
        protocol: &Protocol,
    ) -> Result<(), Failure> {
        let patience = question.patience.response;
        let deadline = Instant::now() + patience;
        if matches!(question.want, Want::File | Want::Segment | Want::Key) {
            return self.must_be_file(question, deadline).await;
        }
        if self.answer.head.status != StatusCode::OK {
            return Err(status_error(&self.answer.head).into());
        }
        if question.want == Want::Document {
            return Ok(self.read_whole(&question.config, deadline).await?);
        }
        if question.want == Want::Playlist {
            return Ok(self.read_playlist(&question.config, deadline).await?);
        }
        let takes_playlist = question.want == Want::Live && question.form != Form::Own;
        // Nobody compresses a stream.
        let is_packed = Coding::of(&self.answer.head.headers) == Coding::Gzip;
        if !(takes_playlist && is_packed) {
            self.container = self.look(question.want, deadline).await?;
        }
        if takes_playlist && (is_packed || self.container == Container::Hls) {
            return Ok(self.read_playlist(&question.config, deadline).await?);
        }
        if question.want == Want::Live {
            must_be_stream(self.container, protocol)?;
        }
        Ok(())
    }

    /// Statuses that are an answer to the client's own request pass; the rest is the source's
    /// failure, and so is a page or a playlist where a file belongs, or a body that does not come.
    async fn must_be_file(
        &mut self,
        question: &Question,
        deadline: Instant,
    ) -> Result<(), Failure> {
        let head = &self.answer.head;
        let from_start = match head.status {
            StatusCode::OK => true,
            StatusCode::PARTIAL_CONTENT => starts_at_zero(&head.headers),
            StatusCode::NOT_MODIFIED
            | StatusCode::PRECONDITION_FAILED
            | StatusCode::RANGE_NOT_SATISFIABLE => return Ok(()),
            _ => return Err(status_error(head).into()),
        };
        let media_type = media_type(&head.headers);
        let kind = Kind::from_answer(media_type.as_deref(), false, false);
        let is_coded = Coding::of(&head.headers) != Coding::Identity;
        if question.method == Method::HEAD {
            return Ok(());
        }
        // The head goes out only once the first bytes are there.
        let Some(mut first) = self.first_frame(deadline).await? else {
            return Ok(());
        };
        let is_key = question.want == Want::Key && self.is_key(&mut first, deadline).await?;
        let wrong = match question.want {
            _ if is_key => None,
            // Servers label segments so too; what is a playlist is text, wherever it is cut.
            _ if kind == Some(Kind::Hls) && (is_coded || begins_as_text(&first)) => {
                Some("an HLS playlist")
            }
            _ if !from_start => None,
            // What panels say in place of a segment, whatever they label it.
            Want::Segment if begins_as_json(&first) => Some("a JSON document"),
            _ => impostor(&first, media_type.as_deref()),
        };
        if let Some(what) = wrong {
            return Err(upstream::Error::NotMedia(what).into());
        }
        self.answer.body.put_back(first);
        Ok(())
    }

    /// Whether the whole body, which begins with `first`, is as long as a key. Reads on into `first`
    /// until that is clear, one frame beyond a key's length at most.
    async fn is_key(
        &mut self,
        first: &mut Bytes,
        deadline: Instant,
    ) -> Result<bool, upstream::Error> {
        while first.len() <= KEY_LEN {
            let Some(next) = self.first_frame(deadline).await? else {
                return Ok(first.len() == KEY_LEN);
            };
            *first = [&**first, &*next].concat().into();
        }
        Ok(false)
    }

    /// The next frame of the body, `None` at its end.
    async fn first_frame(&mut self, deadline: Instant) -> Result<Option<Bytes>, upstream::Error> {
        let asked = Instant::now();
        let next = timeout_at(deadline, self.answer.body.next()).await;
        next.map_err(|_| upstream::Error::NoMedia(deadline.duration_since(asked)))?.transpose()
    }

    /// Reads a whole playlist, bounded by `limits.playlist_bytes` and the response timeout.
    async fn read_playlist(
        &mut self,
        config: &Config,
        deadline: Instant,
    ) -> Result<(), upstream::Error> {
        match Coding::of(&self.answer.head.headers) {
            // Read to its end only if it begins as one.
            Coding::Identity => self.container = self.look(Want::Playlist, deadline).await?,
            Coding::Gzip | Coding::Other => self.container = Container::Hls,
        }
        if self.container != Container::Hls {
            return Err(upstream::Error::NotMedia("a body that is no HLS playlist"));
        }
        self.read_whole(config, deadline).await
    }

    /// Reads the whole body, whatever it is, with the same bounds.
    async fn read_whole(
        &mut self,
        config: &Config,
        deadline: Instant,
    ) -> Result<(), upstream::Error> {
        const TOO_LONG: &str = "a text beyond limits.playlist_bytes";
        let max = config.limits.playlist_bytes;
        let coding = Coding::of(&self.answer.head.headers);
        if coding == Coding::Other {
            let what = "a text compressed in a way that was not asked for";
            return Err(upstream::Error::NotMedia(what));
        }
        let mut text = BytesMut::new();
        let reading = async {
            while let Some(bytes) = self.answer.body.next().await.transpose()? {
                if text.len() + bytes.len() > max {
                    return Err(upstream::Error::NotMedia(TOO_LONG));
                }
                text.extend_from_slice(&bytes);
            }
            Ok(())
        };
        let timeout = upstream::Error::ResponseTimeout(config.failover.response_timeout);
        timeout_at(deadline, reading).await.map_err(|_| timeout)??;
        self.text = match coding {
            Coding::Gzip => gzip::unpack(&text, max).map(Bytes::from).map_err(|error| {
                upstream::Error::NotMedia(match error {
                    gzip::Error::TooLong => TOO_LONG,
                    gzip::Error::Damaged => "a compressed text that is damaged",
                })
            })?,
            Coding::Identity | Coding::Other => text.freeze(),
        };
        Ok(())
    }

    /// Reads ahead until the first bytes tell what the body is, and puts them back. At most
    /// [`SNIFF_MAX`] bytes and one frame are held.
    async fn look(&mut self, want: Want, deadline: Instant) -> Result<Container, upstream::Error> {
        let mut seen = BytesMut::new();
        loop {
            let frame = self.first_frame(deadline).await?;
            let ended = frame.is_none();
            let mut whole = match frame {
                // The usual case costs no copy: the first frame decides.
                Some(frame) if seen.is_empty() => Ok(frame),
                Some(frame) => {
                    seen.extend_from_slice(&frame);
                    Err(())
                }
                None => Err(()),
            };
            let verdict = match &whole {
                Ok(frame) => sniff(frame, ended),
                Err(()) => sniff(&seen, ended || seen.len() >= SNIFF_MAX),
            };
            match verdict {
                Verdict::NeedMore => {
                    if let Ok(frame) = &mut whole {
                        seen.extend_from_slice(frame);
                    }
                }
                // A page that was compressed unasked, say.
                Verdict::Media(Container::Unknown) if ended && want == Want::Live => {
                    return Err(upstream::Error::NotMedia("a few bytes of no known kind"));
                }
                Verdict::Media(container) => {
                    self.answer.body.put_back(whole.unwrap_or_else(|()| seen.freeze()));
                    return Ok(container);
                }
                Verdict::NotMedia(what) => return Err(upstream::Error::NotMedia(what)),
            }
        }
    }
}

/// Whether a part is the beginning of its file.
fn starts_at_zero(headers: &HeaderMap) -> bool {
    let range = headers.get(CONTENT_RANGE).and_then(|range| range.to_str().ok());
    let range = range.and_then(ContentRange::parse);
    matches!(range, Some(ContentRange::Part(part, _)) if part.first == 0)
}

/// A receiver sends transport streams and nothing else; elsewhere any stream will do.
fn must_be_stream(container: Container, protocol: &Protocol) -> Result<(), upstream::Error> {
    let wrong = match container {
        Container::MpegTs | Container::PaddedTs => return Ok(()),
        Container::Hls => "an HLS playlist",
        _ if *protocol == Protocol::Enigma2 => "bytes that are no transport stream",
        _ => return Ok(()),
    };
    Err(upstream::Error::NotMedia(wrong))
}
