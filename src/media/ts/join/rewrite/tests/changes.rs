//! Sources whose streams become others amid them: on each of the client's PIDs time goes on.

use super::*;

/// The decoding times on a PID.
fn decoding(out: &[u8], pid: u16) -> Vec<u64> {
    packets(out)
        .filter(|packet| packet.pid().value() == pid && packet.payload_unit_start())
        .filter_map(|packet| Some(Timestamps::parse(packet.payload()?)?.decoding().ticks()))
        .collect()
}

#[test]
fn another_sound_goes_on_after_the_one_before() {
    // The client was told of E-AC-3 where it had MP2, and has had none of it.
    let last = 900_000 + 30 * FRAME;
    let mut first = client(&[]);
    first.unit(0x101, last, None, &[0x55; 300], LEN);
    first.tables(0x1000, 1, 0x100, &[(0x1B, 0x100, &[]), (0x87, 0x101, &[])]);
    let mut standby = Mux::default();
    standby.tables(0x30, 0, 0x40, &[(0x1B, 0x40, &[]), (0x0F, 0x41, &[])]);
    standby.channel(0x40, 5_000_000, 5);
    standby.tables(0x30, 1, 0x40, &[(0x1B, 0x40, &[]), (0x87, 0x41, &[])]);
    for number in 5..40 {
        standby.unit(0x41, 5_000_000 + number * FRAME, None, &[0x55; 300], LEN);
    }
    let (_, out) = joined(&first.out, &standby.out);
    let times = times(&out, 0x101);
    assert!(times.len() > 15 && times[0] > last, "{times:?}");
}

#[test]
fn another_video_goes_on_after_the_one_before() {
    // The client once had HEVC on 0x102, decoded until long after what follows.
    let last = 900_000 + 30 * FRAME;
    let mut first = Mux::default();
    first.tables(0x1000, 0, 0x102, &[(0x24, 0x102, &[])]);
    first.unit(0x102, last, Some(891_000), P, LEN);
    let h264: Streams<'_> = &[(0x1B, 0x100, &[]), (3, 0x101, &[])];
    first.tables(0x1000, 1, 0x100, h264);
    first.channel(0x100, 900_000, 10);
    let mut standby = Mux::default();
    standby.tables(0x30, 0, 0x40, &[(0x1B, 0x40, &[]), (3, 0x41, &[])]);
    standby.channel(0x40, 5_000_000, 5);
    standby.tables(0x30, 1, 0x40, &[(0x24, 0x40, &[]), (3, 0x41, &[])]);
    for number in 5..40 {
        let dts = 5_000_000 + number * FRAME;
        // Shown so much later that none is before the last one.
        let mut unit = Vec::new();
        pes::Header {
            stream_id: pes::stream_id::VIDEO,
            data_alignment: true,
            pts: Some(Pts::new(dts + 20 * FRAME)),
            dts: Some(Pts::new(dts)),
        }
        .write(P.len(), &mut unit);
        unit.extend_from_slice(P);
        let counter = standby.counters.entry(0x40).or_default().advance();
        Header { payload_unit_start: true, ..Header::new(Pid::masked(0x40), counter) }
            .write(&unit, &mut standby.out);
    }
    let (_, out) = joined(&first.out, &standby.out);
    let times = decoding(&out, 0x102);
    assert!(times.len() > 15 && times[0] > last, "{times:?}");
}
