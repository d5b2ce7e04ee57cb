//! The parts of HTTP messages, as pure functions over bytes and header maps: heads judged before
//! hyper sees them, ranges, URLs, queries, the headers that may cross the gateway, and the address
//! of the client behind trusted proxies. Knows no socket, no clock and no configuration.

pub mod cookies;
pub mod credentials;
pub mod forwarded;
pub mod gzip;
pub mod headers;
pub mod percent;
pub mod problem;
pub mod query;
pub mod range;
pub mod request_head;
pub mod response_head;
pub mod url;

mod authority;
mod syntax;

pub use cookies::Cookies;
pub use forwarded::client_address;
pub use range::ByteRanges;
pub use range::ContentRange;
pub use request_head::BodyLength;
pub use request_head::HeadScanner;
pub use request_head::Reject;
pub use request_head::Scan;
pub use response_head::HeadNormaliser;
pub use response_head::Malformed;
pub use response_head::Normalised;
pub use syntax::is_plain_name;
pub use url::Url;
pub use url::UrlError;
