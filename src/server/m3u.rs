//! `/playlist.m3u`: all channels, as players import them.

use std::fmt::Write;

use crate::channel::Catalog;

/// The list. `base` is where the client reaches us, a token's path prefix included.
pub(super) fn list(catalog: &Catalog, base: &str) -> String {
    let mut text = String::from("#EXTM3U\n");
    for channel in catalog.channels() {
        let (id, name) = (&channel.id, one_line(&channel.name));
        // Writing into a String cannot fail.
        _ = writeln!(
            text,
            "#EXTINF:-1 tvg-id=\"{id}\" tvg-name=\"{name}\",{name}\n{base}/stream/{id}"
        );
    }
    text
}

/// Names stand in an attribute and at the end of a line.
fn one_line(name: &str) -> String {
    name.chars().map(|c| if c.is_control() || c == '"' { ' ' } else { c }).collect()
}
