//! Options that people write and weir refuses, each with what it would do. An option that stands
//! neither here nor in the table is refused as well; these only get a better sentence.

use super::Refused;

const fn valued(reason: &'static str, names: &'static str) -> Refused {
    Refused { has_value: true, reason, names }
}

const fn switch(reason: &'static str, names: &'static str) -> Refused {
    Refused { has_value: false, reason, names }
}

pub(super) static REFUSED: [Refused; 16] = [
    valued(
        "weir sets it, so that FFmpeg opens nothing but its pipes and its own folder",
        "protocol_whitelist protocol_blacklist format_whitelist codec_whitelist safe \
         allowed_extensions allowed_segment_extensions",
    ),
    valued(
        "it reads a filter graph from a file; write the graph itself with -vf, -af or -filter_complex",
        "filter_script filter_complex_script",
    ),
    valued("write the graph with -filter_complex", "lavfi"),
    valued("it puts a file into the output", "attach"),
    valued("it writes a part of the input to a file", "dump_attachment"),
    switch("it writes a log file; FFmpeg's messages are in weir's log", "report vstats"),
    switch(
        "it prints what weir reads FFmpeg's messages between",
        "benchmark benchmark_all dump hex qphist debug_ts psnr",
    ),
    valued(
        "it writes a file",
        "vstats_file sdp_file stats_enc_pre stats_enc_post stats_mux_pre print_graphs_file",
    ),
    valued("two passes need a file and an end; a channel has neither", "pass passlogfile"),
    valued("weir reads FFmpeg's progress itself", "progress"),
    valued("it reads options from a file", "pre vpre apre spre fpre rc_override_file"),
    valued(
        "weir opens the source itself; write it at the source (user_agent, headers) or under `failover`",
        "headers user_agent user-agent referer cookies http_proxy timeout rw_timeout stimeout reconnect \
         reconnect_streamed reconnect_at_eof reconnect_delay_max reconnect_on_network_error \
         reconnect_on_http_error reconnect_max_retries multiple_requests seekable tls_verify ca_file \
         cert_file key_file rtsp_transport rtsp_flags listen auth_type http_persistent icy \
         content_type live_start_index http_user_agent",
    ),
    valued(
        "the input is a live stream: it has no other place to read from and no end",
        "ss sseof stream_loop to t frames vframes aframes fs",
    ),
    valued(
        "weir serves the segments, and these keys, addresses and files would not be its own",
        "hls_key_info_file hls_enc hls_enc_key hls_enc_key_url hls_enc_iv hls_base_url \
         hls_vtt_options hls_subtitle_path hls_segment_options hls_ts_options master_pl_name \
         var_stream_map cc_stream_map strftime strftime_mkdir use_localtime use_localtime_mkdir method",
    ),
    valued("weir does not read what it names", "opencl_device open_device_ocl opencl_options"),
    valued("it sets format, codecs and rates of a disc; write them one by one", "target"),
];
