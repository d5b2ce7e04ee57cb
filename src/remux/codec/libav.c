/* What stands between weir and libavcodec: every use of an FFmpeg structure is here, so that Rust sees
 * nothing but opaque pointers, integers and samples, and the layout of a structure, which changes
 * between FFmpeg's versions, is the concern of FFmpeg's own headers.
 *
 * One thread at a time uses a decoder or an encoder, which one does not matter. Nothing here keeps a
 * pointer that it is given, and what it gives is valid until the next call with the same object. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <libavcodec/avcodec.h>
#include <libavutil/channel_layout.h>
#include <libavutil/dict.h>
#include <libavutil/frame.h>
#include <libavutil/log.h>
#include <libavutil/mem.h>

#if LIBAVCODEC_VERSION_INT < AV_VERSION_INT(59, 37, 100)
#error "weir needs libavcodec of FFmpeg 5.1 or newer"
#endif

/* The longest access unit, as ffi.rs has it. */
#define UNIT_MAX (16 * 1024)
/* The most channels of a frame, as ffi.rs has it. */
#define CHANNELS_MAX 8

enum { FAILED = -1, NOTHING = 0, DONE = 1 };

/* A decoded frame, as ffi.rs has it. */
struct weir_libav_sound {
    int rate;
    int channels;
    int samples;
    /* Where each channel belongs, as enum AVChannel has it; -1 where that is not known. */
    int places[CHANNELS_MAX];
    const float *planes[CHANNELS_MAX];
};

struct weir_libav_decoder {
    AVCodecContext *context;
    AVPacket *packet;
    AVFrame *frame;
};

struct weir_libav_encoder {
    AVCodecContext *context;
    AVPacket *packet;
    AVFrame *frame;
};

/* libavcodec writes a line to standard error for every damaged frame. */
void weir_libav_silence(void) {
    av_log_set_level(AV_LOG_QUIET);
}

int weir_libav_has_decoder(const char *name) {
    return avcodec_find_decoder_by_name(name) != NULL;
}

void weir_libav_decoder_free(struct weir_libav_decoder *decoder) {
    if (decoder == NULL)
        return;
    avcodec_free_context(&decoder->context);
    av_packet_free(&decoder->packet);
    av_frame_free(&decoder->frame);
    av_free(decoder);
}

/* A new buffer for access units, where there is none or something still refers to the old one. */
static int renew_buffer(AVPacket *packet) {
    if (packet->buf != NULL && av_buffer_is_writable(packet->buf))
        return DONE;
    av_packet_unref(packet);
    return av_new_packet(packet, UNIT_MAX) < 0 ? FAILED : DONE;
}

static int open_decoder(struct weir_libav_decoder *decoder, const AVCodec *codec, int target_level) {
    AVDictionary *options = NULL;
    int opened;

    decoder->context = avcodec_alloc_context3(codec);
    decoder->packet = av_packet_alloc();
    decoder->frame = av_frame_alloc();
    if (decoder->context == NULL || decoder->packet == NULL || decoder->frame == NULL)
        return FAILED;
    if (renew_buffer(decoder->packet) != DONE)
        return FAILED;
    decoder->context->thread_count = 1;
    /* Without it, what a damaged frame says is believed, and comes out many times louder than full scale. */
    decoder->context->err_recognition = AV_EF_CRCCHECK;
    /* A decoder that has no such option leaves it alone; what has more than two channels then is mixed in Rust. */
    av_dict_set(&options, "downmix", "stereo", 0);
    if (target_level < 0)
        av_dict_set_int(&options, "target_level", target_level, 0);
    opened = avcodec_open2(decoder->context, codec, &options);
    av_dict_free(&options);
    return opened < 0 ? FAILED : DONE;
}

/* NULL where there is no such decoder, or no memory. target_level: -31 to -1 dB below full scale, 0 for none. */
struct weir_libav_decoder *weir_libav_decoder_new(const char *name, int target_level) {
    const AVCodec *codec = avcodec_find_decoder_by_name(name);
    struct weir_libav_decoder *decoder;

    if (codec == NULL)
        return NULL;
    decoder = av_mallocz(sizeof *decoder);
    if (decoder == NULL)
        return NULL;
    if (open_decoder(decoder, codec, target_level) != DONE) {
        weir_libav_decoder_free(decoder);
        return NULL;
    }
    return decoder;
}

/* Copies the access unit, since libavcodec reads beyond its end. All frames of the last one must have been received. */
int weir_libav_decoder_send(struct weir_libav_decoder *decoder, const uint8_t *unit, size_t length) {
    AVPacket *packet = decoder->packet;

    /* An empty packet would tell libavcodec that the stream is over. */
    if (length == 0 || length > UNIT_MAX || renew_buffer(packet) != DONE)
        return FAILED;
    packet->data = packet->buf->data;
    packet->size = (int)length;
    memcpy(packet->data, unit, length);
    memset(packet->data + length, 0, AV_INPUT_BUFFER_PADDING_SIZE);
    return avcodec_send_packet(decoder->context, packet) < 0 ? FAILED : DONE;
}

static int describe(const AVFrame *frame, struct weir_libav_sound *sound) {
    int channels = frame->ch_layout.nb_channels;

    if (frame->format != AV_SAMPLE_FMT_FLTP || channels < 1 || channels > CHANNELS_MAX || frame->nb_samples < 0)
        return FAILED;
    sound->rate = frame->sample_rate;
    sound->channels = channels;
    sound->samples = frame->nb_samples;
    for (int channel = 0; channel < channels; channel++) {
        sound->places[channel] = av_channel_layout_channel_from_index(&frame->ch_layout, (unsigned)channel);
        sound->planes[channel] = (const float *)frame->extended_data[channel];
    }
    return DONE;
}

/* The next frame of what was sent. FAILED is a frame that is lost; there may be more behind it. */
int weir_libav_decoder_receive(struct weir_libav_decoder *decoder, struct weir_libav_sound *sound) {
    int received = avcodec_receive_frame(decoder->context, decoder->frame);

    if (received == AVERROR(EAGAIN) || received == AVERROR_EOF)
        return NOTHING;
    return received < 0 ? FAILED : describe(decoder->frame, sound);
}

/* Forgets what came before. */
void weir_libav_decoder_flush(struct weir_libav_decoder *decoder) {
    avcodec_flush_buffers(decoder->context);
}

void weir_libav_encoder_free(struct weir_libav_encoder *encoder) {
    if (encoder == NULL)
        return;
    avcodec_free_context(&encoder->context);
    av_packet_free(&encoder->packet);
    av_frame_free(&encoder->frame);
    av_free(encoder);
}

static int open_encoder(AVCodecContext *context, const AVCodec *codec, int rate, int channels, int bitrate) {
    AVDictionary *options = NULL;
    int opened;

    context->thread_count = 1;
    context->sample_fmt = AV_SAMPLE_FMT_FLTP;
    context->sample_rate = rate;
    context->bit_rate = bitrate;
    context->time_base = (AVRational){1, rate};
    av_channel_layout_default(&context->ch_layout, channels);
    /* Named because the default may change, and with it what a stream costs. */
    av_dict_set(&options, "aac_coder", "twoloop", 0);
    opened = avcodec_open2(context, codec, &options);
    av_dict_free(&options);
    return opened < 0 ? FAILED : DONE;
}

static int prepare_frame(AVFrame *frame, const AVCodecContext *context) {
    frame->format = context->sample_fmt;
    frame->sample_rate = context->sample_rate;
    frame->nb_samples = context->frame_size;
    if (av_channel_layout_copy(&frame->ch_layout, &context->ch_layout) < 0)
        return FAILED;
    return av_frame_get_buffer(frame, 0) < 0 ? FAILED : DONE;
}

/* NULL where there is no such encoder, where it does not take these or has another delay, or no memory. */
struct weir_libav_encoder *weir_libav_encoder_new(int rate, int channels, int bitrate, int frame_size) {
    const AVCodec *codec = avcodec_find_encoder_by_name("aac");
    struct weir_libav_encoder *encoder;

    if (codec == NULL)
        return NULL;
    encoder = av_mallocz(sizeof *encoder);
    if (encoder == NULL)
        return NULL;
    encoder->context = avcodec_alloc_context3(codec);
    encoder->packet = av_packet_alloc();
    encoder->frame = av_frame_alloc();
    if (encoder->context == NULL || encoder->packet == NULL || encoder->frame == NULL ||
        open_encoder(encoder->context, codec, rate, channels, bitrate) != DONE ||
        encoder->context->frame_size != frame_size || encoder->context->initial_padding != frame_size ||
        prepare_frame(encoder->frame, encoder->context) != DONE) {
        weir_libav_encoder_free(encoder);
        return NULL;
    }
    encoder->frame->pts = 0;
    return encoder;
}

/* Copies one frame of samples of each channel. */
int weir_libav_encoder_send(struct weir_libav_encoder *encoder, const float *const *planes) {
    AVFrame *frame = encoder->frame;

    if (av_frame_make_writable(frame) < 0)
        return FAILED;
    for (int channel = 0; channel < frame->ch_layout.nb_channels; channel++)
        memcpy(frame->extended_data[channel], planes[channel], (size_t)frame->nb_samples * sizeof(float));
    if (avcodec_send_frame(encoder->context, frame) < 0)
        return FAILED;
    frame->pts += frame->nb_samples;
    return DONE;
}

/* The next access unit of what was sent. */
int weir_libav_encoder_receive(struct weir_libav_encoder *encoder, const uint8_t **unit, size_t *length) {
    AVPacket *packet = encoder->packet;
    int received = avcodec_receive_packet(encoder->context, packet);

    if (received == AVERROR(EAGAIN) || received == AVERROR_EOF)
        return NOTHING;
    if (received < 0)
        return FAILED;
    *unit = packet->data;
    *length = (size_t)packet->size;
    return DONE;
}
