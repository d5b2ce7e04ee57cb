//! The obvious proxy: hyper's client body handed to hyper's server, all defaults.

use std::ffi::OsString;
use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::Request;
use hyper::Response;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::net::TcpStream;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How this program is called to be that proxy.
pub(super) fn arguments(listen: SocketAddr, origin: SocketAddr) -> Vec<OsString> {
    vec!["naive".into(), listen.to_string().into(), origin.to_string().into()]
}

/// Is that proxy, until it is ended.
pub(crate) fn run(listen: SocketAddr, origin: SocketAddr) {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
        let listener = TcpListener::bind(listen).await.unwrap();
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            tokio::spawn(async move {
                let service = service_fn(move |request| pass(request, origin));
                // Clients come and go as they like.
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await
                    .ok();
            });
        }
    });
}

async fn pass(
    request: Request<Incoming>,
    origin: SocketAddr,
) -> Result<Response<Incoming>, Failure> {
    let stream = TcpStream::connect(origin).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let mut onward = Request::new(Empty::<Bytes>::new());
    *onward.uri_mut() = request.uri().clone();
    *onward.headers_mut() = request.headers().clone();
    let mut answer = sender.send_request(onward).await?;
    // Concerns the connection to the origin only.
    answer.headers_mut().remove(http::header::CONNECTION);
    Ok(answer)
}
