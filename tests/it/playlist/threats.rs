//! What a hostile source or client may try with playlists and with the URLs in them.
//!
//! | threat | stories |
//! |---|---|
//! | whole playlists of others | [`documents`]: the kept playlists, with every link opened |
//! | URI carriers | `links`: every carrier; [`documents`]: the kept playlists |
//! | reference forms | `links`: segments after redirects; [`documents`]: every other carrier |
//! | variables | [`variables`]: from the query, imported, missing; `rewrite` itself |
//! | text encodings, line ends | `refusals`: a bad playlist, a byte order mark; `rewrite` itself |
//! | byte ranges | `links`: a player's range; [`documents`]: ranges; `real`: single files |
//! | keys and IVs | [`documents`]: keys; `real`: decrypted by FFmpeg |
//! | delivery directives, held reloads and parts | `low_latency`; `sessions`: directives |
//! | lists that go back | `switches`: other sources; [`reloads`]: two hundred, caches that lag |
//! | forged and swapped seals | `refusals`: tampered; [`seals`]: swapped, crafted |
//! | expired and orphaned seals | `refusals`: a link dies with its channel; [`seals`]: the rest |
//! | paths that lead elsewhere | `refusals`: unknown paths; [`seals`]: odd paths |
//! | compression | `links`: unpacked, a bomb; `real`: one that is cut, one that is none |
//! | size | `refusals`: beyond the limit; [`documents`]: lines, tags, loops |
//! | false content types | [`documents`]: decided by the bytes |
//! | private networks | `refusals`: private networks; [`reach`]: every carrier, name, redirect |
//! | other schemes | `refusals`: a bad playlist; [`reach`]: every scheme |
//! | secrets | `links`, `canary`: playlists; `steering`: documents; [`secrets`]: the rest |

use weir::delivery::Seal;
use weir::delivery::seal::Sealed;
use weir::delivery::seal::keys::Keyring;

use super::LIMITS;
use crate::support::gateway::Gateway;

mod documents;
mod reach;
mod reloads;
mod seals;
mod secrets;
mod variables;

/// A key that the gateway and the story have.
const KEY: &str = "a-key-of-these-stories-of-40-characters!";

fn seal() -> Seal {
    Seal::new(Keyring::configured(&[KEY]).unwrap())
}

/// What a link of such a gateway says.
fn opened(link: &str) -> Sealed {
    let text = link.rsplit('/').next().unwrap().split('.').next().unwrap();
    seal().open(text).unwrap_or_else(|| panic!("not sealed here: {link}"))
}

/// A link that such a gateway takes for its own.
fn crafted(sealed: &Sealed) -> String {
    format!("/s/{}.ts", seal().seal(sealed).unwrap())
}

/// A gateway with this key and one HLS channel.
async fn keyed(url: &str) -> Gateway {
    keyed_with(url, LIMITS).await
}

/// As [`keyed`], with other configuration instead of the usual limits.
async fn keyed_with(url: &str, more: &str) -> Gateway {
    super::hls_with(url, &format!("{more}\nhls: {{seal_key: {KEY:?}}}")).await
}
