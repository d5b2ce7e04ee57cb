//! Filter graphs (`-vf`, `-af`, `-filter_complex`), read as FFmpeg reads them: two levels of quotes and
//! escapes, the first for the graph, the second for one filter's options. The names are allowed one by
//! one; of the options nothing may look like a file.

use std::fmt;

use crate::ffmpeg::shown;
use names::Known;

mod names;
#[cfg(test)]
mod tests;

/// Filters of one graph.
const FILTERS_MAX: usize = 64;

/// A graph that was checked. Displays as it was written, without what is meaningless in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Graph {
    /// `sws_flags=…`, which may stand before all filters.
    flags: Option<String>,
    /// Linear parts, between semicolons.
    pub(super) chains: Vec<Vec<Filter>>,
}

/// One filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Filter {
    /// `[in]` in front of it.
    pub(super) inputs: String,
    /// Its name.
    pub(super) name: String,
    /// Its options as written, escapes included; empty for none.
    pub(super) options: String,
    /// `[out]` behind it.
    pub(super) outputs: String,
}

impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(flags) = &self.flags {
            write!(f, "sws_flags={flags};")?;
        }
        for (number, chain) in self.chains.iter().enumerate() {
            f.write_str(if number == 0 { "" } else { ";" })?;
            for (number, filter) in chain.iter().enumerate() {
                let Filter { inputs, name, options, outputs } = filter;
                let comma = if number == 0 { "" } else { "," };
                let equals = if options.is_empty() { "" } else { "=" };
                write!(f, "{comma}{inputs}{name}{equals}{options}{outputs}")?;
            }
        }
        Ok(())
    }
}

/// Reads and checks a graph.
///
/// # Errors
/// What is wrong with it.
pub(super) fn parse(text: &str) -> Result<Graph, String> {
    let (flags, mut rest) = match text
        .strip_prefix("sws_flags=")
        .and_then(|rest| rest.split_once(';'))
    {
        Some((flags, rest))
            if flags.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+_".contains(&byte)) =>
        {
            (Some(flags.to_owned()), rest)
        }
        Some(_) => return Err("sws_flags: words and + only".to_owned()),
        None => (None, text),
    };
    let mut chains = vec![Vec::new()];
    for _ in 0..FILTERS_MAX {
        let filter = filter(&mut rest)?;
        check(&filter)?;
        if let Some(chain) = chains.last_mut() {
            chain.push(filter);
        }
        match rest.strip_prefix([',', ';']) {
            None if rest.is_empty() => return Ok(Graph { flags, chains }),
            None => return Err(format!("{} is not the beginning of a filter", shown(rest))),
            Some(after) if after.trim().is_empty() => {
                return Err("the graph ends in a sign".to_owned());
            }
            Some(after) => {
                if rest.starts_with(';') {
                    chains.push(Vec::new());
                }
                rest = after;
            }
        }
    }
    Err(format!("more than {FILTERS_MAX} filters"))
}

/// Takes one filter off the front: `[in]name@id=options[out]`.
fn filter(rest: &mut &str) -> Result<Filter, String> {
    let inputs = labels(rest)?;
    let end = rest.find(['=', ',', ';', '[']).unwrap_or(rest.len());
    let (name, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
    let name = name.trim().to_owned();
    *rest = after;
    let mut options = String::new();
    if let Some(after) = rest.strip_prefix('=') {
        let length = token(after, &['[', ']', ',', ';']).1;
        let (raw, after) = after.split_at_checked(length).unwrap_or((after, ""));
        options.push_str(raw.trim());
        *rest = after;
    }
    let outputs = labels(rest)?;
    Ok(Filter { inputs, name, options, outputs })
}

/// Takes labels off the front: `[0:v][logo]`.
fn labels(rest: &mut &str) -> Result<String, String> {
    let mut labels = String::new();
    *rest = rest.trim_start();
    while let Some(after) = rest.strip_prefix('[') {
        let Some((label, after)) = after.split_once(']') else {
            return Err("a label without its ]".to_owned());
        };
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b":_#-".contains(&byte);
        if label.is_empty() || label.len() > 64 || !label.bytes().all(allowed) {
            return Err(format!("{} is no label", shown(label)));
        }
        let file = label.split(':').next().unwrap_or_default();
        if file != "0" && file.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(format!("{}: there is one input, number 0", shown(label)));
        }
        labels.extend(["[", label, "]"]);
        *rest = after.trim_start();
    }
    Ok(labels)
}

/// Whether the filter is allowed, and its options name nothing outside.
fn check(filter: &Filter) -> Result<(), String> {
    let name = filter.name.split('@').next().unwrap_or_default();
    match names::find(name) {
        Known::Allowed => {}
        Known::Refused(reason) => {
            return Err(format!("the filter `{name}` is not allowed: {reason}"));
        }
        Known::Unknown => {
            return Err(format!("{} is not one of the filters that weir allows", shown(name)));
        }
    }
    let options = token(&filter.options, &[]).0;
    let mut rest = options.as_str();
    while !rest.is_empty() {
        let (option, length) = token(rest, &[':']);
        check_option(name, &option)?;
        rest = rest.get(length..).and_then(|rest| rest.strip_prefix(':')).unwrap_or_default();
    }
    Ok(())
}

/// One option of a filter after both levels of escapes. None of the allowed filters needs a file, and
/// later versions of FFmpeg may give one such an option.
fn check_option(filter: &str, option: &str) -> Result<(), String> {
    let is_key =
        |key: &str| key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_/-".contains(&byte));
    let (key, value) = match option.split_once('=') {
        Some((key, value)) if is_key(key) => (key, value),
        _ => ("", option),
    };
    let key = key.trim();
    if key.starts_with('/') {
        return Err(format!("the filter `{filter}`: {} reads its value from a file", shown(key)));
    }
    let is_file = ["file", "path", "url", "script", "model", "plugin", "library"];
    let without = key.replace("profile", "");
    if is_file.iter().any(|word| without.contains(word)) {
        return Err(format!("the filter `{filter}`: {} names a file", shown(key)));
    }
    let value = value.trim();
    let is_path =
        value.starts_with(['/', '~', '@']) || value.contains("..") || value.contains("://");
    if is_path || !value.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
        return Err(format!(
            "the filter `{filter}`: {} is no value that weir lets through",
            shown(value)
        ));
    }
    Ok(())
}

/// The text up to an unquoted one of `ends`, with quotes and escapes taken away as FFmpeg's
/// `av_get_token` does, and how many bytes of it there were.
fn token(text: &str, ends: &[char]) -> (String, usize) {
    let (mut plain, mut is_quoted, mut is_escaped) = (String::new(), false, false);
    for (at, sign) in text.char_indices() {
        match sign {
            _ if is_escaped => is_escaped = false,
            '\\' if !is_quoted => {
                is_escaped = true;
                continue;
            }
            '\'' => {
                is_quoted = !is_quoted;
                continue;
            }
            _ if !is_quoted && ends.contains(&sign) => return (plain, at),
            _ => {}
        }
        plain.push(sign);
    }
    (plain, text.len())
}
