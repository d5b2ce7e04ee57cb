//! Fetching documents for a session: session data, steering manifests, lists of assets. Each is read
//! whole and shown only where nothing in it tells of the source.

use std::sync::Arc;
use std::time::SystemTime;

use http::{HeaderValue, Response};

use crate::channel::Slot;
use crate::channel::Source;
use crate::delivery::Attempt;
use crate::delivery::Body;
use crate::delivery::Delivery;
use crate::delivery::Error;
use crate::delivery::Failure;
use crate::delivery::Wish;
use crate::delivery::attempt::Question;
use crate::delivery::attempt::Want;
use crate::delivery::hls::links::Origin;
use crate::delivery::hls::lists::extended;
use crate::delivery::hls::text_answer;
use crate::delivery::hls::viewings::Viewing;
use crate::delivery::vod::missing;
use crate::message::Url;
use crate::message::headers::media_type;

/// What players tell a steering server in the query (8216bis section 7).
const STEERING: [&str; 2] = ["_HLS_pathway", "_HLS_throughput"];

/// The media type of a document whose source says none.
const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");

impl Delivery {
    /// A document for a session, asked for anew each time. That there is none says nothing of the
    /// source's streams, and moves nobody to another one.
    pub(super) async fn document(
        &self,
        viewing: &Arc<Viewing>,
        home: &Source,
        url: Url,
        wish: Wish,
    ) -> Result<Response<Body>, Error> {
        let _answering = viewing.answering();
        let url = match steering(wish.query.as_deref()) {
            Some(directives) => extended(&url, &directives),
            None => url,
        };
        let question = Question::of_hls(&wish, Want::Document, &viewing.cookies);
        let question = Question { viewer: None, ..question };
        let slot = Slot::share(&viewing.slot());
        let failed = |failure| {
            Error::Exhausted(vec![Attempt { source: home.index, failure: Arc::new(failure) }])
        };
        let source = home.at(url.clone());
        let channel = &viewing.channel;
        let opened = match self.attempt(channel, &source, slot, &question).await {
            Ok(opened) => opened,
            Err(failure) => {
                self.note(channel, &source, &failure);
                return Err(missing(failed(failure)));
            }
        };
        self.metrics.upstream_attempt(&channel.id, home.index, "ok");
        let label = media_type(&opened.answer.head.headers);
        let origin = Origin::of(viewing, home.index, &opened.answer.url, &wish.path)?;
        let asked = (&url, label.as_deref());
        let document =
            origin.rewrite_document(&self.seal, opened.text.clone(), asked, SystemTime::now());
        let document = document.map_err(|refused| failed(Failure::NoStart(refused.0)))?;
        let label = label.and_then(|label| HeaderValue::try_from(label).ok()).unwrap_or(BYTES);
        let label = document.media_type.map_or(label, HeaderValue::from_static);
        Ok(text_answer(document.body, label, wish))
    }
}

/// What of a player's query is for a steering server.
fn steering(query: Option<&str>) -> Option<String> {
    let is_steering = |pair: &&str| {
        let name = pair.split_once('=').map_or(*pair, |(name, _)| name);
        STEERING.contains(&name)
    };
    let told: Vec<_> = query?.split('&').filter(is_steering).collect();
    (!told.is_empty()).then(|| told.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steering_server_is_told_two_things_and_no_more() {
        let query =
            "token=mine&_HLS_pathway=%22cdn-a%22&_HLS_msn=7&_HLS_throughput=5000&_HLS_pathwayX=1";
        let told = steering(Some(query));
        assert_eq!(told.as_deref(), Some("_HLS_pathway=%22cdn-a%22&_HLS_throughput=5000"));
        for query in [None, Some(""), Some("a=1&_HLS_report=x"), Some("x_HLS_pathway=1")] {
            assert_eq!(steering(query), None, "{query:?}");
        }
    }
}
