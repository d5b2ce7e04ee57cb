//! The streams: one picture, made once, with each kind of sound.

use std::fs::File;
use std::io;
use std::io::BufReader;
use std::io::BufWriter;
use std::io::Read;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use weir::media::ts::packet;
use weir::media::ts::packet::LEN;
use weir::media::ts::packet::Packet;
use weir::media::ts::packet::Pcr;

use super::BITS;
use super::sound::Sound;
use super::spent;

/// The PID that FFmpeg gives a stream's second track.
pub(crate) const PID: u16 = 0x101;

/// Bits a second of the picture: with sound and tables beside it null packets fill the rest.
const PICTURE_BITS: &str = "6800k";

/// Where the packets of sound stand in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placing {
    /// As FFmpeg's muxer writes them: a PES packet of several frames at once, and none within a picture, which takes
    /// as long as its bytes do. With these all but the latency is measured.
    Muxer,
    /// Evenly, as a broadcaster's multiplexer has to place them by the buffer of a sound's decoder
    /// (ISO/IEC 13818-1, 2.4.2.3), but with the same PES packets.
    Even,
}

impl Placing {
    pub(crate) const ALL: [Self; 2] = [Self::Muxer, Self::Even];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Muxer => "ffmpeg",
            Self::Even => "even",
        }
    }
}

/// Where [`make`] puts a stream.
pub(crate) fn file(folder: &Path, sound: Sound, placing: Placing) -> PathBuf {
    folder.join(format!("{}-{}.ts", sound.name(), placing.name()))
}

/// Makes all of them.
pub(crate) fn make(folder: &Path, sounds: &[Sound], seconds: u32) -> Result<(), String> {
    let picture = folder.join("picture.ts").display().to_string();
    let seconds = seconds.to_string();
    let size = "testsrc2=size=1280x720:rate=25,noise=alls=20:allf=t,format=yuv420p";
    let coding =
        ["-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-b:v", PICTURE_BITS, "-maxrate"];
    let constant = [PICTURE_BITS, "-bufsize", "3400k", "-x264-params", "nal-hrd=cbr:scenecut=0"];
    let mut words = vec!["-v", "error", "-nostdin", "-f", "lavfi", "-i", size, "-t", &seconds];
    words.extend(coding.into_iter().chain(constant));
    words.extend(["-f", "mpegts", "-y", &picture]);
    run(&words)?;
    for sound in sounds {
        let muxed = file(folder, *sound, Placing::Muxer);
        mux(&picture, *sound, &seconds, &muxed)?;
        place_evenly(&muxed, &file(folder, *sound, Placing::Even))
            .map_err(|error| format!("{}: {error}", muxed.display()))?;
    }
    Ok(())
}

fn mux(picture: &str, sound: Sound, seconds: &str, file: &Path) -> Result<(), String> {
    let (signal, file) = (sound.signal(), file.display().to_string());
    let (bits, all) = (sound.bits().to_string(), BITS.to_string());
    let mut words = vec!["-v", "error", "-nostdin", "-i", picture, "-f", "lavfi", "-i", &signal];
    words.extend(["-map", "0:v", "-map", "1:a", "-c:v", "copy", "-c:a", sound.coding().label()]);
    words.extend(["-b:a", &bits, "-t", seconds, "-f", "mpegts", "-muxrate", &all, "-y", &file]);
    run(&words)
}

/// Writes `from` again with its sound in even distances. The order of all other packets stays, and clock references
/// are those of the places that they come to.
fn place_evenly(from: &Path, to: &Path) -> io::Result<()> {
    let (mut packets, mut sounds) = (0, 0);
    let mut all = Packets::open(from)?;
    while let Some(packet) = all.next()? {
        packets += 1;
        sounds += u64::from(is_sound(&packet));
    }
    let (mut sound, mut other) = (Packets::open(from)?, Packets::open(from)?);
    let mut out = BufWriter::new(File::create(to)?);
    let (mut placed, mut first) = (0, None);
    for place in 0..packets {
        // In the middle of its share of the stream.
        let is_due = placed < sounds && (2 * placed + 1) * packets <= 2 * sounds * place;
        let packet = if is_due { sound.next_that(is_sound)? } else { None };
        placed += u64::from(packet.is_some());
        let mut packet = match packet {
            Some(packet) => packet,
            None => match other.next_that(|packet| !is_sound(packet))? {
                Some(packet) => packet,
                None => sound.next_that(is_sound)?.unwrap_or([0; LEN]),
            },
        };
        if let Some(pcr) = Packet::parse(&packet).and_then(Packet::pcr) {
            let (begin, value) = *first.get_or_insert((place, pcr));
            let later = (place - begin) * (LEN as u64 * 8) * Pcr::HZ / BITS;
            packet::set_pcr(&mut packet, value.wrapping_add(later));
        }
        out.write_all(&packet)?;
    }
    out.flush()
}

fn is_sound(packet: &[u8; LEN]) -> bool {
    Packet::parse(packet).is_some_and(|packet| packet.pid().value() == PID)
}

/// The packets of a file.
pub(crate) struct Packets(BufReader<File>);

impl Packets {
    pub(crate) fn open(file: &Path) -> io::Result<Self> {
        Ok(Self(BufReader::new(File::open(file)?)))
    }

    pub(crate) fn next(&mut self) -> io::Result<Option<[u8; LEN]>> {
        let mut packet = [0; LEN];
        match self.0.read_exact(&mut packet) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            read => read.map(|()| Some(packet)),
        }
    }

    fn next_that(&mut self, wanted: impl Fn(&[u8; LEN]) -> bool) -> io::Result<Option<[u8; LEN]>> {
        while let Some(packet) = self.next()? {
            if wanted(&packet) {
                return Ok(Some(packet));
            }
        }
        Ok(None)
    }
}

fn run(words: &[&str]) -> Result<(), String> {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    spent::ffmpeg(&words, false).map(|_| ())
}
