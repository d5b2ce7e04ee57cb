//! Every option that is allowed. What is added here must neither read nor write a file, nor name
//! another input or output, with any value of its form; and it must take a value exactly where its
//! form has one, or FFmpeg and weir would disagree about which argument is the output.

use super::Place::Both;
use super::Place::Global;
use super::Place::Input;
use super::Place::Output;
use super::Row;
use crate::ffmpeg::arguments::values::Form;
use crate::ffmpeg::params::Encoder;

const fn row(place: super::Place, form: Form, names: &'static str) -> Row {
    Row { place, form, has_specifier: false, is_ours: false, names }
}

const fn per_stream(place: super::Place, form: Form, names: &'static str) -> Row {
    Row { has_specifier: true, ..row(place, form, names) }
}

const fn ours(form: Form, names: &'static str) -> Row {
    Row { is_ours: true, ..row(Global, form, names) }
}

pub(super) static TABLE: [Row; 47] = [
    ours(Form::Switch, "hide_banner nostdin nostats stats y n"),
    ours(Form::Number, "stats_period"),
    row(Global, Form::LogLevel, "loglevel v"),
    row(Global, Form::Switch, "copyts start_at_zero ignore_unknown copy_unknown xerror"),
    row(
        Global,
        Form::Number,
        "filter_threads filter_complex_threads copytb async max_error_rate dts_delta_threshold \
         dts_error_threshold frame_drop_threshold",
    ),
    row(Global, Form::Word, "filter_hw_device vsync"),
    row(Global, Form::HardwareDevice, "init_hw_device"),
    row(Global, Form::RenderNode, "vaapi_device"),
    row(Global, Form::Device, "qsv_device"),
    row(Global, Form::Graph, "filter_complex"),
    // The input.
    row(Input, Form::Switch, "re autorotate noautorotate fix_sub_duration"),
    row(
        Input,
        Form::Number,
        "probesize analyzeduration thread_queue_size itsscale fpsprobesize max_probe_packets \
         readrate use_wallclock_as_timestamps extra_hw_frames max_ts_probe resync_size scan_all_pmts \
         skip_changes skip_clear merge_pmt_versions fix_teletext_pts formatprobesize \
         correct_ts_overflow",
    ),
    row(Input, Form::Duration, "itsoffset"),
    per_stream(
        Input,
        Form::Word,
        "hwaccel hwaccel_output_format hwaccel_flags discard deint drop_second_field skip_frame \
         skip_loop_filter skip_idct ec",
    ),
    per_stream(Input, Form::Device, "hwaccel_device"),
    // Either.
    row(Both, Form::Container, "f"),
    per_stream(Both, Form::Codec, "c codec"),
    row(Both, Form::Codec, "vcodec acodec scodec dcodec"),
    row(Both, Form::Switch, "vn an sn dn"),
    per_stream(
        Both,
        Form::Word,
        "fflags flags flags2 err_detect strict avioflags thread_type threads channel_layout ch_layout \
         pix_fmt sample_fmt color_range colorspace color_primaries color_trc",
    ),
    per_stream(Both, Form::Number, "max_delay max_streams ac ar lowres apply_cropping"),
    per_stream(Both, Form::Rate, "r"),
    // Which streams, and how they are put together.
    row(Output, Form::Map, "map"),
    row(Output, Form::MapMetadata, "map_chapters"),
    per_stream(Output, Form::MapMetadata, "map_metadata"),
    per_stream(Output, Form::Metadata, "metadata"),
    row(Output, Form::StreamId, "streamid"),
    per_stream(Output, Form::Word, "disposition tag fps_mode enc_time_base"),
    row(
        Output,
        Form::Word,
        "vtag atag avoid_negative_ts mpegts_flags mpegts_service_type hls_flags hls_segment_type \
         hls_playlist_type hls_start_number_source movflags default_mode",
    ),
    row(Output, Form::Switch, "shortest bitexact"),
    per_stream(Output, Form::Switch, "copyinkf autoscale noautoscale"),
    row(
        Output,
        Form::Number,
        "muxdelay muxpreload muxrate max_muxing_queue_size muxing_queue_data_threshold \
         max_interleave_delta flush_packets mpegts_transport_stream_id mpegts_original_network_id \
         mpegts_service_id mpegts_pmt_start_pid mpegts_start_pid mpegts_copyts \
         pcr_period pat_period sdt_period nit_period tables_version pes_payload_size \
         omit_video_pes_length shortest_buf_duration",
    ),
    row(
        Output,
        Form::Number,
        "hls_time hls_init_time hls_list_size hls_delete_threshold hls_allow_cache start_number",
    ),
    row(Output, Form::SegmentName, "hls_segment_filename"),
    row(Output, Form::PlainName, "hls_fmp4_init_filename"),
    // Filters.
    per_stream(Output, Form::Graph, "filter"),
    row(Output, Form::Graph, "vf af"),
    per_stream(Output, Form::BitstreamFilters, "bsf"),
    // Encoders.
    per_stream(
        Output,
        Form::Number,
        "b maxrate minrate bufsize crf crf_max cq qp q qscale qmin qmax qdiff qcomp global_quality \
         qp_i qp_p qp_b init_qpI init_qpP init_qpB g bf keyint_min sc_threshold refs trellis subq \
         me_range b_strategy cutoff compression_level cplxblur aq-strength aq_strength rc-lookahead \
         rc_lookahead look_ahead look_ahead_depth lookahead async_depth low_power idr_interval \
         surfaces delay zerolatency no-scenecut forced-idr forced_idr nonref_p strict_gop spatial-aq \
         spatial_aq temporal-aq temporal_aq weighted_pred b_adapt gpu cbr aud a53cc num_ref_frames \
         max_frame_size bitrate_limit single_sei_nal_unit slices dc intra_vlc dialnorm intra-refresh \
         frame_duration",
    ),
    row(Output, Form::Number, "ab vb"),
    per_stream(
        Output,
        Form::Word,
        "preset tune profile level tier rc rc_mode coder me_method motion-est multipass 2pass \
         b_ref_mode dpb_size quality usage nal-hrd aq-mode aq_mode scenario field_order top aac_coder \
         application vbr partitions direct-pred weightp weightb deblock dsur_mode dmix_mode \
         chroma_sample_location mbd sei",
    ),
    per_stream(Output, Form::Size, "s"),
    per_stream(Output, Form::Ratio, "aspect"),
    per_stream(Output, Form::KeyFrames, "force_key_frames"),
    row(Output, Form::Params(Encoder::X264), "x264-params x264opts"),
    row(Output, Form::Params(Encoder::X265), "x265-params"),
    row(Output, Form::Params(Encoder::SvtAv1), "svtav1-params"),
];
