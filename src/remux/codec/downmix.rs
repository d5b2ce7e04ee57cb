//! More than two channels mixed down to stereo by ITU-R BS.775-3, annex 4, where the bitstream states no levels.

/// Half the power, which a channel between two others has in each of them.
const HALF_POWER: f32 = std::f32::consts::FRAC_1_SQRT_2;

/// Where a channel belongs, as FFmpeg's `enum AVChannel` numbers the places, which is how WAVE does.
pub(super) type Place = i32;

/// Appends the mix of `planes`, each with its place, to `stereo`.
///
/// The weights of left and right are divided by the greater sum of the two, so that no sum of samples within full
/// scale can pass it and the balance stays. Low frequency channels and places above the listener are left out.
pub(super) fn mix<'a>(
    planes: impl Iterator<Item = (Place, &'a [f32])> + Clone,
    stereo: &mut [Vec<f32>; 2],
) {
    let sum = planes.clone().fold([0.0_f32; 2], |sum, (place, _)| {
        let weights = weights(place);
        [sum[0] + weights[0], sum[1] + weights[1]]
    });
    let scale = 1.0 / sum[0].max(sum[1]).max(1.0);
    for (side, into) in stereo.iter_mut().enumerate() {
        let begin = into.len();
        for (place, plane) in planes.clone() {
            into.resize(into.len().max(begin + plane.len()), 0.0);
            let weight = weights(place).get(side).copied().unwrap_or_default() * scale;
            if weight > 0.0 {
                into.iter_mut()
                    .skip(begin)
                    .zip(plane)
                    .for_each(|(into, sample)| *into += weight * sample);
            }
        }
    }
}

/// What left and right get of a channel.
const fn weights(place: Place) -> [f32; 2] {
    match place {
        // Front left and right.
        0 => [1.0, 0.0],
        1 => [0.0, 1.0],
        // Front centre.
        2 => [HALF_POWER, HALF_POWER],
        // Back and side left, left of centre, wide left; and the same of the right.
        4 | 6 | 9 | 31 => [HALF_POWER, 0.0],
        5 | 7 | 10 | 32 => [0.0, HALF_POWER],
        // Back centre.
        8 => [0.5, 0.5],
        _ => [0.0, 0.0],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mixed(places: &[Place], of: usize) -> [f32; 2] {
        let silent = [0.0; 3];
        let loud = [1.0; 3];
        let planes = places
            .iter()
            .enumerate()
            .map(|(at, place)| (*place, if at == of { &loud[..] } else { &silent }));
        let mut stereo = [vec![9.0], vec![9.0]];
        mix(planes, &mut stereo);
        assert!(stereo.iter().all(|side| side.len() == 4 && side[0] == 9.0 && side[1] == side[3]));
        [stereo[0][1], stereo[1][1]]
    }

    #[test]
    fn five_channels_add_up_to_full_scale_and_the_low_frequencies_are_left_out() {
        let places = [0, 1, 2, 3, 9, 10];
        let all: Vec<_> = (0..6).map(|channel| mixed(&places, channel)).collect();
        let left: f32 = all.iter().map(|sides| sides[0]).sum();
        let right: f32 = all.iter().map(|sides| sides[1]).sum();
        assert!((left - 1.0).abs() < 1e-6 && (right - 1.0).abs() < 1e-6);
        assert_eq!(all[3], [0.0, 0.0]);
        assert_eq!(all[0][1], 0.0);
        assert!((all[2][0] / all[0][0] - HALF_POWER).abs() < 1e-6);
        assert_eq!(all[2][0], all[2][1]);
        assert_eq!(all[4], [all[2][0], 0.0]);
        assert_eq!(all[5], [0.0, all[2][0]]);
    }

    #[test]
    fn a_single_surround_channel_goes_to_both_sides() {
        let [left, right] = mixed(&[0, 1, 2, 8], 3);
        assert_eq!(left, right);
        assert!((left - 0.5 / (1.5 + HALF_POWER)).abs() < 1e-6);
    }

    #[test]
    fn what_is_nowhere_is_not_heard() {
        assert_eq!(mixed(&[0, 1, -1], 2), [0.0, 0.0]);
        assert_eq!(mixed(&[-1, -1, -1], 0), [0.0, 0.0]);
    }
}
