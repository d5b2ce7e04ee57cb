//! The packets of a [`super::Recipe`], picture by picture.

use std::collections::BTreeMap;

use super::ClockPid;
use super::DataKind;
use super::FRAME;
use super::Recipe;
use super::access_unit;
use super::access_unit::PictureKind;
use super::pes;
use super::pes::Pes;
use super::tables;
use crate::support::content::scramble;
use crate::support::ts::NULL_PID;
use crate::support::ts::PACKET;
use crate::support::ts::SYNC;

/// Writes a stream.
pub(super) struct Mux<'a> {
    recipe: &'a Recipe,
    pub(super) bytes: Vec<u8>,
    counters: BTreeMap<u16, u8>,
    payloads: u64,
    letters: u64,
}

impl<'a> Mux<'a> {
    /// A writer before the first picture.
    pub(super) fn new(recipe: &'a Recipe) -> Self {
        Self { recipe, bytes: vec![], counters: BTreeMap::new(), payloads: 0, letters: 0 }
    }

    /// Writes the packets of a picture's time: tables, half of the picture, sounds, the other half.
    pub(super) fn picture(&mut self, number: u64) {
        let recipe = self.recipe;
        if number.is_multiple_of(recipe.tables_every) || recipe.changes().any(|at| at == number) {
            self.send(pes::section(0, &tables::pat(recipe)));
            for recipe in std::iter::once(recipe).chain(recipe.second.as_deref()) {
                self.send(pes::section(recipe.pmt_pid, &tables::pmt(recipe, number)));
            }
            if recipe.service {
                self.send(pes::section(0x11, &tables::sdt(recipe)));
                self.send(pes::section(0x14, &tables::tdt(number)));
            }
        }
        for recipe in std::iter::once(recipe).chain(recipe.second.as_deref()) {
            let mut packets = self.of(recipe, number);
            packets.drain(..).for_each(|packet| self.send(packet));
        }
        for _ in 0..recipe.nulls {
            let [high, low] = NULL_PID.to_be_bytes();
            let mut packet = [0xff; PACKET];
            packet[..4].copy_from_slice(&[SYNC, high, low, 0x10]);
            self.send(packet);
        }
    }

    fn of(&mut self, recipe: &Recipe, number: u64) -> Vec<[u8; PACKET]> {
        let mut packets = Vec::new();
        if let ClockPid::Own(pid) = recipe.clock {
            packets.push(pes::bare(pid, Some(recipe.pcr(number))));
        }
        let video = self.video(recipe, number);
        let (first, second) = video.split_at(video.len() / 2);
        packets.extend(first);
        packets.extend(self.sounds(recipe, number));
        packets.extend(second);
        if let Some((pid, ..)) = recipe.video.filter(|_| recipe.bare) {
            packets.push(pes::bare(pid, None));
        }
        packets.extend(self.data(recipe, number));
        packets
    }

    fn video(&mut self, recipe: &Recipe, number: u64) -> Vec<[u8; PACKET]> {
        let Some((pid, codec, _)) = recipe.video else { return vec![] };
        let picture = recipe.picture(number);
        let dts = recipe.after(number, recipe.video_lead);
        let pts = recipe.after(number, recipe.video_lead + picture.reorder * FRAME);
        let pes = Pes {
            pid,
            stream_id: 0xe0,
            pts: Some(pts),
            dts: Some(dts).filter(|dts| *dts != pts),
            bounded: recipe.bounded,
            pcr: Some(recipe.pcr(number)).filter(|_| recipe.clock == ClockPid::Video),
            random_access: matches!(picture.kind, PictureKind::First(_)),
            stuffing: 0,
            begins: &picture.headers(codec),
            packets: recipe.weights[picture.weight()],
        };
        self.cut(recipe, &pes)
    }

    /// Two packets of each track, those of different tracks alternating.
    fn sounds(&mut self, recipe: &Recipe, number: u64) -> Vec<[u8; PACKET]> {
        let tracks = recipe.audio_at(number);
        let mut parts = Vec::new();
        for (place, track) in tracks.iter().enumerate() {
            let clock = recipe.clock == ClockPid::Audio && place == 0;
            let pes = Pes {
                pid: track.pid,
                stream_id: access_unit::stream_id(track.kind),
                pts: Some(recipe.after(number, recipe.audio_lead)),
                dts: None,
                bounded: true,
                pcr: Some(recipe.pcr(number)).filter(|_| clock),
                random_access: clock,
                stuffing: if recipe.split { PACKET - 4 - 10 } else { 0 },
                begins: access_unit::sound(track.kind),
                packets: 2,
            };
            parts.push(self.cut(recipe, &pes));
        }
        (0..2).flat_map(|part| parts.iter().map(move |packets| packets[part])).collect()
    }

    /// Teletext with each picture, subtitles with each fourth.
    fn data(&mut self, recipe: &Recipe, number: u64) -> Vec<[u8; PACKET]> {
        let mut packets = Vec::new();
        for track in &recipe.data {
            let subtitles = track.kind == DataKind::Subtitles;
            if subtitles && !number.is_multiple_of(4) {
                continue;
            }
            let pes = Pes {
                pid: track.pid,
                stream_id: 0xbd,
                pts: Some(recipe.after(number, recipe.audio_lead)).filter(|_| subtitles),
                dts: None,
                bounded: true,
                pcr: None,
                random_access: false,
                stuffing: 0,
                begins: access_unit::data(track.kind),
                packets: 1,
            };
            packets.extend(self.cut(recipe, &pes));
        }
        packets
    }

    fn cut(&mut self, recipe: &Recipe, pes: &Pes<'_>) -> Vec<[u8; PACKET]> {
        pes.packets(|into| {
            self.letters += 1;
            let key = u64::from(recipe.seed) << 40 ^ self.letters << 8;
            for (word, letters) in into.chunks_mut(8).enumerate() {
                let bytes = scramble(key ^ word as u64).to_le_bytes();
                // No byte below 0x20, so no start code; some are the sync byte.
                letters.iter_mut().zip(bytes).for_each(|(letter, byte)| *letter = 0x41 + byte % 32);
            }
        })
    }

    /// Sets the counter and appends the packet, twice if it is its turn.
    fn send(&mut self, mut packet: [u8; PACKET]) {
        let pid = u16::from_be_bytes([packet[1] & 0x1f, packet[2]]);
        let has_payload = packet[3] & 0x10 != 0;
        // The first packet of a PID has counter 0, with a payload or without.
        let last = self.counters.entry(pid).or_insert(if has_payload { 15 } else { 0 });
        if has_payload {
            *last = (*last + 1) % 16;
        }
        packet[3] |= *last;
        self.bytes.extend(packet);
        if has_payload && pid != NULL_PID {
            self.payloads += 1;
            if self.recipe.copies.is_some_and(|every| self.payloads.is_multiple_of(every)) {
                self.bytes.extend(packet);
            }
        }
    }
}
