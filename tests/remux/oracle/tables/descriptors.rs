//! Descriptors of an elementary stream (ISO/IEC 13818-1, 2.6; ETSI EN 300 468, 6.2).

/// Tags and bodies; what does not fit any more is left out.
pub(super) fn all(mut bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let ([tag, length], rest) = bytes.split_first_chunk::<2>()?;
        let (body, rest) = rest.split_at_checked(usize::from(*length))?;
        bytes = rest;
        Some((*tag, body))
    })
}

/// What tells one track from another: language with audio_type, component tag, and supplementary audio.
pub(super) fn telling(bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    all(bytes).filter(|(tag, body)| {
        matches!(tag, 0x0a | 0x52) || *tag == 0x7f && body.first() == Some(&0x06)
    })
}

/// Whether one tells of a coding that is not AAC in ADTS: AC-3, E-AC-3, DTS, AAC by its profile, AC-3 as ATSC has
/// it, and registrations.
pub(super) fn foreign(bytes: &[u8]) -> bool {
    all(bytes).any(|(tag, body)| match tag {
        0x6a | 0x7a | 0x7b | 0x7c | 0x81 | 0xcc => true,
        0x05 => body.starts_with(b"AC-3") || body.starts_with(b"EAC3"),
        _ => false,
    })
}

/// Whether all of `part` stand in `bytes`, in their order.
pub(super) fn is_part(bytes: &[u8], part: &[(u8, &[u8])]) -> bool {
    let mut rest = all(bytes);
    part.iter().all(|wanted| rest.any(|descriptor| descriptor == *wanted))
}
