//! `SO_RCVLOWAT` (socket(7)): how many bytes must wait in a socket before the kernel says that it
//! is readable. Its end and its errors are told at once, whatever the mark.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// Sets the low-water mark of `socket`, in bytes. Lowering it to what is there already makes the
/// socket readable at once.
#[expect(unsafe_code, reason = "no crate in the tree has this option")]
pub(crate) fn set(socket: impl AsFd, bytes: u32) -> io::Result<()> {
    let value = libc::c_int::try_from(bytes).unwrap_or(libc::c_int::MAX);
    let length = libc::socklen_t::try_from(size_of_val(&value)).unwrap_or_default();
    // SAFETY: the descriptor is borrowed and so open for the whole call; the kernel reads `length`
    // bytes from the pointer, which is the size of the live integer that it points at.
    let outcome = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVLOWAT,
            (&raw const value).cast(),
            length,
        )
    };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
