//! Fetching what a stream is made of: playlists, keys and segments, one request at a time.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http::header::RANGE;
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::time::{Instant, timeout};

use crate::channel::Channel;
use crate::channel::Slot;
use crate::channel::Source;
use crate::delivery::Delivery;
use crate::delivery::Failure;
use crate::delivery::attempt::Opened;
use crate::delivery::attempt::Question;
use crate::delivery::attempt::Want;
use crate::delivery::hls::continuous::decryption::BLOCK;
use crate::media::m3u8;
use crate::media::m3u8::Cipher;
use crate::media::m3u8::Piece;
use crate::media::m3u8::Scope;
use crate::media::m3u8::Variables;
use crate::message::Url;
use crate::upstream;
use crate::upstream::fetch::status_error;

pub(super) type Wait<T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send>>;

/// What all requests for one stream have in common.
#[derive(Clone)]
pub(super) struct Fetch {
    pub(super) delivery: Delivery,
    pub(super) channel: Arc<Channel>,
    pub(super) source: Source,
    pub(super) question: Question,
    /// Of the stream: at no time does it have more than one connection in use.
    pub(super) slot: Arc<Slot>,
}

/// A playlist whose URIs are absolute.
pub(super) struct Loaded {
    pub(super) text: String,
    pub(super) variables: Variables,
    /// When it was asked for.
    pub(super) began: Instant,
}

/// A key by where it is.
#[derive(Clone)]
pub(super) struct Key {
    uri: String,
    pub(super) bytes: [u8; BLOCK],
}

/// A segment whose source has answered.
pub(super) struct Arrived {
    opened: Opened,
    /// Bytes of the body before those that are wanted, and how many of them are.
    skip: u64,
    left: Option<u64>,
    pub(super) key: Option<Key>,
}

impl Loaded {
    /// Makes the URIs of a playlist at `url` absolute and resolves its variables.
    pub(super) fn new(
        text: &[u8],
        url: &Url,
        imported: &Variables,
        began: Instant,
    ) -> Result<Self, Failure> {
        let scope = Scope { query: url.query(), imported: Some(imported), secrets: &[] };
        let absolute = m3u8::rewrite(text, &scope, |uri, _| {
            // What is no URL of ours is refused where it is wanted.
            Ok(url.resolve(uri).ok().map(|url| url.to_secret_text()))
        });
        let m3u8::Rewritten { text, variables } =
            absolute.map_err(|_| Failure::NoStart("a playlist that cannot be read"))?;
        Ok(Self { text, variables, began })
    }
}

impl Fetch {
    /// The playlist at `url`, in which the variables of the one that named it may stand.
    pub(super) fn list(&self, url: &Url, imported: &Variables) -> Wait<Loaded> {
        let (fetch, source) = (self.clone(), self.source.at(url.clone()));
        let imported = imported.clone();
        Box::pin(async move {
            let began = Instant::now();
            let opened = fetch.open(&source, Want::Playlist, HeaderMap::new()).await?;
            Loaded::new(&opened.text, &opened.answer.url, &imported, began)
        })
    }

    /// A segment from the byte `taken` on, with its key if it has one, which may be `known`.
    pub(super) fn segment(&self, piece: &Piece, taken: u64, known: Option<&Key>) -> Wait<Arrived> {
        let (fetch, piece, known) = (self.clone(), piece.clone(), known.cloned());
        Box::pin(async move {
            let key = match &piece.cipher {
                None => None,
                Some(cipher) => Some(match known.filter(|known| known.uri == cipher.key) {
                    Some(known) => known,
                    None => fetch.key(cipher).await?,
                }),
            };
            let mut fields = HeaderMap::new();
            if let Some(range) = piece.byte_range {
                let last = range.offset.saturating_add(range.length).saturating_sub(1);
                let range = format!("bytes={}-{last}", range.offset);
                fields.extend(HeaderValue::try_from(range).ok().map(|range| (RANGE, range)));
            }
            let source = fetch.at(&piece.uri)?;
            let opened = fetch.open(&source, Want::Segment, fields).await?;
            let (skip, left) = match (opened.answer.head.status, piece.byte_range) {
                (StatusCode::OK, None) => (0, None),
                (StatusCode::PARTIAL_CONTENT, Some(range)) => (0, Some(range.length)),
                // The source does not know of ranges.
                (StatusCode::OK, Some(range)) => (range.offset, Some(range.length)),
                _ => return Err(status_error(&opened.answer.head).into()),
            };
            let left = left.map(|left| left.saturating_sub(taken));
            Ok(Arrived { opened, skip: skip.saturating_add(taken), left, key })
        })
    }

    async fn key(&self, cipher: &Cipher) -> Result<Key, Failure> {
        let source = self.at(&cipher.key)?;
        let mut opened = self.open(&source, Want::Key, HeaderMap::new()).await?;
        let mut bytes = Vec::new();
        let reading = async {
            while let Some(more) = opened.answer.body.next().await.transpose()? {
                bytes.extend_from_slice(&more);
                if bytes.len() > BLOCK {
                    break;
                }
            }
            Ok::<_, upstream::Error>(())
        };
        let patience = self.question.patience.response;
        timeout(patience, reading).await.map_err(|_| upstream::Error::NoMedia(patience))??;
        let bytes = bytes.try_into().map_err(|_| Failure::NoStart("a key that is not 16 bytes"))?;
        Ok(Key { uri: cipher.key.clone(), bytes })
    }

    fn at(&self, uri: &str) -> Result<Source, Failure> {
        let url = Url::parse(uri).map_err(|_| Failure::NoStart("a URI that cannot be followed"))?;
        Ok(self.source.at(url))
    }

    async fn open(
        &self,
        source: &Source,
        want: Want,
        fields: HeaderMap,
    ) -> Result<Opened, Failure> {
        let question = Question { want, keep: want.keep(), fields, ..self.question.clone() };
        self.delivery.attempt(&self.channel, source, Slot::share(&self.slot), &question).await
    }
}

impl Arrived {
    /// The next bytes of the segment; `None` at its end.
    pub(super) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, upstream::Error>>> {
        if self.left == Some(0) {
            return Poll::Ready(None);
        }
        loop {
            let mut bytes = match std::task::ready!(self.opened.answer.body.poll_next(cx)) {
                Some(Ok(bytes)) => bytes,
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None if self.skip > 0 || self.left.is_some() => {
                    return Poll::Ready(Some(Err(upstream::Error::Short)));
                }
                None => return Poll::Ready(None),
            };
            let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
            bytes.advance(skipped);
            self.skip -= skipped as u64;
            if let Some(left) = &mut self.left {
                bytes.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= bytes.len() as u64;
            }
            if !bytes.is_empty() {
                return Poll::Ready(Some(Ok(bytes)));
            }
        }
    }
}
