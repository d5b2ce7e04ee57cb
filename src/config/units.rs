//! How durations, sizes and bit rates are written: `500ms 2s 5m 1h`, `64KiB 1MiB`, `192k`. Pure text in, numbers out.

use std::time::Duration;

use super::mistake::quoted;

/// Reads a duration: a whole number and one of `ms s m h`.
///
/// # Errors
/// What is wrong with it and how to write it.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || {
        format!(
            "{} is not a duration; write a whole number and a unit: 500ms, 2s, 5m, 1h",
            quoted(text)
        )
    };
    let (number, unit) = number_and_unit(text).ok_or_else(wrong)?;
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "" => return Err(format!("{} has no unit; write {number}s or {number}ms", quoted(text))),
        _ => return Err(wrong()),
    };
    number.checked_mul(unit_ms).map(Duration::from_millis).ok_or_else(wrong)
}

/// Writes a duration as [`duration`] reads it, in the largest unit that needs no fraction (`60s` stays `60s`).
pub(crate) fn show_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match () {
        () if duration.subsec_millis() != 0 => format!("{}ms", duration.as_millis()),
        () if seconds >= 3600 && seconds.is_multiple_of(3600) => format!("{}h", seconds / 3600),
        () if seconds >= 120 && seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        () => format!("{seconds}s"),
    }
}

/// Reads a size: a whole number and one of `B KiB MiB GiB`; without a unit it counts bytes.
///
/// # Errors
/// What is wrong with it and how to write it.
pub(crate) fn size(text: &str) -> Result<usize, String> {
    let wrong =
        || format!("{} is not a size; write a whole number and a unit: 64KiB, 1MiB", quoted(text));
    let (number, unit) = number_and_unit(text).ok_or_else(wrong)?;
    let unit_bytes: u64 = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(wrong()),
    };
    number.checked_mul(unit_bytes).and_then(|bytes| usize::try_from(bytes).ok()).ok_or_else(wrong)
}

/// Writes a size as [`size`] reads it, in the largest unit that needs no fraction.
pub(crate) fn show_size(bytes: usize) -> String {
    match () {
        () if bytes >= 1 << 30 && bytes.is_multiple_of(1 << 30) => format!("{}GiB", bytes >> 30),
        () if bytes >= 1 << 20 && bytes.is_multiple_of(1 << 20) => format!("{}MiB", bytes >> 20),
        () if bytes >= 1 << 10 && bytes.is_multiple_of(1 << 10) => format!("{}KiB", bytes >> 10),
        () => format!("{bytes}B"),
    }
}

/// Reads a bit rate in bits per second: a whole number, `k` for thousands and `M` for millions (FFmpeg's spelling).
///
/// # Errors
/// What is wrong with it and how to write it.
pub(crate) fn bitrate(text: &str) -> Result<u32, String> {
    let wrong = || {
        format!("{} is not a bit rate; write thousands of bits per second, as 192k", quoted(text))
    };
    let (number, unit) = number_and_unit(text).ok_or_else(wrong)?;
    let unit_bps = match unit {
        "" => 1,
        "k" | "K" => 1000,
        "M" => 1_000_000,
        _ => return Err(wrong()),
    };
    number.checked_mul(unit_bps).and_then(|bps| u32::try_from(bps).ok()).ok_or_else(wrong)
}

/// Writes a bit rate as [`bitrate`] reads it.
pub(crate) fn show_bitrate(bps: u32) -> String {
    if bps >= 1000 && bps.is_multiple_of(1000) {
        format!("{}k", bps / 1000)
    } else {
        bps.to_string()
    }
}

/// Splits `64KiB` into 64 and `KiB`; a space between them is allowed.
fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    Some((number.parse().ok()?, unit.trim_start_matches(' ')))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations() {
        let cases = [
            ("500ms", 500),
            ("2s", 2000),
            ("60s", 60_000),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("0s", 0),
        ];
        for (text, ms) in cases {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
            assert_eq!(show_duration(Duration::from_millis(ms)), text);
        }
        assert_eq!(show_duration(Duration::from_millis(1500)), "1500ms");
        for text in [
            "",
            "s",
            "1.5s",
            "-1s",
            "2d",
            "99999999999999999999h",
            "18446744073709551615h",
            "1m30s",
            "2 S",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert!(duration("60").unwrap_err().contains("write 60s"));
    }

    #[test]
    fn sizes_and_bit_rates() {
        for (text, bytes) in
            [("16KiB", 16384), ("4MiB", 4 << 20), ("1GiB", 1 << 30), ("1000B", 1000)]
        {
            assert_eq!(size(text), Ok(bytes), "{text}");
            assert_eq!(show_size(bytes), text);
        }
        assert_eq!(size("4096"), Ok(4096));
        for text in ["", "KiB", "64KB", "64kib", "1.5MiB", "99999999999GiB"] {
            assert!(size(text).is_err(), "{text}");
        }
        assert_eq!((bitrate("192k"), bitrate("192000")), (Ok(192_000), Ok(192_000)));
        assert_eq!((bitrate("1M"), show_bitrate(192_000)), (Ok(1_000_000), "192k".to_owned()));
        assert!(bitrate("5000M").is_err() && bitrate("k").is_err());
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(ms in 0..=u64::from(u32::MAX), bytes in 0..=usize::MAX >> 2, bps: u32) {
            prop_assert_eq!(duration(&show_duration(Duration::from_millis(ms))), Ok(Duration::from_millis(ms)));
            prop_assert_eq!(size(&show_size(bytes)), Ok(bytes));
            prop_assert_eq!(bitrate(&show_bitrate(bps)), Ok(bps));
        }

        #[test]
        fn no_text_panics(text in ".{0,30}") {
            let quiet = duration(&text).is_err() && size(&text).is_err() && bitrate(&text).is_err();
            prop_assert!(quiet || text.starts_with(|c: char| c.is_ascii_digit()));
        }
    }
}
