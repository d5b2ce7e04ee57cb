//! Sequence and picture parameter sets of the generated picture (ITU-T H.264, 7.3.2).

use crate::media::synth::h264::bits::Bits;
use crate::media::synth::picture::COLUMNS;
use crate::media::synth::picture::ROWS;

/// `level_idc` of level 3: 920 macroblocks at 25 pictures a second are 23 000 a second, of which
/// level 2.2 allows 20 250 and level 3 allows 40 500 (table A-1).
const LEVEL_IDC: u32 = 30;

/// Luma quantiser. At 28 a DC level of an Intra_16x16 macroblock is worth exactly one step of each
/// sample (8.5.10: level scale 256, shifted left by 6 - 28 / 6, rounded right by 6), so a residual
/// is simply the difference to the prediction.
const QP: i32 = 28;

/// Makes the chroma quantiser 22, where the same holds for chroma DC (8.5.11).
const CHROMA_QP_OFFSET: i32 = -6;

/// Bits of `frame_num`.
pub(super) const FRAME_NUM_BITS: u32 = 8;

/// The sequence parameter set (7.3.2.1.1): 640x360, progressive, 25 frames a second.
#[expect(clippy::cast_possible_truncation, reason = "columns and rows are small constants")]
pub(super) fn put_sequence(bits: &mut Bits) {
    bits.put(66, 8); // profile_idc: Baseline,
    bits.put(0b1100_0000, 8); // constrained: obeys Main as well (constraint_set0 and 1).
    bits.put(LEVEL_IDC, 8);
    bits.put_ue(0); // seq_parameter_set_id
    bits.put_ue(FRAME_NUM_BITS - 4);
    bits.put_ue(2); // pic_order_cnt_type: output order is decoding order.
    bits.put_ue(1); // max_num_ref_frames
    bits.put(0, 1); // gaps_in_frame_num_value_allowed_flag
    bits.put_ue(COLUMNS as u32 - 1);
    bits.put_ue(ROWS as u32 - 1);
    bits.put(1, 1); // frame_mbs_only_flag
    bits.put(1, 1); // direct_8x8_inference_flag
    bits.put(1, 1); // frame_cropping_flag: 368 lines to 360, in units of two.
    for offset in [0, 0, 0, 4] {
        bits.put_ue(offset);
    }
    bits.put(1, 1); // vui_parameters_present_flag
    put_vui(bits);
}

/// Video usability information (E.1.1).
fn put_vui(bits: &mut Bits) {
    bits.put(1, 1); // aspect_ratio_info_present_flag
    bits.put(1, 8); // aspect_ratio_idc: square.
    bits.put(0, 1); // overscan_info_present_flag
    bits.put(1, 1); // video_signal_type_present_flag
    bits.put(5, 3); // video_format: unspecified.
    bits.put(0, 1); // video_full_range_flag
    bits.put(1, 1); // colour_description_present_flag
    for bt_709 in [1, 1, 1] {
        bits.put(bt_709, 8); // Primaries, transfer, matrix.
    }
    bits.put(0, 1); // chroma_loc_info_present_flag
    bits.put(1, 1); // timing_info_present_flag: 25 frames are 50 ticks a second.
    bits.put(1, 32);
    bits.put(50, 32);
    bits.put(1, 1); // fixed_frame_rate_flag
    bits.put(0, 1); // nal_hrd_parameters_present_flag
    bits.put(0, 1); // vcl_hrd_parameters_present_flag
    bits.put(0, 1); // pic_struct_present_flag
    bits.put(1, 1); // bitstream_restriction_flag
    bits.put(1, 1); // motion_vectors_over_pic_boundaries_flag
    // Bytes of a picture and bits of a macroblock unlimited, vectors of one sample at most, no
    // reordering, one picture buffered: a decoder may show each picture at once.
    for value in [0, 0, 2, 2, 0, 1] {
        bits.put_ue(value);
    }
}

/// The picture parameter set (7.3.2.2).
pub(super) fn put_picture(bits: &mut Bits) {
    bits.put_ue(0); // pic_parameter_set_id
    bits.put_ue(0); // seq_parameter_set_id
    bits.put(0, 1); // entropy_coding_mode_flag: CAVLC.
    bits.put(0, 1); // bottom_field_pic_order_in_frame_present_flag
    bits.put_ue(0); // num_slice_groups_minus1
    bits.put_ue(0); // num_ref_idx_l0_default_active_minus1
    bits.put_ue(0); // num_ref_idx_l1_default_active_minus1
    bits.put(0, 1); // weighted_pred_flag
    bits.put(0, 2); // weighted_bipred_idc
    bits.put_se(QP - 26);
    bits.put_se(0); // pic_init_qs_minus26
    bits.put_se(CHROMA_QP_OFFSET);
    bits.put(1, 1); // deblocking_filter_control_present_flag
    bits.put(0, 1); // constrained_intra_pred_flag
    bits.put(0, 1); // redundant_pic_cnt_present_flag
}
