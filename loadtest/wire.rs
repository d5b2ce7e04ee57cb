//! What the clients of every scenario do with their sockets.

use std::io;
use std::net::SocketAddr;

use rustix::io::Errno;
use rustix::net::SendFlags;
use rustix::net::send;
use rustix::net::sockopt::socket_error;
use socket2::Domain;
use socket2::Socket;
use socket2::Type;

/// Begins to connect a socket that `prepare` has set up; it is writable once it is connected.
pub(crate) fn connect(
    to: SocketAddr,
    prepare: impl FnOnce(&Socket) -> io::Result<()>,
) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    prepare(&socket)?;
    match socket.connect(&to.into()) {
        Err(error) if Errno::from_io_error(&error) != Some(Errno::INPROGRESS) => Err(error),
        _ => Ok(socket),
    }
}

/// Sends a whole request, which a socket that has sent nothing takes at once.
pub(crate) fn ask(socket: &Socket, request: &str) -> Result<(), String> {
    if let Ok(Err(error)) | Err(error) = socket_error(socket) {
        return Err(format!("connecting: {error}"));
    }
    match send(socket, request.as_bytes(), SendFlags::NOSIGNAL) {
        Ok(sent) if sent == request.len() => Ok(()),
        Ok(_) => Err("a request did not fit into the socket".into()),
        Err(error) => Err(format!("asking: {error}")),
    }
}

/// The head of an answer and what came behind it, once the head is whole.
pub(crate) fn head(bytes: &[u8]) -> Option<(String, &[u8])> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let (head, body) = bytes.split_at(end);
    Some((String::from_utf8_lossy(head).into_owned(), body))
}

/// The value of a field in a head.
pub(crate) fn field<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().find_map(|line| {
        let (own, value) = line.split_once(':')?;
        own.eq_ignore_ascii_case(name).then_some(value.trim())
    })
}
