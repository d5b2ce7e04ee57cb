//! One programme as its PMT has it, and the PMT that goes out in its place (ISO/IEC 13818-1, 2.4.4.8).

use crate::media::ts::packet::Pid;
use crate::media::ts::psi;
use crate::media::ts::psi::Pmt;
use crate::media::ts::psi::Stream;
use crate::media::ts::psi::descriptor_tag;
use crate::media::ts::psi::stream_type;
use crate::remux::codec::Coding;
use crate::remux::options::Options;
use crate::remux::report;
use crate::remux::report::Fate;
use crate::remux::select;
use crate::remux::select::Told;
use crate::remux::sound::Sound;
use crate::remux::track::Nature;

/// A programme whose PMT has come.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) number: u16,
    pub(super) pmt_pid: Pid,
    pub(super) pcr_pid: Pid,
    /// The section as it came.
    pub(super) section: Vec<u8>,
    /// The section that goes out.
    pub(super) written: Vec<u8>,
    pub(super) tracks: Vec<Planned>,
    /// Everything that is no sound.
    pub(super) others: Vec<Pid>,
}

/// What is to be done with a track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Planned {
    pub(super) pid: Pid,
    pub(super) language: Option<String>,
    pub(super) fate: Fate,
}

impl Planned {
    pub(super) fn report(&self) -> report::Track {
        let (language, fate) = (self.language.clone(), self.fate.clone());
        report::Track { pid: self.pid.value(), language, fate }
    }
}

impl Program {
    /// What becomes of a programme. At most `room` of its tracks are converted. `decodes` tells what this build
    /// decodes, `nature` what the bytes of a track have turned out to be, whatever its PMT says.
    pub(super) fn plan(
        pmt: &Pmt<'_>,
        (pmt_pid, section): (Pid, &[u8]),
        (options, room): (&Options, usize),
        decodes: impl Fn(Coding) -> bool,
        nature: impl Fn(&Stream<'_>) -> Nature,
    ) -> Self {
        let streams: Vec<Stream<'_>> = pmt.streams().collect();
        let sounds: Vec<Option<Sound>> = streams
            .iter()
            .map(|stream| Sound::of(stream.stream_type, stream.descriptors))
            .collect();
        let places: Vec<usize> = (0..streams.len())
            .filter(|place| matches!(sounds.get(*place), Some(Some(_))))
            .collect();
        let of = |place: &usize| streams.get(*place).map(|stream| Told::of(stream.descriptors));
        let told: Vec<Told> = places.iter().filter_map(of).collect();
        let kept = select::select(&told, &options.languages, options.tracks);
        let mut tracks: Vec<Planned> = Vec::new();
        let mut room = room;
        for (index, place) in places.iter().enumerate() {
            let (Some(stream), Some(Some(sound))) = (streams.get(*place), sounds.get(*place))
            else {
                continue;
            };
            let fate = match (*sound, nature(stream)) {
                _ if !kept.contains(&index) => Fate::Dropped,
                (Sound::Aac, _) | (_, Nature::Adts) => Fate::Passed,
                (Sound::Convertible(coding), Nature::Open | Nature::AsTold)
                    if room > 0 && decodes(coding) =>
                {
                    room -= 1;
                    Fate::Converted(coding)
                }
                (Sound::Convertible(_), Nature::Foreign) => Fate::Unknown(stream.stream_type),
                (Sound::Convertible(coding), _) => Fate::Undecodable(coding),
                (Sound::Unknown(stream_type), _) => Fate::Unknown(stream_type),
            };
            let language = told.get(index).and_then(Told::language);
            tracks.push(Planned { pid: stream.pid, language, fate });
        }
        let other =
            |(stream, sound): (&Stream<'_>, &Option<Sound>)| sound.is_none().then_some(stream.pid);
        let others = streams.iter().zip(&sounds).filter_map(other).collect();
        let order: Vec<usize> =
            kept.iter().filter_map(|index| places.get(*index).copied()).collect();
        let mut program = Self {
            number: pmt.program_number(),
            pmt_pid,
            pcr_pid: pmt.pcr_pid(),
            section: section.to_vec(),
            written: Vec::new(),
            tracks,
            others,
        };
        program.written = program.write(pmt, &streams, &places, &order).unwrap_or_default();
        program
    }

    /// It follows `before`, which is what has gone out: its version is that, and the next one where it says
    /// something else.
    pub(super) fn follow(&mut self, before: &Self) {
        let Some(version) = version_of(&before.written) else { return };
        set_version(&mut self.written, version);
        if self.written != before.written {
            set_version(&mut self.written, version.wrapping_add(1) & 0x1F);
        }
    }

    /// Whether some of its sound is converted.
    pub(super) fn converts(&self) -> bool {
        self.tracks.iter().any(|track| matches!(track.fate, Fate::Converted(_)))
    }

    /// The codings because of which there is no sound that can be played; empty where there is.
    pub(super) fn undecodable(&self) -> Vec<Coding> {
        let of = |track: &Planned| match track.fate {
            Fate::Undecodable(coding) => Some(Some(coding)),
            Fate::Dropped => None,
            _ => Some(None),
        };
        let all: Vec<Option<Coding>> = self.tracks.iter().filter_map(of).collect();
        let mut codings: Vec<Coding> = all.iter().flatten().copied().collect();
        if codings.len() < all.len() {
            return Vec::new();
        }
        codings.sort_unstable();
        codings.dedup();
        codings
    }

    /// The PMT with the version of the source. Sound that is kept stands in the places of sound, in the order in
    /// which it is wanted. `None` where it would be too long, which it can only be where it was.
    fn write(
        &self,
        pmt: &Pmt<'_>,
        streams: &[Stream<'_>],
        places: &[usize],
        order: &[usize],
    ) -> Option<Vec<u8>> {
        let fates = |pid: Pid| self.tracks.iter().find(|track| track.pid == pid);
        let mut order = order.iter();
        let mut entries: Vec<(u8, Pid, Vec<u8>)> = Vec::with_capacity(streams.len());
        for (place, stream) in streams.iter().enumerate() {
            let stream = if places.contains(&place) {
                let Some(stream) = order.next().and_then(|place| streams.get(*place)) else {
                    continue;
                };
                stream
            } else {
                stream
            };
            let descriptors = stream.descriptors;
            let entry = match fates(stream.pid).map(|track| &track.fate) {
                Some(Fate::Converted(_)) => {
                    (stream_type::AAC_ADTS, stream.pid, without_codings(descriptors))
                }
                Some(Fate::Passed) => (stream_type::AAC_ADTS, stream.pid, descriptors.to_vec()),
                _ => (stream.stream_type, stream.pid, descriptors.to_vec()),
            };
            entries.push(entry);
        }
        let streams: Vec<Stream<'_>> = entries
            .iter()
            .map(|(stream_type, pid, descriptors)| Stream {
                stream_type: *stream_type,
                pid: *pid,
                descriptors,
            })
            .collect();
        let version = pmt.section().version;
        Pmt::write(pmt.program_number(), version, pmt.pcr_pid(), pmt.descriptors(), &streams).ok()
    }
}

fn version_of(section: &[u8]) -> Option<u8> {
    section.get(5).map(|field| field >> 1 & 0x1F)
}

/// Changes the version and with it the checksum.
fn set_version(section: &mut [u8], version: u8) {
    if let Some(field) = section.get_mut(5) {
        *field = *field & 0xC1 | version << 1;
    }
    if let Some((content, crc)) = section.split_last_chunk_mut::<4>() {
        *crc = psi::crc32(content).to_be_bytes();
    }
}

/// The descriptors without those that tell how sound is coded that is AAC now.
fn without_codings(descriptors: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(descriptors.len());
    for (tag, data) in psi::descriptors(descriptors) {
        if !is_coding(tag, data) {
            kept.extend([tag, u8::try_from(data.len()).unwrap_or(0)]); // It was read from a byte.
            kept.extend_from_slice(data);
        }
    }
    kept
}

/// Registration, MPEG audio and MPEG-4 audio, AC-3, enhanced AC-3, DTS and AAC of DVB, AC-3 of ATSC and E-AC-3 of
/// ATSC; of the extensions those that name a coding.
fn is_coding(tag: u8, data: &[u8]) -> bool {
    match tag {
        descriptor_tag::REGISTRATION
        | 0x03
        | 0x1C
        | 0x2B
        | 0x6A
        | 0x7A
        | 0x7B
        | 0x7C
        | 0x81
        | 0xCC => true,
        0x7F => matches!(data.first(), Some(0x0E | 0x0F | 0x15)),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
