//! Access units cut out of clean streams.

use weir::remux::Coding;

/// All whole access units of a stream that begins with one.
pub(crate) fn frames(coding: Coding, mut stream: &[u8]) -> Vec<&[u8]> {
    let mut frames = Vec::new();
    while stream.len() > 8 {
        let Some((frame, rest)) = stream.split_at_checked(length(coding, stream)) else { break };
        frames.push(frame);
        stream = rest;
    }
    frames
}

fn length(coding: Coding, frame: &[u8]) -> usize {
    match coding {
        // ETSI TS 102 366, table 4.13, at 48 kHz alone.
        Coding::Ac3 => {
            const KBPS: [usize; 19] = [
                32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576,
                640,
            ];
            assert_eq!((frame[0], frame[1], frame[4] >> 6), (0x0b, 0x77, 0));
            KBPS[usize::from(frame[4] & 0x3f) / 2] * 4
        }
        Coding::Eac3 => {
            assert_eq!(frame[..2], [0x0b, 0x77]);
            2 * (usize::from(frame[2] & 7) * 256 + usize::from(frame[3]) + 1)
        }
        Coding::Mp2 => {
            const KBPS: [usize; 15] =
                [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384];
            const HALF: [usize; 15] =
                [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
            assert_eq!((frame[0], frame[1] & 0xf6), (0xff, 0xf4));
            let whole = frame[1] & 8 != 0;
            let rate = [44_100, 48_000, 32_000][usize::from(frame[2] >> 2 & 3)]
                / if whole { 1 } else { 2 };
            let kbps = if whole { KBPS } else { HALF }[usize::from(frame[2] >> 4)];
            144_000 * kbps / rate + usize::from(frame[2] >> 1 & 1)
        }
        Coding::Latm => {
            assert_eq!((frame[0], frame[1] >> 5), (0x56, 7));
            3 + usize::from(frame[1] & 0x1f) * 256 + usize::from(frame[2])
        }
    }
}
