//! Rewriting a playlist line by line: URIs change, what tells of the source goes, everything else,
//! known or not, stays as the source wrote it, and every line stays.

use std::borrow::Cow;

use crate::media::m3u8::Error;
use crate::media::m3u8::attributes::Attribute;
use crate::media::m3u8::attributes::Attributes;
use crate::media::m3u8::line::BLANKS;
use crate::media::m3u8::line::Line;
use crate::media::m3u8::line::Lines;
use crate::media::m3u8::secrets;
use crate::media::m3u8::secrets::Secrets;
use crate::media::m3u8::tag::Form;
use crate::media::m3u8::tag::Tag;
use crate::media::m3u8::variables;
use crate::media::m3u8::variables::Budget;
use crate::media::m3u8::variables::Variables;
use class::Class;

mod class;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod tests;

/// URIs in one playlist, so that a list of nothing but short ones does not become hundreds of times
/// as long.
const URIS_MAX: usize = 100_000;

/// Names that were blanked and must still differ from one another.
const ALIASES_MAX: usize = 256;

/// Where a URI stands; decides what the player expects behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A variant, a rendition, an interstitial: another playlist.
    Playlist,
    /// A media segment.
    Segment,
    /// A media initialization section.
    Map,
    /// A partial segment, announced ones as well.
    Part,
    /// A decryption key or a licence.
    Key,
    /// A document for the player: session data, a steering manifest, a list of assets. It may have
    /// URIs of its own.
    Data,
    /// Anything else.
    Other,
}

/// What a playlist is rewritten in the light of.
#[derive(Clone, Copy, Default)]
pub struct Scope<'a> {
    /// The query of the playlist's own URL, after redirects, without the question mark.
    pub query: Option<&'a str>,
    /// The variables of the multivariant playlist that this one was found in.
    pub imported: Option<&'a Variables>,
    /// Host, user name, password, tokens of the source, in each form they may be written in.
    /// Shorter than four bytes are ignored.
    pub secrets: &'a [&'a str],
}

/// A playlist that may be shown to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewritten {
    /// The playlist.
    pub text: String,
    /// What it defines, for the [`Scope`] of the media playlists that it names.
    pub variables: Variables,
}

/// Rewrites every URI of `playlist` through `map`, which gets it with its variables replaced and
/// answers `None` for one that is to stay (data:, a DRM scheme). A byte order mark, which 8216
/// section 4.1 forbids, is dropped. Comments, titles and values of unknown tags that have a URL or
/// a secret in them are emptied. Since no reference to a variable is left, definitions give the
/// empty value.
///
/// The output has the lines of the input. Memory: the input, what `map` gives for at most 100,000
/// URIs, and at most 8 MiB of replaced variables. Time: linear in the input and the secrets.
///
/// # Errors
/// See [`Error`]; whatever `map` refuses is an error too.
pub fn rewrite(
    playlist: &[u8],
    scope: &Scope<'_>,
    map: impl FnMut(&str, Role) -> Result<Option<String>, Error>,
) -> Result<Rewritten, Error> {
    let text = std::str::from_utf8(playlist).map_err(|_| Error::NotUtf8)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = Lines::new(text)?;
    let mut rewriter = Rewriter {
        scope,
        secrets: Secrets::new(scope.secrets),
        map,
        variables: Variables::default(),
        budget: Budget::new(),
        uris: 0,
        aliases: Vec::new(),
        next: Role::Segment,
        output: String::with_capacity(text.len() + text.len() / 2),
    };
    for line in lines {
        rewriter.line(&line?)?;
    }
    Ok(Rewritten { text: rewriter.output, variables: rewriter.variables })
}

struct Rewriter<'s, M> {
    scope: &'s Scope<'s>,
    secrets: Secrets<'s>,
    map: M,
    variables: Variables,
    budget: Budget,
    /// URIs mapped so far.
    uris: usize,
    /// Blanked names in the order they came.
    aliases: Vec<String>,
    /// What the next URI line is.
    next: Role,
    output: String,
}

impl<M: FnMut(&str, Role) -> Result<Option<String>, Error>> Rewriter<'_, M> {
    fn line(&mut self, line: &Line<'_>) -> Result<(), Error> {
        self.output.push_str(line.lead);
        if let Some(tag) = Tag::parse(line.content) {
            self.tag(&tag)?;
        } else if line.is_uri() {
            let uri = self.substituted(line.content)?;
            let role = std::mem::replace(&mut self.next, Role::Segment);
            let mapped = self.mapped(&uri, role)?;
            self.output.push_str(&mapped);
        } else if self.secrets.are_told_by(line.content) {
            self.output.push('#');
        } else {
            self.output.push_str(line.content);
        }
        self.output.push_str(line.ending);
        Ok(())
    }

    fn tag(&mut self, tag: &Tag<'_>) -> Result<(), Error> {
        match tag.name {
            "EXT-X-STREAM-INF" => self.next = Role::Playlist,
            "EXTINF" => self.next = Role::Segment,
            _ => {}
        }
        self.output.push('#');
        self.output.push_str(tag.name);
        self.output.push_str(tag.colon);
        let value = tag.value;
        match tag.form() {
            Form::Definition => self.definition(value)?,
            Form::Info => self.info(value),
            Form::Plain => self.output.push_str(if secrets::has_url(value) { "" } else { value }),
            Form::List => self.list(tag)?,
            Form::Unknown if Attributes::is_list(value) || value.starts_with('"') => {
                self.list(tag)?;
            }
            Form::Unknown if self.secrets.are_told_by(value) => {}
            Form::Unknown => self.output.push_str(value),
        }
        Ok(())
    }

    /// EXTINF: a duration, which some sources let attributes follow, and a title.
    fn info(&mut self, value: &str) {
        let (duration, title) = value.split_once(',').unwrap_or((value, ""));
        if self.secrets.are_told_by(duration) {
            let is_number = |one: char| one.is_ascii_digit() || "+-.".contains(one);
            let end = duration.find(|one| !is_number(one)).unwrap_or(duration.len());
            self.output.push_str(duration.get(..end).unwrap_or_default());
            self.output.push(',');
        } else if self.secrets.are_told_by(title) {
            self.output.push_str(duration);
            self.output.push(',');
        } else {
            self.output.push_str(value);
        }
    }

    /// EXT-X-DEFINE (8216bis section 4.4.2.3).
    fn definition(&mut self, list: &str) -> Result<(), Error> {
        let mut attributes: [Option<&str>; 4] = [None; 4];
        let names = ["NAME", "VALUE", "QUERYPARAM", "IMPORT"];
        for attribute in Attributes::new(list) {
            let attribute = attribute?;
            let slots = names.iter().zip(&mut attributes);
            let slot = slots.filter(|(name, _)| **name == attribute.name).map(|(_, slot)| slot);
            for slot in slot {
                if !attribute.is_quoted || slot.replace(attribute.value).is_some() {
                    return Err(Error::Definition);
                }
            }
        }
        let (name, value, is_import) = match attributes {
            [Some(name), Some(value), None, None] => {
                (name, self.substituted(value)?.into_owned(), false)
            }
            [None, None, Some(name), None] => {
                let query = self.scope.query.unwrap_or_default();
                let value = variables::query_parameter(query, name).ok_or(Error::Definition)?;
                (name, value, false)
            }
            [None, None, None, Some(name)] => {
                let value = self.scope.imported.and_then(|variables| variables.get(name));
                (name, value.ok_or(Error::Definition)?.to_owned(), true)
            }
            _ => return Err(Error::Definition),
        };
        self.variables.define(name, &value)?;
        self.output.push_str(if is_import { "IMPORT=\"" } else { "NAME=\"" });
        self.output.push_str(name);
        // A player that imports finds the empty value of the multivariant playlist.
        self.output.push_str(if is_import { "\"" } else { "\",VALUE=\"\"" });
        Ok(())
    }

    fn list(&mut self, tag: &Tag<'_>) -> Result<(), Error> {
        let mut is_first = true;
        let mut is_one_gone = false;
        for attribute in Attributes::new(tag.value) {
            let attribute = attribute?;
            let before = self.output.len();
            // The comma goes with the attribute behind it, and none is left over in front.
            if !(is_first && is_one_gone) {
                self.output.push_str(attribute.separator);
            }
            if self.attribute(tag, &attribute)? {
                is_first = false;
            } else {
                self.output.truncate(before);
                is_one_gone = true;
            }
        }
        Ok(())
    }

    /// Writes an attribute behind its separator; `false` where it has to go.
    fn attribute(&mut self, tag: &Tag<'_>, attribute: &Attribute<'_>) -> Result<bool, Error> {
        let class = Class::of(tag, attribute.name);
        if class == Class::Free && self.secrets.are_told_by(attribute.name) {
            return Ok(false);
        }
        let value = if attribute.is_quoted {
            self.substituted(attribute.value)?
        } else {
            self.hexadecimal(attribute.value)?
        };
        let role = match class {
            Class::Uri(role) => Some(role),
            Class::Free if attribute.is_quoted && secrets::is_url(value.trim_matches(BLANKS)) => {
                Some(Role::Other)
            }
            _ => None,
        };
        let (value, is_quoted) = match role {
            Some(role) => {
                let mapped = self.mapped(&value, role)?;
                let needs_quotes = mapped != value && mapped.contains([',', ' ', '\t']);
                (Cow::Owned(mapped), attribute.is_quoted || needs_quotes)
            }
            None => match self.shown(&value, class) {
                None => (value, attribute.is_quoted),
                Some(_) if attribute.name.is_empty() && !attribute.is_quoted => return Ok(false),
                Some(shown) => (Cow::Owned(shown), true),
            },
        };
        self.output.push_str(attribute.name);
        self.output.push_str(attribute.equals);
        let quote = if is_quoted { "\"" } else { "" };
        self.output.push_str(quote);
        self.output.push_str(&value);
        self.output.push_str(quote);
        Ok(true)
    }

    /// A URI, mapped; blanks around it stay. An empty one leads nowhere and stays as well.
    fn mapped(&mut self, value: &str, role: Role) -> Result<String, Error> {
        let uri = value.trim_matches(BLANKS);
        self.uris += 1;
        if self.uris > URIS_MAX {
            return Err(Error::TooLong);
        }
        let mapped = if uri.is_empty() { None } else { (self.map)(uri, role)? };
        let Some(mapped) = mapped.filter(|mapped| mapped != uri) else {
            return Ok(value.to_owned());
        };
        // It would end the attribute or the line.
        if mapped.contains(|one: char| one == '"' || one.is_control()) {
            return Err(Error::BadUri);
        }
        Ok(value.replacen(uri, &mapped, 1))
    }

    /// What to write for a value that is no URI; `None` for itself.
    fn shown(&mut self, value: &str, class: Class) -> Option<String> {
        let is_told = match class {
            Class::Format => secrets::has_url(value),
            _ => self.secrets.are_told_by(value),
        };
        if !is_told {
            return None;
        }
        if class != Class::Name {
            return Some(String::new());
        }
        // Groups and names refer to one another: equal ones must stay equal, others different.
        let known = self.aliases.iter().position(|alias| alias == value);
        let index = known.unwrap_or(self.aliases.len());
        if known.is_none() && index < ALIASES_MAX {
            self.aliases.push(value.to_owned());
        }
        Some(format!("hidden-{index}"))
    }

    fn substituted<'t>(&mut self, text: &'t str) -> Result<Cow<'t, str>, Error> {
        variables::substitute(text, &self.variables, &mut self.budget)
    }

    /// Of values without quotes only hexadecimal sequences have variables (8216bis section 4.3).
    fn hexadecimal<'t>(&mut self, value: &'t str) -> Result<Cow<'t, str>, Error> {
        let value = Cow::Borrowed(value);
        let has_prefix = |text: &str| text.starts_with("0x") || text.starts_with("0X");
        if !value.contains("{$") || !(has_prefix(&value) || value.starts_with("{$")) {
            return Ok(value);
        }
        let replaced = match self.substituted(&value) {
            Ok(replaced) => replaced.into_owned(),
            Err(Error::Undefined) if !has_prefix(&value) => return Ok(value),
            Err(error) => return Err(error),
        };
        let is_sequence =
            has_prefix(&replaced) && replaced.bytes().skip(2).all(|byte| byte.is_ascii_hexdigit());
        match is_sequence {
            true => Ok(Cow::Owned(replaced)),
            false if has_prefix(&value) => Err(Error::Definition),
            false => Ok(value),
        }
    }
}
