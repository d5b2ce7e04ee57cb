//! What a process takes: processor time and memory, from `/proc/PID/stat` and `/proc/PID/statm`
//! (proc(5)).

use std::fs;
use std::time::Duration;

use rustix::param::clock_ticks_per_second;
use rustix::param::page_size;

/// What a process has taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// User and system time of all its threads.
    pub(super) cpu: Duration,
    /// Resident memory in bytes.
    pub(super) rss_bytes: u64,
}

/// Of the process `pid`; `None` when it is gone.
pub(super) fn of(pid: u32) -> Option<Usage> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let statm = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    Some(Usage {
        cpu: cpu(&stat, clock_ticks_per_second())?,
        rss_bytes: rss_pages(&statm)?.saturating_mul(page_size() as u64),
    })
}

/// Fields 14 and 15, utime and stime. The name before them may hold spaces and brackets.
fn cpu(stat: &str, ticks_per_second: u64) -> Option<Duration> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    let sum = ticks()?.saturating_add(ticks()?);
    Some(Duration::from_millis(sum.saturating_mul(1000).checked_div(ticks_per_second)?))
}

fn rss_pages(statm: &str) -> Option<u64> {
    statm.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_behind_the_name() {
        let stat = "7 (ff) mp (eg) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 9 0 1 2 3 4";
        assert_eq!(cpu(stat, 100), Some(Duration::from_secs(3)));
        assert_eq!(cpu(stat, 0), None);
        for stat in ["", "7 (x", "7 (x) S 1", "7 (x) S 1 7 7 0 -1 4194304 100 0 0 0 x 50"] {
            assert_eq!(cpu(stat, 100), None);
        }
        assert_eq!((rss_pages("100 25 3 1"), rss_pages("100")), (Some(25), None));
    }

    #[test]
    fn this_process_takes_something_and_none_takes_nothing() {
        assert!(of(std::process::id()).unwrap().rss_bytes > 100_000);
        assert_eq!(of(u32::MAX), None);
    }
}
