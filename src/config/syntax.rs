//! What a YAML syntax error means to the person who wrote the file. Repeats nothing of the text.

use serde_saphyr::granit_parser::ErrorKind;
use serde_saphyr::granit_parser::Marker;
use serde_saphyr::granit_parser::ScanError;

use super::mistake::Origin;
use super::tree::DEPTH_MAX;

/// Where `text` stops being YAML and what to do about it.
pub(crate) fn explain(
    error: &ScanError,
    text: &str,
    place: &dyn Fn(&Marker) -> Origin,
) -> (Origin, String) {
    if let Some(marker) = unquoted_service(text, error.marker().line()) {
        return (place(&marker), QUOTE_SERVICE.to_owned());
    }
    (place(error.marker()), meaning(error.kind()))
}

/// The remedy for a service reference without quotes: it ends in `:`, which YAML takes for the end of a key.
pub(crate) const QUOTE_SERVICE: &str = "quote the service reference: \"1:0:19:…:0:0:0:\"";

/// Whether `text` begins like an Enigma2 service reference: ten fields of hexadecimal digits between colons.
pub(crate) fn looks_like_service(text: &str) -> bool {
    let mut fields = text.split(':');
    let hex = |field: &str| {
        !field.is_empty() && field.len() <= 8 && field.bytes().all(|b| b.is_ascii_hexdigit())
    };
    fields.by_ref().take(10).filter(|field| hex(field)).count() == 10
}

/// A service reference that ends in `:` and is not quoted, in line `line` or the two before it: the scanner often
/// notices one only later.
fn unquoted_service(text: &str, line: usize) -> Option<Marker> {
    let first = line.saturating_sub(2).max(1);
    text.lines().enumerate().skip(first - 1).take(line + 1 - first.min(line)).find_map(
        |(index, content)| {
            let content = content.split(" #").next().unwrap_or(content);
            let separator = |c: char| c.is_whitespace() || "{}[],".contains(c);
            let word = content
                .split(separator)
                .find(|word| word.ends_with(':') && looks_like_service(word))?;
            let column = content
                .find(word)
                .and_then(|at| content.get(..at))
                .map_or(0, |before| before.chars().count());
            Some(Marker::new(0, index + 1, column))
        },
    )
}

fn meaning(kind: &ErrorKind) -> String {
    let text = match kind {
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabAtBlockScalarStart
        | ErrorKind::TabInPlainScalar => "there is a tab here; indent with spaces",
        ErrorKind::MappingValueNotAllowed | ErrorKind::InvalidColonPlacement => {
            "a `:` is not possible here; quote a value that contains `: ` or ends in `:`, and check that the line \
             above has a space after its `:`"
        }
        ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => {
            "expected `key: value`; check for a missing `:` or a missing space after it"
        }
        ErrorKind::ExpectedBlockMappingKey | ErrorKind::InvalidIndentation => {
            "this line does not fit its surroundings; check its indentation, and that it is `key: value`"
        }
        ErrorKind::ExpectedBlockSequenceEntry => "expected `- ` at the indentation of the list",
        ErrorKind::UnclosedQuotedScalar | ErrorKind::InvalidQuotedScalarIndent => {
            "a quote opened here or above is not closed"
        }
        ErrorKind::UnclosedFlowCollection { open: '[' } | ErrorKind::UnexpectedEofFlowSequence => {
            "a `[` is not closed"
        }
        ErrorKind::UnclosedFlowCollection { .. } | ErrorKind::UnexpectedEofFlowMapping => {
            "a `{` is not closed"
        }
        ErrorKind::ExpectedFlowMappingSeparator => {
            "expected `,` or `}`; quote a value that contains `: ` or brackets"
        }
        ErrorKind::ExpectedFlowSequenceSeparator => {
            "expected `,` or `]`; quote a value that contains `: ` or brackets"
        }
        ErrorKind::InvalidTrailingSingleQuotedScalar
        | ErrorKind::InvalidTrailingDoubleQuotedScalar => {
            "nothing may follow the closing quote; in '…' write '' for one quote"
        }
        ErrorKind::UnknownQuotedScalarEscape => {
            "unknown escape in a \"…\" text; use '…', or write \\\\ for a backslash"
        }
        ErrorKind::UnexpectedCharacter { .. } => {
            "a value cannot begin with this character; quote the value"
        }
        ErrorKind::CommentNotSeparated => {
            "a comment needs a space before its `#`; quote a value that contains `#`"
        }
        ErrorKind::RecursionLimitExceeded => {
            return format!("nested deeper than {DEPTH_MAX} levels");
        }
        ErrorKind::UnknownAnchor => {
            "YAML aliases (`*name`) are not used here; quote a value that begins with `*`"
        }
        // These alone may carry text of others.
        ErrorKind::Custom(_) | ErrorKind::InputDecoding { .. } | ErrorKind::InputIo { .. } => {
            "this is not valid YAML"
        }
        other => return format!("this is not valid YAML: {other}"),
    };
    text.to_owned()
}
