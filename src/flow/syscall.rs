//! One call of the kernel on a socket that does not block, and what its outcome says of the next.

use std::io;

use tokio::io::Interest;
use tokio::net::TcpStream;

/// Makes `call`, which moves at most `limit` bytes, if `socket` is ready for it as far as is known.
/// Fewer than `limit` mean that the socket is empty, or full: asking again would only say so, hence
/// the runtime is told at once and waits for the next event.
///
/// # Errors
/// `WouldBlock` when the socket is not ready; else what `call` says.
pub(crate) fn syscall(
    socket: &TcpStream,
    interest: Interest,
    limit: usize,
    call: impl FnOnce() -> io::Result<usize>,
) -> io::Result<usize> {
    let mut moved = None;
    let asked = socket.try_io(interest, || {
        let count = call()?;
        moved = Some(count);
        if count < limit { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(count) }
    });
    moved.map_or(asked, Ok)
}
