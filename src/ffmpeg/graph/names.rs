//! The names of filters. What is allowed computes on pictures or sound and opens nothing.

/// What is known about a filter's name.
pub(super) enum Known {
    /// It may be used.
    Allowed,
    /// It may not, and this is why.
    Refused(&'static str),
    /// It stands in no list.
    Unknown,
}

/// Looks for a filter.
pub(super) fn find(name: &str) -> Known {
    let is_in = |names: &str| names.split_whitespace().any(|one| one == name);
    if ALLOWED.iter().any(|names| is_in(names)) {
        return Known::Allowed;
    }
    let refused = REFUSED.iter().find(|(_, names)| is_in(names));
    refused.map_or(Known::Unknown, |(reason, _)| Known::Refused(reason))
}

static ALLOWED: [&str; 4] = [
    // Size, rate and form of pictures.
    "scale zscale fps framerate minterpolate format noformat crop cropdetect pad setsar setdar setpts settb \
     setfield setparams setrange fieldorder field separatefields weave doubleweave interlace tinterlace \
     telecine detelecine pullup fieldmatch decimate mpdecimate dejudder framestep transpose hflip vflip \
     rotate yadif bwdif w3fdif estdif kerndeint idet null copy split select overlay colorspace colormatrix \
     tonemap realtime fifo",
    // Their look.
    "eq hue colorbalance colorchannelmixer colortemperature exposure vibrance huesaturation lutyuv lutrgb lut \
     limiter normalize hqdn3d nlmeans atadenoise vaguedenoiser owdenoise fftdnoiz dctdnoiz bm3d removegrain \
     median unsharp cas smartblur gblur boxblur avgblur sab deband deblock deflicker noise drawbox drawgrid \
     delogo fade vignette tpad",
    // The same in hardware.
    "hwupload hwdownload hwmap hwupload_cuda scale_vaapi deinterlace_vaapi denoise_vaapi procamp_vaapi \
     sharpness_vaapi tonemap_vaapi transpose_vaapi scale_cuda scale_npp scale2ref_npp yadif_cuda bwdif_cuda \
     transpose_npp chromakey_cuda colorspace_cuda overlay_vaapi overlay_cuda overlay_qsv scale_qsv \
     deinterlace_qsv vpp_qsv tonemap_opencl scale_vulkan bwdif_vulkan",
    // Sound.
    "volume aresample aformat pan loudnorm dynaudnorm speechnorm acompressor alimiter agate compand mcompand \
     sidechaincompress equalizer anequalizer superequalizer firequalizer bass treble highpass lowpass \
     bandpass bandreject allpass highshelf lowshelf biquad deesser adeclick adeclip afftdn anlmdn adenorm \
     adelay atempo asetrate asetpts asettb asetnsamples channelmap channelsplit join amerge amix asplit \
     anull aselect aeval stereotools stereowiden extrastereo crossfeed haas dcshift crystalizer \
     dialoguenhance surround axcorrelate arealtime afifo astats volumedetect ebur128 silencedetect afade \
     apulsator tremolo vibrato",
];

pub(super) static REFUSED: [(&str, &str); 14] = [
    ("it opens a file or an address as a second input", "movie amovie"),
    ("it reads a file of subtitles", "subtitles ass"),
    ("it reads fonts and texts from files", "drawtext"),
    ("it reads a table from a file", "lut1d lut3d curves removelogo cover_rect find_rect"),
    ("it loads code from a library", "frei0r frei0r_src ladspa lv2 aemphasis_lv2"),
    ("it reads measurements from a file", "sofalizer afir"),
    ("it opens a socket and obeys whoever connects", "zmq azmq"),
    ("it reads commands from a file", "sendcmd asendcmd"),
    ("it can write what it finds to a file", "metadata ametadata"),
    (
        "it writes statistics to a file and needs a second input",
        "ssim psnr xpsnr libvmaf vmafmotion identity msad",
    ),
    (
        "it reads or writes a file of motion",
        "vidstabdetect vidstabtransform deshake signature mestimate",
    ),
    (
        "it loads a model from a file",
        "dnn_processing dnn_detect dnn_classify sr derain nnedi arnndn asr whisper ocr",
    ),
    (
        "it runs a program that it reads",
        "program_opencl openclsrc libplacebo coreimage coreimagesrc",
    ),
    (
        "it makes a stream of its own, and weir feeds FFmpeg the only one",
        "testsrc testsrc2 color nullsrc smptebars smptehdbars rgbtestsrc yuvtestsrc allrgb allyuv haldclutsrc \
         haldclut life mandelbrot mptestsrc cellauto gradients sierpinski anullsrc sine aevalsrc anoisesrc \
         hilbert sinc flite abuffer buffer",
    ),
];
