//! The chunked coding (RFC 9112, 7.1), as far as gateways send it.

/// What a body's bytes are to be taken for.
#[derive(Debug)]
pub(crate) enum Coding {
    /// Media until the connection ends.
    Plain,
    Chunked(Place),
}

/// Where in the coding the bytes are.
#[derive(Debug)]
pub(crate) enum Place {
    /// In the line with the size: what of it is known, and whether an extension has begun.
    Size { size: usize, is_extension: bool },
    /// So much of the chunk is to come.
    Data(usize),
    /// The line end behind the chunk.
    End,
    /// The last chunk has come.
    Over,
}

impl Coding {
    pub(crate) fn of(head: &str) -> Self {
        let chunked = head.lines().filter_map(|line| line.split_once(':')).any(|(name, value)| {
            name.eq_ignore_ascii_case("transfer-encoding")
                && value.trim().eq_ignore_ascii_case("chunked")
        });
        if chunked {
            Self::Chunked(Place::Size { size: 0, is_extension: false })
        } else {
            Self::Plain
        }
    }

    /// Whether the body has told its end.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self, Self::Chunked(Place::Over))
    }

    /// Hands the media among these bytes to `each`.
    pub(crate) fn push(&mut self, bytes: &[u8], mut each: impl FnMut(&[u8])) {
        let Self::Chunked(place) = self else { return each(bytes) };
        let mut rest = bytes;
        while let Some((first, behind)) = rest.split_first() {
            match place {
                Place::Size { size, is_extension } => {
                    match char::from(*first) {
                        '\n' if *size == 0 => *place = Place::Over,
                        '\n' => *place = Place::Data(*size),
                        digit => match digit.to_digit(16).filter(|_| !*is_extension) {
                            Some(digit) => *size = *size * 16 + digit as usize,
                            None => *is_extension = true,
                        },
                    }
                    rest = behind;
                }
                Place::Data(left) => {
                    let (data, behind) = rest.split_at((*left).min(rest.len()));
                    each(data);
                    *left -= data.len();
                    if *left == 0 {
                        *place = Place::End;
                    }
                    rest = behind;
                }
                Place::End => {
                    if *first == b'\n' {
                        *place = Place::Size { size: 0, is_extension: false };
                    }
                    rest = behind;
                }
                Place::Over => return,
            }
        }
    }
}
