//! A small H.264 encoder (ITU-T H.264): Constrained Baseline, CAVLC, for pictures made of plain and
//! two-coloured macroblocks. IDR pictures predict plain macroblocks from one another and send the
//! others as they are (I_PCM); P pictures skip what did not change and send the rest as I_PCM.
//! With the deblocking filter off, what is decoded is exactly what was drawn.

use crate::media::synth::cell::Cell;
use crate::media::synth::cell::Colour;
use crate::media::synth::picture::COLUMNS;
use crate::media::synth::picture::SLICE_ROWS;

use bits::Bits;
use bits::Block;
use parameters::FRAME_NUM_BITS;

mod bits;
mod parameters;
#[cfg(test)]
mod tests;

/// `mb_type` of I_PCM in an I slice; the intra types of a P slice come after five of its own.
const I_PCM: u32 = 25;
const P_SLICE_TYPES: u32 = 5;

/// Intra prediction of luma (table 8-4) and the same for chroma (table 8-5).
#[derive(Clone, Copy)]
struct Mode {
    luma: u32,
    chroma: u32,
}

const VERTICAL: Mode = Mode { luma: 0, chroma: 2 };
const HORIZONTAL: Mode = Mode { luma: 1, chroma: 1 };
/// 128 where the slice has no neighbours yet.
const MEAN: Mode = Mode { luma: 2, chroma: 0 };

/// Turns pictures into access units in byte stream format (annex B).
#[derive(Debug, Default)]
pub(super) struct Encoder {
    /// The NAL unit being made.
    bits: Bits,
    /// The picture that a P picture refers to.
    reference: Vec<Cell>,
    /// Pictures since the last IDR.
    frame_num: u32,
}

/// How a macroblock of the slice was coded, for the prediction of its neighbours.
#[derive(Clone, Copy)]
enum Coded {
    Plain(Colour),
    Pcm,
}

impl Encoder {
    /// Appends an IDR access unit with its parameter sets. `idr_pic_id` must differ between IDR
    /// pictures that follow one another directly; its lowest bit counts.
    pub(super) fn write_idr(&mut self, cells: &[Cell], idr_pic_id: u64, out: &mut Vec<u8>) {
        let Self { bits, reference, frame_num } = self;
        *frame_num = 0;
        bits.put(0, 3); // primary_pic_type: I slices only.
        bits.write_nal(0x09, out);
        parameters::put_sequence(bits);
        bits.write_nal(0x67, out);
        parameters::put_picture(bits);
        bits.write_nal(0x68, out);
        let mut rest = cells;
        for rows in SLICE_ROWS {
            let (slice, below) = rest.split_at_checked(rows * COLUMNS).unwrap_or((rest, &[]));
            put_slice_header(bits, cells.len() - rest.len(), 0, Some(idr_pic_id & 1 == 1));
            put_intra_slice(bits, slice);
            bits.write_nal(0x65, out); // nal_ref_idc 3, coded slice of an IDR picture.
            rest = below;
        }
        reference.clear();
        reference.extend_from_slice(cells);
    }

    /// Appends an access unit that shows what differs from the picture before, which must have been
    /// written by this encoder.
    pub(super) fn write_p(&mut self, cells: &[Cell], out: &mut Vec<u8>) {
        let Self { bits, reference, frame_num } = self;
        *frame_num = (*frame_num + 1) % (1 << FRAME_NUM_BITS);
        bits.put(1, 3); // primary_pic_type: I and P slices.
        bits.write_nal(0x09, out);
        let mut first = 0;
        for rows in SLICE_ROWS {
            let count = rows * COLUMNS;
            put_slice_header(bits, first, *frame_num, None);
            put_changes(bits, cells.iter().zip(reference.iter()).skip(first).take(count));
            bits.write_nal(0x41, out); // nal_ref_idc 2, coded slice of a non-IDR picture.
            first += count;
        }
        reference.clear();
        reference.extend_from_slice(cells);
    }
}

/// The slice header (7.3.3); `idr_pic_id` for an IDR picture, `None` for a P picture.
fn put_slice_header(
    bits: &mut Bits,
    first_macroblock: usize,
    frame_num: u32,
    idr_pic_id: Option<bool>,
) {
    bits.put_ue(u32::try_from(first_macroblock).unwrap_or(0)); // Below 920.
    bits.put_ue(if idr_pic_id.is_some() { 7 } else { 5 }); // All slices are I, or all are P.
    bits.put_ue(0); // pic_parameter_set_id
    bits.put(frame_num, FRAME_NUM_BITS);
    if let Some(id) = idr_pic_id {
        bits.put_ue(u32::from(id));
        bits.put(0, 1); // no_output_of_prior_pics_flag
        bits.put(0, 1); // long_term_reference_flag
    } else {
        bits.put(0, 1); // num_ref_idx_active_override_flag
        bits.put(0, 1); // ref_pic_list_modification_flag_l0
        bits.put(0, 1); // adaptive_ref_pic_marking_mode_flag
    }
    bits.put_se(0); // slice_qp_delta
    bits.put_ue(1); // disable_deblocking_filter_idc
}

/// Every macroblock of an I slice (7.3.4).
fn put_intra_slice(bits: &mut Bits, cells: &[Cell]) {
    let mut above = [None; COLUMNS];
    for row in cells.chunks(COLUMNS) {
        let mut left = None;
        for (cell, above) in row.iter().zip(&mut above) {
            left = Some(put_intra(bits, cell, left, *above));
            *above = left;
        }
    }
}

/// One macroblock of an I slice, given how those beside it in the slice were coded.
fn put_intra(bits: &mut Bits, cell: &Cell, left: Option<Coded>, above: Option<Coded>) -> Coded {
    let prediction = match (left, above) {
        (_, Some(Coded::Plain(colour))) => Some((VERTICAL, colour)),
        (Some(Coded::Plain(colour)), _) => Some((HORIZONTAL, colour)),
        (None, None) => Some((MEAN, Colour { y: 128, cb: 128, cr: 128 })),
        // The mean of samples that were sent as they are would have to be computed.
        _ => None,
    };
    let (Some(colour), Some((mode, predicted))) = (cell.colour(), prediction) else {
        bits.put_ue(I_PCM);
        cell.write_samples(bits.aligned_bytes());
        return Coded::Pcm;
    };
    let beside_pcm = [left, above].iter().any(|coded| matches!(coded, Some(Coded::Pcm)));
    let luma = if beside_pcm { Block::LumaBesidePcm } else { Block::Luma };
    put_intra_16x16(bits, mode, colour.minus(predicted), luma);
    Coded::Plain(colour)
}

/// An Intra_16x16 macroblock with no more than DC coefficients (7.3.5), which at the quantisers
/// chosen are the difference of its samples to the prediction.
fn put_intra_16x16(bits: &mut Bits, mode: Mode, [y, cb, cr]: [i32; 3], luma: Block) {
    let chroma_coded = (cb, cr) != (0, 0);
    bits.put_ue(1 + mode.luma + 4 * u32::from(chroma_coded)); // mb_type, table 7-11
    bits.put_ue(mode.chroma);
    bits.put_se(0); // mb_qp_delta
    bits.put_coefficient(y, luma);
    if chroma_coded {
        bits.put_coefficient(cb, Block::ChromaDc);
        bits.put_coefficient(cr, Block::ChromaDc);
    }
}

/// The macroblocks of a P slice (7.3.4). What is as it was is skipped: no residual, and a motion
/// vector that is inferred as zero because there is no other.
fn put_changes<'a>(bits: &mut Bits, cells: impl Iterator<Item = (&'a Cell, &'a Cell)>) {
    let mut skipped = 0;
    for (cell, before) in cells {
        if cell == before {
            skipped += 1;
            continue;
        }
        bits.put_ue(skipped);
        bits.put_ue(P_SLICE_TYPES + I_PCM);
        cell.write_samples(bits.aligned_bytes());
        skipped = 0;
    }
    if skipped > 0 {
        bits.put_ue(skipped);
    }
}
