//! A document for a player, and what it may be shown of one: the URIs of a steering manifest and of a
//! list of assets become sealed ones, and nothing else in it may tell of the source.

use bytes::Bytes;
use serde_json::Value;

use crate::media::m3u8;
use crate::media::m3u8::Role;
use crate::media::m3u8::Secrets;
use crate::media::sniff::impostor;

#[cfg(test)]
mod tests;

/// Brackets and commas in a JSON text: each may cost 300 bytes of memory once it is read. Manifests and
/// lists have some hundred.
const ELEMENTS_MAX: usize = 20_000;

/// Assets of one list: a break has a handful, and each becomes a link that may be a hundred times as
/// long as what it was.
const ASSETS_MAX: usize = 1000;

/// The media type of JSON (RFC 8259 section 11).
const JSON: &str = "application/json";

/// A document that may be shown to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Document {
    pub(super) body: Bytes,
    /// What it is; `None`: what its source says.
    pub(super) media_type: Option<&'static str>,
}

/// Why a document is not passed on: a sentence without a byte of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused(pub(super) &'static str);

/// It has a host, a path or a credential of the source in it.
const TELLS: Refused = Refused("its document tells where it comes from");
const PAGE: Refused = Refused("a page or a list in place of a document");
const MALFORMED: Refused = Refused("its document is malformed JSON");
const TOO_MUCH: Refused = Refused("its document has too much in it");
const BAD_URI: Refused = Refused("its document has a URI that cannot be followed");

/// What a client is shown of `body`, labelled `media_type`. `link` makes a link of a URI; `None` for one
/// that stays.
///
/// A steering manifest (8216bis section 7.2) has its RELOAD-URI replaced, a list of assets (8216bis
/// appendix D.2) the URI of each asset. PATHWAY-CLONES go: a clone's URIs are those of the playlists
/// with another host and more parameters (URI-REPLACEMENT), and neither can be changed in what is
/// sealed. Players pass over a pathway that they do not know. Anything else passes byte for byte.
///
/// Memory: the body, six megabytes for JSON, and what `link` gives for at most 1001 URIs. Time: linear.
///
/// # Errors
/// [`Refused`]: for what has one of `secrets` in it, for pages and playlists, for malformed JSON, whose
/// text players may read in more ways than one, and for JSON of more than 127 levels.
pub(super) fn rewrite(
    body: Bytes,
    media_type: Option<&str>,
    secrets: &Secrets<'_>,
    link: impl FnMut(&str, Role) -> Result<Option<String>, m3u8::Error>,
) -> Result<Document, Refused> {
    let text = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&body).trim_ascii();
    if !matches!(text.first(), Some(b'{' | b'[')) {
        if impostor(&body, media_type).is_some() {
            return Err(PAGE);
        }
        return as_it_is(body, None, secrets);
    }
    if text.iter().filter(|byte| b"{[,".contains(byte)).count() > ELEMENTS_MAX {
        return Err(TOO_MUCH);
    }
    // The reader goes no deeper than 127 levels, so neither does a walk over what it gives.
    let mut value: Value = serde_json::from_slice(text).map_err(|_| MALFORMED)?;
    let is_changed = replace_uris(&mut value, secrets, link)?;
    if is_changed {
        let body = Bytes::from(value.to_string());
        return Ok(Document { body, media_type: Some(JSON) });
    }
    as_it_is(body, Some(JSON), secrets)
}

/// A body that passes unless a secret can be read in it, with or without the zeros of UTF-16.
fn as_it_is(
    body: Bytes,
    media_type: Option<&'static str>,
    secrets: &Secrets<'_>,
) -> Result<Document, Refused> {
    let text = String::from_utf8_lossy(&body);
    if secrets.are_in(&text) || text.contains('\0') && secrets.are_in(&text.replace('\0', "")) {
        return Err(TELLS);
    }
    Ok(Document { body, media_type })
}

/// Replaces the URIs that have a place in a document, and makes sure that nothing else in it tells of
/// the source. Answers whether it has any.
fn replace_uris(
    value: &mut Value,
    secrets: &Secrets<'_>,
    mut link: impl FnMut(&str, Role) -> Result<Option<String>, m3u8::Error>,
) -> Result<bool, Refused> {
    let has_clones =
        value.as_object_mut().is_some_and(|top| top.remove("PATHWAY-CLONES").is_some());
    let mut links = Vec::new();
    for (place, role) in places(value) {
        if links.len() > ASSETS_MAX {
            return Err(TOO_MUCH);
        }
        let linked = link(place.as_str().ok_or(BAD_URI)?, role).map_err(|_| BAD_URI)?;
        if linked.is_some() {
            *place = Value::Null;
        }
        links.push(linked);
    }
    // Before the links are in it: what is sealed may read like anything.
    if tells(value, secrets) {
        return Err(TELLS);
    }
    let has_places = !links.is_empty();
    for ((place, _), linked) in places(value).into_iter().zip(links) {
        if let Some(linked) = linked {
            *place = Value::String(linked);
        }
    }
    Ok(has_clones || has_places)
}

/// Where URIs stand, in an order that depends on nothing else.
fn places(value: &mut Value) -> Vec<(&mut Value, Role)> {
    let mut places = Vec::new();
    for (name, value) in value.as_object_mut().into_iter().flatten() {
        match (name.as_str(), value) {
            ("RELOAD-URI", uri) => places.push((uri, Role::Data)),
            ("ASSETS", Value::Array(assets)) => {
                let uris = assets.iter_mut().filter_map(|asset| asset.get_mut("URI"));
                places.extend(uris.map(|uri| (uri, Role::Playlist)));
            }
            _ => {}
        }
    }
    places
}

/// Whether a name or a text of the document has a secret in it, its escapes undone.
fn tells(value: &Value, secrets: &Secrets<'_>) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
        Value::String(text) => secrets.are_in(text),
        Value::Array(values) => values.iter().any(|value| tells(value, secrets)),
        Value::Object(fields) => {
            fields.iter().any(|(name, value)| secrets.are_in(name) || tells(value, secrets))
        }
    }
}
