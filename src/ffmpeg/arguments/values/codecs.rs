//! Names of encoders and decoders, between spaces.

/// What may stand behind `-c` of the output.
pub(super) static ENCODERS: [&str; 4] = [
    "copy",
    // Pictures.
    "libx264 libx265 libopenh264 libsvtav1 mpeg2video h264 hevc \
     h264_nvenc hevc_nvenc av1_nvenc h264_vaapi hevc_vaapi mpeg2_vaapi av1_vaapi \
     h264_qsv hevc_qsv mpeg2_qsv av1_qsv h264_amf hevc_amf h264_v4l2m2m hevc_v4l2m2m h264_rkmpp \
     hevc_rkmpp",
    // Sound.
    "aac libfdk_aac ac3 ac3_fixed eac3 mp2 mp2fixed libtwolame libmp3lame libopus opus dca",
    // Subtitles.
    "dvbsub dvb_subtitle webvtt",
];

/// What may stand behind `-c` of the input.
pub(super) static DECODERS: [&str; 3] = [
    "h264 hevc mpeg2video mpeg1video mpeg4 vc1 av1 libdav1d \
     h264_cuvid hevc_cuvid mpeg2_cuvid av1_cuvid vc1_cuvid h264_qsv hevc_qsv mpeg2_qsv av1_qsv \
     h264_v4l2m2m hevc_v4l2m2m mpeg2_v4l2m2m h264_rkmpp hevc_rkmpp",
    "aac aac_latm libfdk_aac ac3 ac3_fixed eac3 mp1 mp1float mp2 mp2float mp3 mp3float dca opus",
    "dvbsub dvb_subtitle dvb_teletext libzvbi_teletextdec",
];
