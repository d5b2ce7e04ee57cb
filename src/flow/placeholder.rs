//! Stand-ins for bytes that hyper frames but never sees: slices of one static region that carry
//! nothing but their length. [`ClientIo`](super::ClientIo) knows them by their address and sends
//! what is on the [`Stage`](super::stage::Stage) in their place.

use bytes::Bytes;

/// The longest placeholder, and with it the most bytes that go on the stage at once.
pub(crate) const LEN_MAX: usize = 256 * 1024;

/// Never written and never sent, so its pages are never touched.
static REGION: [u8; LEN_MAX] = [0; LEN_MAX];

/// A placeholder for `length` bytes, [`LEN_MAX`] at most. Costs no allocation.
pub(crate) fn of(length: usize) -> Bytes {
    debug_assert!(length <= LEN_MAX, "no stage holds so many bytes");
    Bytes::from_static(REGION.get(..length).unwrap_or(&REGION))
}

/// Whether `slice` is (the rest of) a placeholder.
pub(crate) fn covers(slice: &[u8]) -> bool {
    !slice.is_empty() && REGION.as_ptr_range().contains(&slice.as_ptr())
}

#[cfg(test)]
mod tests {
    use bytes::Buf;

    use super::*;

    #[test]
    fn a_placeholder_is_known_by_its_address_and_so_is_its_rest() {
        for length in [1, 188, LEN_MAX] {
            let mut placeholder = of(length);
            assert_eq!(placeholder.len(), length);
            assert!(covers(&placeholder));
            placeholder.advance(length - 1);
            assert!(covers(&placeholder));
        }
        assert!(!covers(&of(0)));
        assert!(!covers(&[0; 188]));
        assert!(!covers(b"0\r\n\r\n"));
    }
}
