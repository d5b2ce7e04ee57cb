//! Problem documents (RFC 9457): what every error answer of weir says.

use http::StatusCode;
use serde_json::json;

use crate::message::request_head::Reject;

/// The media type of a problem document.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// The document for a status: one line of JSON. `detail` is for people; `channel` is what was asked
/// for, where that is known.
#[must_use]
pub fn document(status: StatusCode, detail: &str, channel: Option<&str>) -> String {
    let mut document = json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or("Error"),
        "status": status.as_u16(),
        "detail": detail,
    });
    if let (Some(channel), Some(fields)) = (channel, document.as_object_mut()) {
        fields.insert("channel".to_owned(), channel.into());
    }
    format!("{document}\n")
}

/// Status and detail for a request head that was refused; `code` is [`Reject::code`], and one that
/// is none of them means a malformed request.
#[must_use]
pub fn of_reject(code: &str) -> (StatusCode, String) {
    let reject = Reject::from_code(code);
    let status = reject.as_ref().and_then(|reject| StatusCode::from_u16(reject.status()).ok());
    let detail = reject.map_or_else(|| "malformed request".to_owned(), |reject| reject.to_string());
    (status.unwrap_or(StatusCode::BAD_REQUEST), detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_one_line_of_json_whatever_the_detail() {
        let text = document(StatusCode::BAD_GATEWAY, "a \"quoted\"\nline", Some("orf1"));
        let parsed: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(parsed["status"], 502);
        assert_eq!(parsed["title"], "Bad Gateway");
        assert_eq!(parsed["channel"], "orf1");
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn every_reason_has_a_status_and_an_unknown_one_is_a_bad_request() {
        for reject in Reject::ALL {
            assert_eq!(of_reject(reject.code()).0.as_u16(), reject.status());
        }
        assert_eq!(of_reject("nonsense").0, StatusCode::BAD_REQUEST);
    }
}
