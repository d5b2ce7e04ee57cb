//! Options inside of options: what `-x264-params` and its like hand to an encoder, and the filters of
//! packets (`-bsf`). Keys by an allow-list; both encoders have keys that write and read files.

use crate::ffmpeg::shown;

/// An encoder with a language of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoder {
    /// libx264.
    X264,
    /// libx265.
    X265,
    /// SVT-AV1.
    SvtAv1,
}

/// What is common to x264 and x265.
const BOTH: &str = "aq-mode aq-strength asm aud b-adapt b-pyramid bframes bitrate chroma-qp-offset \
     chromaloc colormatrix colorprim cplxblur crf crf-max cutree deblock direct fps frame-threads \
     fullrange interlace interlaced intra-refresh ipratio keyint level level-idc me merange min-keyint \
     nal-hrd hrd no-cutree no-deblock no-mbtree no-open-gop no-psy no-scenecut no-weightb open-gop \
     overscan pbratio profile psy-rd psy-rdoq qblur qcomp qp qpmax qpmin qpstep range ratetol rc-lookahead \
     rd ref refs repeat-headers sar scenecut slices slices-max subme threads transfer trellis vbv-bufsize \
     vbv-init vbv-maxrate videoformat weightb weightp";

const X264: &str = "8x8dct analyse annexb b-bias bff bluray-compat cabac chroma-me constrained-intra cqm \
     deadzone-inter deadzone-intra fake-interlaced fast-pskip filler force-cfr frame-packing lookahead-threads \
     mbtree mixed-refs mvrange no-8x8dct no-cabac no-chroma-me no-dct-decimate no-fast-pskip no-mixed-refs \
     non-deterministic nr open_gop partitions pic-struct psy rc-eq slice-max-mbs slice-max-size sliced-threads \
     stitchable sync-lookahead tff vbv_bufsize vbv_maxrate bframes-bias";

const X265: &str = "amp asm-avx512 b-intra constrained-intra ctu cu-lossless cu-stats-off dynamic-refine \
     early-skip fades gop-lookahead hme info limit-modes limit-refs limit-sao limit-tu lookahead-slices \
     lossless max-cll master-display max-merge max-tu-size min-cu-size no-amp no-early-skip no-info \
     no-limit-sao no-rect no-sao no-strong-intra-smoothing no-wpp opt-qp-pps opt-ref-list-length-pps pmode \
     pme pools qg-size rc-grain rdoq-level rdpenalty rect rskip sao selective-sao strict-cbr \
     strong-intra-smoothing tskip tu-inter-depth tu-intra-depth uhd-bd wpp hdr10 hdr10-opt dhdr10-opt \
     temporal-layers log-level";

const SVT_AV1: &str = "aq-mode crf enable-overlays enable-stat-report-off fast-decode film-grain \
     film-grain-denoise hierarchical-levels irefresh-type keyint lookahead lp mbr pin pred-struct preset \
     qp max-qp min-qp rc scd scm sharpness tbr tile-columns tile-rows tune bias-pct buf-sz buf-initial-sz \
     enable-tf";

/// Keys that make an encoder open a file, in any of them.
const FILES: &str = "stats dump-yuv qpfile tcfile-in tcfile-out timecode opencl-clbin opencl index output \
     cqmfile csv csv-log-level recon analysis-save analysis-load analysis-reuse-file refine-analysis-type \
     lambda-file scaling-list zonefile dolby-vision-rpu dhdr10-info qp-file fgs-table roi-map-file pass \
     film-grain-table svc-file abr-ladder multi-pass-opt-analysis";

/// Filters of packets; none opens anything.
const BITSTREAM_FILTERS: &str = "aac_adtstoasc ac3_core av1_metadata dca_core dump_extra dts2pts eac3_core \
     extract_extradata filter_units h264_metadata h264_mp4toannexb h264_redundant_pps hevc_metadata \
     hevc_mp4toannexb mpeg2_metadata null pgs_frame_merge remove_extra setts";

/// Whether `text`, `key=value:key=value`, has only keys that this encoder may be given.
pub(super) fn check(encoder: Encoder, text: &str) -> Result<(), String> {
    let own = match encoder {
        Encoder::X264 => [BOTH, X264],
        Encoder::X265 => [BOTH, X265],
        Encoder::SvtAv1 => [SVT_AV1, ""],
    };
    for pair in text.split(':') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if FILES.split_whitespace().any(|one| one == key) {
            return Err(format!("{} lets the encoder read or write a file", shown(key)));
        }
        if !own.iter().flat_map(|keys| keys.split_whitespace()).any(|one| one == key) {
            return Err(format!("{} is not one of the keys that weir allows here", shown(key)));
        }
        // No quote and no backslash: FFmpeg would take them away and see another key.
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._+-,()".contains(&byte);
        if !value.bytes().all(allowed) || value.contains("..") || value.len() > 200 {
            return Err(format!("{} is no value of {}", shown(value), shown(key)));
        }
    }
    Ok(())
}

/// Whether `text`, `name=key=value:key=value,name`, has only filters that are allowed.
pub(super) fn bitstream_filters(text: &str) -> Result<(), String> {
    for filter in text.split(',') {
        let (name, options) = filter.split_once('=').unwrap_or((filter, ""));
        if !BITSTREAM_FILTERS.split_whitespace().any(|one| one == name) {
            return Err(format!(
                "{} is not one of the packet filters that weir allows",
                shown(name)
            ));
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._+-*/()|:=".contains(&byte);
        let begins_path =
            options.contains("=/") || options.starts_with('/') || options.contains("..");
        if !options.bytes().all(allowed) || begins_path || options.len() > 200 {
            return Err(format!("{} is no options of {}", shown(options), shown(name)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_allowed_one_by_one() {
        let good = [
            (Encoder::X264, "keyint=50:min-keyint=50:scenecut=0:nal-hrd=cbr:force-cfr=1"),
            (Encoder::X264, "no-scenecut:vbv-maxrate=4000:vbv-bufsize=8000:deblock=-1,-1"),
            (Encoder::X265, "keyint=50:repeat-headers=1:aq-mode=3"),
            (Encoder::SvtAv1, "tune=0:film-grain=8"),
        ];
        for (encoder, text) in good {
            assert_eq!(check(encoder, text), Ok(()), "{text}");
        }
        let bad = [
            (Encoder::X264, "keyint=50:stats=/etc/x", "read or write a file"),
            (Encoder::X264, "qpfile=x", "read or write a file"),
            (Encoder::X264, "dump-yuv=x", "read or write a file"),
            (Encoder::X264, "opencl-clbin=x", "read or write a file"),
            (Encoder::X265, "csv=x", "read or write a file"),
            (Encoder::X265, "analysis-save=x", "read or write a file"),
            (Encoder::X264, "sta\\ts=x", "not one of the keys"),
            (Encoder::X264, "keyint='50:stats=x'", "no value of"),
            (Encoder::X264, "keyint=/etc/x", "no value of"),
            (Encoder::X264, "", "not one of the keys"),
            (Encoder::SvtAv1, "keyint=50:stats=x", "read or write a file"),
        ];
        for (encoder, text, why) in bad {
            let said = check(encoder, text).unwrap_err();
            assert!(said.contains(why), "{text}: {said}");
        }
    }

    #[test]
    fn no_key_stands_in_both_lists() {
        let allowed = [BOTH, X264, X265, SVT_AV1, BITSTREAM_FILTERS];
        let mut seen = 0;
        for key in FILES.split_whitespace() {
            assert!(
                !allowed.iter().any(|keys| keys.split_whitespace().any(|one| one == key)),
                "{key}"
            );
            seen += 1;
        }
        assert_eq!(seen, 31);
    }

    #[test]
    fn packet_filters_are_allowed_by_name() {
        for text in [
            "h264_mp4toannexb",
            "dump_extra=freq=keyframe",
            "filter_units=remove_types=35|38-40,null",
        ] {
            assert_eq!(bitstream_filters(text), Ok(()), "{text}");
        }
        for text in ["", "noise", "trace_headers", "null,x", "setts=/x", "setts=pts=a;b"] {
            assert!(bitstream_filters(text).is_err(), "{text}");
        }
    }
}
