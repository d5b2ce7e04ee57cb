//! The kinds of sound that are converted.

use weir::remux::codec::BuiltIn;
use weir::remux::codec::Codecs;
use weir::remux::codec::Coding;

/// Samples a second of all sound here.
pub(crate) const RATE: i64 = 48_000;

/// Sound of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sound {
    Ac3Surround,
    Ac3Stereo,
    Eac3Surround,
    Mp2Stereo,
}

impl Sound {
    pub(crate) const ALL: [Self; 4] =
        [Self::Ac3Surround, Self::Ac3Stereo, Self::Eac3Surround, Self::Mp2Stereo];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ac3Surround => "ac3-5.1-448k",
            Self::Ac3Stereo => "ac3-2.0-192k",
            Self::Eac3Surround => "eac3-5.1-256k",
            Self::Mp2Stereo => "mp2-2.0-192k",
        }
    }

    pub(crate) fn coding(self) -> Coding {
        match self {
            Self::Ac3Surround | Self::Ac3Stereo => Coding::Ac3,
            Self::Eac3Surround => Coding::Eac3,
            Self::Mp2Stereo => Coding::Mp2,
        }
    }

    pub(crate) fn bits(self) -> i64 {
        match self {
            Self::Ac3Surround => 448_000,
            Self::Eac3Surround => 256_000,
            Self::Ac3Stereo | Self::Mp2Stereo => 192_000,
        }
    }

    /// Samples of each channel in a frame.
    pub(crate) fn frame_samples(self) -> i64 {
        if self == Self::Mp2Stereo { 1152 } else { 1536 }
    }

    /// Bytes of a frame; at these rates all are equal.
    pub(crate) fn frame_len(self) -> i64 {
        self.bits() * self.frame_samples() / RATE / 8
    }

    /// Whether this build of weir converts it.
    pub(crate) fn is_decoded(self) -> bool {
        BuiltIn.decodes(self.coding())
    }

    /// What FFmpeg makes it of: in each channel a tone, a third harmonic that is struck twice a second, and noise.
    pub(crate) fn signal(self) -> String {
        let tone = |pitch: u32, later: f64, seed: u32| {
            format!(
                "0.25*sin(2*PI*{pitch}*t)+0.25*sin(6*PI*{pitch}*t)*exp(-6*mod(t+{later}\\,0.5))\
                 +0.06*(random({seed})-0.5)"
            )
        };
        let mut channels = vec![tone(220, 0.0, 0), tone(277, 0.1, 1)];
        let is_surround = matches!(self, Self::Ac3Surround | Self::Eac3Surround);
        if is_surround {
            let low = tone(55, 0.1, 3);
            channels.extend([tone(330, 0.2, 2), low, tone(185, 0.3, 4), tone(440, 0.4, 5)]);
        }
        let layout = if is_surround { "5.1" } else { "stereo" };
        format!("aevalsrc={}:c={layout}:s={RATE}", channels.join("|"))
    }
}
