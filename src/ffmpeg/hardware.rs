//! Hardware encoders: which ones a command line needs, and how each is tried.

use std::fmt;

use crate::ffmpeg::arguments::Arguments;

/// A way to reach an encoder in hardware.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hardware {
    /// NVIDIA's, through CUDA.
    Nvenc,
    /// Intel's and AMD's, through a render node.
    Vaapi,
    /// Intel's, through Quick Sync Video.
    Qsv,
}

impl fmt::Display for Hardware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nvenc => "NVENC",
            Self::Vaapi => "VAAPI",
            Self::Qsv => "QSV",
        })
    }
}

impl Hardware {
    /// All of them, in the order they are shown.
    pub const ALL: [Self; 3] = [Self::Nvenc, Self::Vaapi, Self::Qsv];

    /// The arguments of a trial: one second of black pictures, encoded and thrown away. `node` is the
    /// render node to try.
    #[must_use]
    pub fn trial(self, node: &str) -> Vec<String> {
        let (device, filter, encoder) = match self {
            Self::Nvenc => (vec![], "format=yuv420p", "h264_nvenc"),
            Self::Vaapi => (vec!["-vaapi_device", node], "format=nv12,hwupload", "h264_vaapi"),
            Self::Qsv => (vec![], "format=nv12", "h264_qsv"),
        };
        let source = ["-f", "lavfi", "-i", "color=black:size=640x360:rate=25:duration=1"];
        let sink = ["-vf", filter, "-c:v", encoder, "-f", "null", "-"];
        let before = ["-hide_banner", "-nostdin", "-nostats", "-loglevel", "error"];
        let all = before.into_iter().chain(device).chain(source).chain(sink);
        all.map(str::to_owned).collect()
    }

    /// What to do where a trial fails.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::Nvenc => {
                "for NVIDIA cards install the driver with libnvidia-encode, and let weir's user open \
                 /dev/nvidia*"
            }
            Self::Vaapi => {
                "for Intel and AMD install a VA-API driver (intel-media-va-driver, mesa-va-drivers), and \
                 add weir's user to the group render, which owns /dev/dri/renderD128"
            }
            Self::Qsv => {
                "for Intel install intel-media-va-driver and libmfx-gen1 or libvpl, and add weir's user \
                 to the group render"
            }
        }
    }

    /// The hardware that an option's value speaks of: an encoder, a decoder, a device, a filter.
    fn of_word(word: &str) -> Option<Self> {
        let has = |parts: &[&str]| parts.iter().any(|part| word.contains(part));
        match () {
            () if has(&["nvenc", "cuvid", "cuda", "npp", "nvdec"]) => Some(Self::Nvenc),
            () if has(&["vaapi", "/dev/dri/"]) => Some(Self::Vaapi),
            () if has(&["qsv"]) => Some(Self::Qsv),
            () => None,
        }
    }
}

impl Arguments {
    /// The hardware that this command line does not work without, each once.
    #[must_use]
    pub fn hardware(&self) -> Vec<Hardware> {
        let mut all = Vec::new();
        for setting in self.settings() {
            let value = setting.value.as_deref().unwrap_or_default();
            match setting.base() {
                "c"
                | "codec"
                | "vcodec"
                | "init_hw_device"
                | "vaapi_device"
                | "qsv_device"
                | "hwaccel"
                | "hwaccel_output_format" => all.extend(Hardware::of_word(value)),
                _ => {
                    let filters = setting.graph().into_iter().flat_map(|graph| graph.chains);
                    all.extend(
                        filters.flatten().filter_map(|filter| Hardware::of_word(&filter.name)),
                    );
                }
            }
        }
        all.sort_unstable();
        all.dedup();
        all
    }
}
