//! One address for media and administration: each path goes to the handler that owns it.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::Incoming;

use crate::api::Api;
use crate::delivery;
use crate::listen::ConnectionInfo;
use crate::listen::Handler;
use crate::server::Server;

/// Answers on an address that stands in `listen.stream` and in `listen.admin`.
#[derive(Clone)]
pub(super) struct Both {
    pub(super) server: Server,
    pub(super) api: Api,
}

impl Handler for Both {
    type Body = Either<delivery::Body, Full<Bytes>>;

    async fn handle(
        &self,
        request: http::Request<Incoming>,
        info: Arc<ConnectionInfo>,
    ) -> http::Response<Self::Body> {
        if Api::owns(request.uri().path()) {
            return self.api.handle(request, info).await.map(Either::Right);
        }
        self.server.handle(request, info).await.map(Either::Left)
    }
}
