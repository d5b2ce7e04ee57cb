//! IMF-fixdate (RFC 9110 5.6.7), enough of it to compare two of them.

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A number that orders dates: `Sun, 06 Nov 1994 08:49:37 GMT` to 1994_11_06_08_49_37. None for
/// anything else.
pub(super) fn seconds(date: &str) -> Option<u64> {
    let words: Vec<&str> = date.split(' ').collect();
    let [_weekday, day, month, year, time, "GMT"] = *words else { return None };
    let month = 1 + MONTHS.iter().position(|name| *name == month)? as u64;
    let clock: Vec<&str> = time.split(':').collect();
    let [hour, minute, second] = *clock else { return None };
    let fields = [day, hour, minute, second];
    let fields = fields.map(|digits| digits.parse::<u64>().ok().filter(|_| digits.len() == 2));
    let [Some(day), Some(hour), Some(minute), Some(second)] = fields else { return None };
    let day = (year.parse::<u64>().ok()? * 100 + month) * 100 + day;
    Some(((day * 100 + hour) * 100 + minute) * 100 + second)
}
