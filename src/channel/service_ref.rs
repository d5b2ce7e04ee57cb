//! Enigma2 service references, as clients ask for them and receivers take them.
//!
//! `type:flags:service type:SID:TSID:ONID:namespace:0:0:0:[path[:name]]`, the first two decimal, the
//! next eight hexadecimal. What came is kept verbatim for the receiver, which decodes it once; the
//! fields are read only to recognise the service and to refuse what is more than a service: a path
//! may name a file on the receiver, or a URL that it would fetch.

use std::fmt;

#[cfg(test)]
mod tests;

/// The longest reference, raw.
const RAW_BYTES_MAX: usize = 1024;
/// Numeric fields before the path.
const FIELDS: usize = 10;
/// The flag of a group of alternatives, of which the receiver plays the best.
const FLAG_GROUP: u32 = 128;
/// From here on a type names a player (4097 GStreamer, 5001 and 5002 others) that is fed by URLs;
/// below are 1 for DVB and 2 for files and lists.
const TYPE_PLAYER_MIN: u32 = 4096;
/// A receiver decodes a reference once and its path once more; one round to spare.
const DECODE_ROUNDS: usize = 3;

/// A well-formed service reference of at most 1 KiB.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ServiceRef {
    /// As it came, fit for a request line.
    raw: String,
    reference_type: u32,
    flags: u32,
    /// Service type, SID, TSID, ONID, namespace and three that are mostly 0.
    data: [u32; FIELDS - 2],
    /// As the receiver will use it: decoded twice.
    path: String,
    /// Decoded twice.
    name: String,
    carries_url: bool,
}

/// Why a text is no service reference. No variant carries any of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ServiceRefError {
    /// Longer than 1 KiB.
    Length,
    /// A control, a byte that no request target has, a broken percent-encoding or no UTF-8.
    Encoding,
    /// Not ten numbers, two decimal and eight hexadecimal, separated by colons.
    Fields,
}

impl ServiceRef {
    /// Parses the path of a request, or its last part, without query and percent-encoded or not as
    /// it came; one slash before it is left out. The colon after the tenth field may be missing.
    ///
    /// # Errors
    /// The first thing, in the order of [`ServiceRefError`], that is not as it must be.
    pub fn parse_path(raw_path: &str) -> Result<Self, ServiceRefError> {
        let raw = raw_path.strip_prefix('/').unwrap_or(raw_path);
        if raw.len() > RAW_BYTES_MAX {
            return Err(ServiceRefError::Length);
        }
        if !raw.bytes().all(is_path_byte) {
            return Err(ServiceRefError::Encoding);
        }
        let decoded = decode(raw).ok_or(ServiceRefError::Encoding)?;
        let (numbers, rest) = split_numbers(&decoded).ok_or(ServiceRefError::Fields)?;
        let [reference_type, flags, data @ ..] = numbers;
        let (path, name) = rest.split_once(':').unwrap_or((rest, ""));
        let second = |text: &str| decode_loosely(text).ok_or(ServiceRefError::Encoding);
        Ok(Self {
            raw: raw.to_owned(),
            reference_type,
            flags,
            data,
            path: second(path)?,
            name: second(name)?,
            carries_url: reference_type >= TYPE_PLAYER_MIN || has_url(rest),
        })
    }

    /// Parses a reference as bouquets and people write it, and encodes what a request line cannot
    /// carry: spaces, quotes, percent signs, anything beyond ASCII.
    ///
    /// # Errors
    /// As [`ServiceRef::parse_path`].
    pub fn parse_text(text: &str) -> Result<Self, ServiceRefError> {
        if text.len() > RAW_BYTES_MAX {
            return Err(ServiceRefError::Length);
        }
        let mut raw = String::with_capacity(text.len());
        for byte in text.bytes() {
            if byte != b'%' && is_path_byte(byte) {
                raw.push(char::from(byte));
            } else {
                raw.push_str(&format!("%{byte:02X}"));
            }
        }
        Self::parse_path(&raw)
    }

    /// Whether a path, with or without its first slash, can only be meant as a service reference:
    /// digits, then a colon, encoded or not. It may still be malformed.
    #[must_use]
    pub fn looks_like(raw_path: &str) -> bool {
        let path = raw_path.strip_prefix('/').unwrap_or(raw_path);
        let rest = path.trim_start_matches(|first: char| first.is_ascii_digit());
        let is_colon = rest.starts_with(':')
            || rest.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("%3a"));
        rest.len() < path.len() && is_colon
    }

    /// The reference as it came, without a slash before it: for the request line to a receiver.
    #[must_use]
    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// 1 for DVB, 4097 and others for players of URLs.
    #[must_use]
    pub fn reference_type(&self) -> u32 {
        self.reference_type
    }

    /// 0 for a plain service.
    #[must_use]
    pub fn flags(&self) -> u32 {
        self.flags
    }

    /// The DVB service type: 0x1 SD, 0x2 radio, 0x19 HD, 0x1F HEVC.
    #[must_use]
    pub fn service_type(&self) -> u32 {
        let [service_type, ..] = self.data;
        service_type
    }

    /// The service id, which is the program number in the PAT.
    #[must_use]
    pub fn sid(&self) -> u32 {
        let [_, sid, ..] = self.data;
        sid
    }

    /// The transport stream id.
    #[must_use]
    pub fn tsid(&self) -> u32 {
        let [_, _, tsid, ..] = self.data;
        tsid
    }

    /// The original network id.
    #[must_use]
    pub fn onid(&self) -> u32 {
        let [_, _, _, onid, ..] = self.data;
        onid
    }

    /// The namespace: where the receiver tunes to, such as an orbital position.
    #[must_use]
    pub fn namespace(&self) -> u32 {
        let [_, _, _, _, namespace, ..] = self.data;
        namespace
    }

    /// The name after the path, decoded; empty for most.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the receiver chooses the service among alternatives.
    #[must_use]
    pub fn is_group(&self) -> bool {
        self.flags & FLAG_GROUP != 0
    }

    /// Whether the receiver would fetch a URL for it: clients must not choose those. True for every
    /// player's type, and for a URL anywhere after the numbers however often it is encoded.
    #[must_use]
    pub fn carries_url(&self) -> bool {
        self.carries_url
    }

    /// The file on the receiver that it names, such as a recording, as the receiver will open it.
    #[must_use]
    pub fn file_path(&self) -> Option<&str> {
        (self.path.starts_with('/') && !self.carries_url).then_some(&self.path)
    }

    /// Whether both stand for the same service, however they are spelled and named. Flags do not
    /// count, as they do not for receivers.
    #[must_use]
    pub fn same_service(&self, other: &Self) -> bool {
        self.reference_type == other.reference_type
            && self.data == other.data
            && self.path == other.path
    }
}

impl fmt::Display for ServiceRef {
    /// The numbers only: a path may hold another's URL, with its keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:", self.reference_type, self.flags)?;
        self.data.iter().try_for_each(|field| write!(f, "{field:X}:"))
    }
}

impl fmt::Debug for ServiceRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServiceRef({self})")
    }
}

impl fmt::Display for ServiceRefError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "the service reference is longer than 1 KiB",
            Self::Encoding => "the service reference has bytes that no path has",
            Self::Fields => "the service reference is not ten numbers separated by colons",
        })
    }
}

impl std::error::Error for ServiceRefError {}

/// What the path of a request may hold. Narrower than what hyper takes.
const fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'%' | b'/' | b':' | b'@' | b'!' | b'$')
        || matches!(byte, b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=')
}

/// The ten numbers, and what follows the colon after them. Stricter than receivers, which also take
/// signs, `0x`, spaces and fewer fields.
fn split_numbers(decoded: &str) -> Option<([u32; FIELDS], &str)> {
    let mut numbers = [0; FIELDS];
    let mut rest = Some(decoded);
    for (index, number) in numbers.iter_mut().enumerate() {
        let (digits, after) = match rest?.split_once(':') {
            Some((digits, after)) => (digits, Some(after)),
            None => (rest?, None),
        };
        let radix = if index < 2 { 10 } else { 16 };
        let is_number = digits.chars().all(|digit| digit.is_digit(radix));
        *number = u32::from_str_radix(digits, radix).ok().filter(|_| is_number)?;
        // Receivers read the first two as signed.
        if index < 2 && i32::try_from(*number).is_err() {
            return None;
        }
        rest = after;
    }
    Some((numbers, rest.unwrap_or_default()))
}

/// Whether a URL is in `rest`, in the spelling of any round of decoding that a receiver may do.
fn has_url(rest: &str) -> bool {
    let mut text = rest.to_owned();
    for _ in 0..=DECODE_ROUNDS {
        if text.contains("://") {
            return true;
        }
        let Some(decoded) = decode_loosely(&text) else { return true };
        text = decoded;
    }
    false
}

/// `text` decoded once; `None` for a broken encoding, a control or no UTF-8.
fn decode(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let is_whole = parts.next().is_some() && parts.all(|part| hex_byte(part).is_some());
    if is_whole { decode_loosely(text) } else { None }
}

/// [`decode`] as receivers do it: a `%` that begins no encoded byte stays.
fn decode_loosely(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    for (index, part) in text.split('%').enumerate() {
        match hex_byte(part) {
            Some((byte, rest)) if index > 0 => {
                decoded.push(byte);
                decoded.extend_from_slice(rest.as_bytes());
            }
            _ => {
                decoded.extend((index > 0).then_some(b'%'));
                decoded.extend_from_slice(part.as_bytes());
            }
        }
    }
    let has_control = decoded.iter().any(u8::is_ascii_control);
    String::from_utf8(decoded).ok().filter(|_| !has_control)
}

/// The byte that the first two digits of `part` stand for, and what follows them.
fn hex_byte(part: &str) -> Option<(u8, &str)> {
    let (digits, rest) = part.split_at_checked(2)?;
    let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let byte = u8::from_str_radix(digits, 16).ok().filter(|_| is_hex)?;
    Some((byte, rest))
}
