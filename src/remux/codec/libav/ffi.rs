//! `libav.c` in Rust's words: objects that are freed when they are dropped, and slices as long as they may be.
#![expect(unsafe_code, reason = "libavcodec is C")]

use std::ffi::CStr;
use std::ffi::c_char;
use std::ffi::c_int;
use std::ptr::NonNull;
use std::slice;
use std::sync::Once;

use crate::remux::codec::AAC_FRAME;
use crate::remux::codec::EncodeOptions;

/// The longest access unit that is decoded, as `libav.c` has it.
pub(super) const UNIT_MAX: usize = 16 * 1024;
/// The most channels of a frame, as `libav.c` has it.
const CHANNELS_MAX: usize = 8;

/// Something that did not work. The object can be used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failed;

/// What calls of `libav.c` answer.
const DONE: c_int = 1;
const NOTHING: c_int = 0;

#[repr(C)]
struct RawDecoder {
    _private: [u8; 0],
}

#[repr(C)]
struct RawEncoder {
    _private: [u8; 0],
}

/// `struct weir_libav_sound`.
#[repr(C)]
struct RawSound {
    rate: c_int,
    channels: c_int,
    samples: c_int,
    places: [c_int; CHANNELS_MAX],
    planes: [*const f32; CHANNELS_MAX],
}

unsafe extern "C" {
    fn weir_libav_silence();
    fn weir_libav_has_decoder(name: *const c_char) -> c_int;
    fn weir_libav_decoder_new(name: *const c_char, target_level: c_int) -> *mut RawDecoder;
    fn weir_libav_decoder_free(decoder: *mut RawDecoder);
    fn weir_libav_decoder_send(decoder: *mut RawDecoder, unit: *const u8, length: usize) -> c_int;
    fn weir_libav_decoder_receive(decoder: *mut RawDecoder, sound: *mut RawSound) -> c_int;
    fn weir_libav_decoder_flush(decoder: *mut RawDecoder);
    fn weir_libav_encoder_new(
        rate: c_int,
        channels: c_int,
        bitrate: c_int,
        frame: c_int,
    ) -> *mut RawEncoder;
    fn weir_libav_encoder_free(encoder: *mut RawEncoder);
    fn weir_libav_encoder_send(encoder: *mut RawEncoder, planes: *const *const f32) -> c_int;
    fn weir_libav_encoder_receive(
        encoder: *mut RawEncoder,
        unit: *mut *const u8,
        length: *mut usize,
    ) -> c_int;
}

/// Whether this libavcodec has a decoder of this name: a build of it may lack any.
pub(super) fn has_decoder(name: &CStr) -> bool {
    // SAFETY: the name ends with a zero and is only read during the call.
    unsafe { weir_libav_has_decoder(name.as_ptr()) != 0 }
}

/// libavcodec would write to standard error for every damaged frame, as much as a source pleases. Whoever calls
/// tells of them himself.
fn silence() {
    static ONCE: Once = Once::new();
    // SAFETY: no other thread is in this call, and libavcodec reads the level as an atomic.
    ONCE.call_once(|| unsafe { weir_libav_silence() });
}

/// A decoder of libavcodec.
pub(super) struct Decoder(NonNull<RawDecoder>);

// SAFETY: libavcodec binds a context to no thread and wants one caller at a time, which `&mut self` is; with one
// thread configured it starts none of its own, and what its contexts share is locked by itself.
unsafe impl Send for Decoder {}

impl Decoder {
    /// `target_level` in dB below full scale, -31 to -1, or 0 for none. `None` where there is no such decoder,
    /// or no memory.
    pub(super) fn new(name: &CStr, target_level: i8) -> Option<Self> {
        silence();
        // SAFETY: the name ends with a zero and is only read during the call.
        NonNull::new(unsafe { weir_libav_decoder_new(name.as_ptr(), target_level.into()) })
            .map(Self)
    }

    /// Decodes `unit`, whose frames must all be [`receive`](Self::receive)d before the next one is sent. One that is
    /// empty or longer than [`UNIT_MAX`] fails.
    pub(super) fn send(&mut self, unit: &[u8]) -> Result<(), Failed> {
        // SAFETY: the decoder lives as long as `self`, and the call reads `unit.len()` bytes, which there are.
        let outcome =
            unsafe { weir_libav_decoder_send(self.0.as_ptr(), unit.as_ptr(), unit.len()) };
        if outcome == DONE { Ok(()) } else { Err(Failed) }
    }

    /// The next frame of what was sent, `None` after the last. A failure may be followed by further frames.
    pub(super) fn receive(&mut self) -> Option<Result<Sound<'_>, Failed>> {
        let mut raw = RawSound {
            rate: 0,
            channels: 0,
            samples: 0,
            places: [-1; CHANNELS_MAX],
            planes: [std::ptr::null(); CHANNELS_MAX],
        };
        // SAFETY: the decoder lives as long as `self`; the structure is the one that the call fills.
        match unsafe { weir_libav_decoder_receive(self.0.as_ptr(), &raw mut raw) } {
            DONE => Some(Ok(Sound::new(&raw))),
            NOTHING => None,
            _ => Some(Err(Failed)),
        }
    }

    /// Forgets all that was sent.
    pub(super) fn flush(&mut self) {
        // SAFETY: the decoder lives as long as `self`.
        unsafe { weir_libav_decoder_flush(self.0.as_ptr()) };
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // SAFETY: it was made by its counterpart and nothing has it any more.
        unsafe { weir_libav_decoder_free(self.0.as_ptr()) };
    }
}

/// A decoded frame, which lives in the decoder.
#[derive(Clone, Debug)]
pub(super) struct Sound<'a> {
    /// Samples a second.
    pub(super) rate: u32,
    /// Samples of each channel.
    pub(super) samples: usize,
    channels: [(c_int, &'a [f32]); CHANNELS_MAX],
    count: usize,
}

impl Sound<'_> {
    /// What a successful call of `weir_libav_decoder_receive` has filled, for as long as that decoder is not used.
    fn new(raw: &RawSound) -> Self {
        let samples = usize::try_from(raw.samples).unwrap_or_default();
        let count = usize::try_from(raw.channels).unwrap_or_default();
        let mut channels: [(c_int, &[f32]); CHANNELS_MAX] = [(-1, &[]); CHANNELS_MAX];
        let planes = raw.places.iter().zip(raw.planes).take(count);
        for (channel, (place, plane)) in channels.iter_mut().zip(planes) {
            if plane.is_null() {
                continue;
            }
            // SAFETY: each of the first `channels` pointers is a plane of `samples` floats, aligned by libavcodec,
            // which stay as they are until the decoder is used again, and that takes it mutably.
            *channel = (*place, unsafe { slice::from_raw_parts(plane, samples) });
        }
        Self { rate: u32::try_from(raw.rate).unwrap_or_default(), samples, channels, count }
    }
}

impl<'a> Sound<'a> {
    /// Each channel with its place, 1 to 8 of them.
    pub(super) fn channels(&self) -> &[(c_int, &'a [f32])] {
        self.channels.get(..self.count).unwrap_or_default()
    }
}

/// libavcodec's encoder of AAC-LC.
pub(super) struct Encoder(NonNull<RawEncoder>);

// SAFETY: as for `Decoder`.
unsafe impl Send for Encoder {}

impl Encoder {
    /// `None` where libavcodec has none, where it does not take the options, or where there is no memory.
    pub(super) fn new(options: EncodeOptions) -> Option<Self> {
        silence();
        let rate = c_int::try_from(options.rate).ok()?;
        let bitrate = c_int::try_from(options.bitrate).ok()?;
        let frame = c_int::try_from(AAC_FRAME).ok()?;
        // SAFETY: plain numbers.
        NonNull::new(unsafe {
            weir_libav_encoder_new(rate, options.channels.into(), bitrate, frame)
        })
        .map(Self)
    }

    /// Encodes a frame of each channel, and the second one for nothing if there is one channel.
    pub(super) fn send(&mut self, [left, right]: &[[f32; AAC_FRAME]; 2]) -> Result<(), Failed> {
        let planes = [left.as_ptr(), right.as_ptr()];
        // SAFETY: the encoder lives as long as `self`; it has one or two channels, and reads AAC_FRAME samples of
        // each, which `new` has made sure of.
        let outcome = unsafe { weir_libav_encoder_send(self.0.as_ptr(), planes.as_ptr()) };
        if outcome == DONE { Ok(()) } else { Err(Failed) }
    }

    /// The next access unit of what was sent, `None` if there is none yet.
    pub(super) fn receive(&mut self) -> Option<Result<&[u8], Failed>> {
        let mut unit = std::ptr::null();
        let mut length = 0;
        // SAFETY: the encoder lives as long as `self`; the pointers are of live variables.
        let outcome =
            unsafe { weir_libav_encoder_receive(self.0.as_ptr(), &raw mut unit, &raw mut length) };
        match outcome {
            NOTHING => None,
            // SAFETY: that many bytes are there, and stay until the encoder is used again, which takes it mutably.
            DONE if !unit.is_null() => Some(Ok(unsafe { slice::from_raw_parts(unit, length) })),
            _ => Some(Err(Failed)),
        }
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // SAFETY: it was made by its counterpart and nothing has it any more.
        unsafe { weir_libav_encoder_free(self.0.as_ptr()) };
    }
}
