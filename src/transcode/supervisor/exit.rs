//! What the exit of a process means. Pure.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use rustix::process::Signal;

use crate::transcode::Cause;
use crate::transcode::exec;
use crate::transcode::messages::Messages;

/// What an exit means, with what was said before it.
pub(super) fn cause_of(status: ExitStatus, has_begun: bool, messages: &Messages) -> Cause {
    let is_ours = |code: i32| {
        let is_helper = || messages.has_said(|line| line.starts_with(exec::PREFIX));
        code == i32::from(exec::NOT_EXECUTED) && is_helper()
    };
    let is_full = || messages.has_said(|line| line.contains("No space left on device"));
    match (status.code(), status.signal()) {
        (Some(0), _) if has_begun => Cause::Ended,
        (Some(0), _) => Cause::NoOutput,
        (Some(code), _) if is_ours(code) => Cause::Missing,
        (Some(_), _) if is_full() => Cause::DiskFull,
        (_, Some(signal)) if signal == Signal::XFSZ.as_raw() => Cause::Quota,
        (_, Some(_)) => Cause::Signal,
        _ => Cause::Crashed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exits_have_causes() {
        let code = |code: i32| ExitStatus::from_raw(code << 8);
        let cases = [
            (code(0), true, "", Cause::Ended),
            (code(0), false, "", Cause::NoOutput),
            (code(1), true, "x: Invalid data", Cause::Crashed),
            (code(127), false, "weir exec-child: cannot execute ffmpeg: x", Cause::Missing),
            (code(127), false, "sh: not found", Cause::Crashed),
            (
                code(228),
                true,
                "av_interleaved_write_frame(): No space left on device",
                Cause::DiskFull,
            ),
            (ExitStatus::from_raw(11), true, "", Cause::Signal),
            (ExitStatus::from_raw(25), true, "", Cause::Quota),
        ];
        for (status, has_begun, message, cause) in cases {
            let mut messages = Messages::default();
            messages.push(format!("{message}\nConversion failed!\n").as_bytes());
            assert_eq!(cause_of(status, has_begun, &messages), cause, "{status} {message}");
        }
    }
}
