//! The options of FFmpeg that weir knows: which it allows, in which place and with which form of
//! value, and which it refuses with a reason of their own. Any other is refused because it is not here.

use crate::ffmpeg::arguments::values::Form;

mod refused;
mod table;

/// Options of one kind.
pub(in crate::ffmpeg) struct Row {
    /// Where they may stand.
    pub(super) place: Place,
    /// Their value.
    pub(super) form: Form,
    /// A stream specifier may follow the name.
    pub(super) has_specifier: bool,
    /// weir sets it itself, so that it is accepted and left out.
    pub(super) is_ours: bool,
    /// Their names, between spaces.
    names: &'static str,
}

/// Where an option may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Anywhere: it is of the whole program.
    Global,
    /// Before `-i`.
    Input,
    /// Behind `-i`.
    Output,
    /// Either.
    Both,
}

/// Options that are refused for one reason.
struct Refused {
    /// The argument behind it is its value.
    has_value: bool,
    /// What it would do.
    reason: &'static str,
    /// Their names, between spaces.
    names: &'static str,
}

/// What is known about an option's name.
pub(in crate::ffmpeg) enum Known {
    /// In the table.
    Allowed(&'static Row),
    /// Known and refused.
    Refused {
        /// The argument behind it is its value.
        has_value: bool,
        /// What it would do.
        reason: &'static str,
    },
    /// Not known.
    Unknown {
        /// The name of an allowed option that differs in `-` and `_` only.
        near: Option<&'static str>,
    },
}

/// Looks for an option by its name without dash and stream specifier.
pub(in crate::ffmpeg) fn find(name: &str) -> Known {
    if let Some(row) = table::TABLE.iter().find(|row| names(row.names).any(|one| one == name)) {
        return Known::Allowed(row);
    }
    let refused =
        refused::REFUSED.iter().find(|refused| names(refused.names).any(|one| one == name));
    if let Some(Refused { has_value, reason, .. }) = refused {
        return Known::Refused { has_value: *has_value, reason };
    }
    let plain = |name: &str| name.replace('-', "_").to_ascii_lowercase();
    let wanted = plain(name);
    let mut all = table::TABLE.iter().flat_map(|row| names(row.names));
    Known::Unknown { near: all.find(|known| plain(known) == wanted) }
}

fn names(names: &'static str) -> impl Iterator<Item = &'static str> {
    names.split(' ').filter(|name| !name.is_empty())
}

/// Every name that is allowed.
#[cfg(test)]
pub(super) fn allowed() -> impl Iterator<Item = &'static str> {
    table::TABLE.iter().flat_map(|row| names(row.names))
}

/// Every name that is refused.
#[cfg(test)]
pub(super) fn refused() -> impl Iterator<Item = &'static str> {
    refused::REFUSED.iter().flat_map(|refused| names(refused.names))
}
