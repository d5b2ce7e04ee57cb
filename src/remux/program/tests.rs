use super::*;

const VIDEO: Pid = Pid::masked(0x30);

fn source(streams: &[(u8, u16, &[u8])]) -> Vec<u8> {
    let streams: Vec<Stream<'_>> = streams
        .iter()
        .map(|&(stream_type, pid, descriptors)| Stream {
            stream_type,
            pid: Pid::masked(pid),
            descriptors,
        })
        .collect();
    Pmt::write(7, 5, VIDEO, &[0x09, 4, 1, 2, 3, 4], &streams).unwrap()
}

fn plan(section: &[u8], options: &Options, decodes: bool) -> Program {
    let pmt = Pmt::parse(section).unwrap();
    Program::plan(
        &pmt,
        (Pid::masked(0x20), section),
        (options, 9),
        |coding| decodes || coding == Coding::Mp2,
        |_| Nature::Open,
    )
}

fn entries(section: &[u8]) -> Vec<(u8, u16, Vec<u8>)> {
    let pmt = Pmt::parse(section).unwrap();
    let entry =
        |stream: Stream<'_>| (stream.stream_type, stream.pid.value(), stream.descriptors.to_vec());
    pmt.streams().map(entry).collect()
}

#[test]
fn sound_that_is_converted_is_told_as_aac_and_the_rest_stays() {
    let ac3: &[u8] = b"\x52\x01\x05\x0A\x04deu\x00\x6A\x01\x44\x05\x04AC-3";
    let section = source(&[
        (0x1B, 0x30, b"\x52\x01\x01"),
        (0x06, 0x31, ac3),
        (0x81, 0x32, b"\x81\x03abc\x0A\x04eng\x03"),
        (0x06, 0x33, b"\x56\x05deu\x09\x00"),
        (0x0F, 0x34, b"\x7C\x01\x58"),
        (0x05, 0x35, b"\x6F\x03abc"),
    ]);
    let program = plan(&section, &Options::default(), true);
    let pmt = Pmt::parse(&program.written).unwrap();
    assert_eq!((pmt.program_number(), pmt.pcr_pid(), pmt.section().version), (7, VIDEO, 5));
    assert_eq!(pmt.descriptors(), [0x09, 4, 1, 2, 3, 4]);
    assert_eq!(
        entries(&program.written),
        [
            (0x1B, 0x30, b"\x52\x01\x01".to_vec()),
            (0x0F, 0x31, b"\x52\x01\x05\x0A\x04deu\x00".to_vec()),
            (0x0F, 0x32, b"\x0A\x04eng\x03".to_vec()),
            (0x06, 0x33, b"\x56\x05deu\x09\x00".to_vec()),
            (0x0F, 0x34, b"\x7C\x01\x58".to_vec()),
            (0x05, 0x35, b"\x6F\x03abc".to_vec()),
        ]
    );
    assert!(program.converts());
    assert_eq!(program.undecodable(), []);
}

#[test]
fn a_programme_without_convertible_sound_stays_as_it_is() {
    let section = source(&[(0x1B, 0x30, b""), (0x0F, 0x31, b"\x0A\x04deu\x00")]);
    let program = plan(&section, &Options::default(), true);
    assert_eq!(program.written, section);
    assert!(!program.converts());
}

#[test]
fn wanted_languages_come_first_in_the_places_of_sound() {
    let section = source(&[
        (0x81, 0x41, b"\x0A\x04fra\x00"),
        (0x1B, 0x30, b""),
        (0x81, 0x42, b"\x0A\x04deu\x00"),
        (0x81, 0x43, b"\x0A\x04eng\x00"),
    ]);
    let options = Options { languages: vec![*b"eng", *b"deu"], ..Options::default() };
    let program = plan(&section, &options, true);
    let pids: Vec<u16> = entries(&program.written).iter().map(|entry| entry.1).collect();
    assert_eq!(pids, [0x43, 0x30, 0x42]);
    assert_eq!(program.tracks[0].fate, Fate::Dropped);
    assert_eq!(program.tracks[2].fate, Fate::Converted(Coding::Ac3));
}

#[test]
fn what_is_not_decoded_is_told_where_nothing_else_is_there() {
    let section = source(&[(0x1B, 0x30, b""), (0x81, 0x41, b""), (0x87, 0x42, b"")]);
    let program = plan(&section, &Options::default(), false);
    assert_eq!(program.undecodable(), [Coding::Ac3, Coding::Eac3]);
    assert_eq!(program.written, section);
    let section = source(&[(0x1B, 0x30, b""), (0x81, 0x41, b""), (0x03, 0x42, b"")]);
    assert_eq!(plan(&section, &Options::default(), false).undecodable(), []);
    let section = source(&[(0x1B, 0x30, b"")]);
    assert_eq!(plan(&section, &Options::default(), false).undecodable(), []);
}

#[test]
fn what_the_bytes_are_counts_more_than_what_is_told() {
    let section = source(&[(0x1B, 0x30, b""), (0x04, 0x41, b""), (0x04, 0x42, b"")]);
    let pmt = Pmt::parse(&section).unwrap();
    let nature = |stream: &Stream<'_>| {
        if stream.pid.value() == 0x41 { Nature::Adts } else { Nature::Foreign }
    };
    let program = Program::plan(
        &pmt,
        (Pid::masked(0x20), &section),
        (&Options::default(), 9),
        |_| true,
        nature,
    );
    let types: Vec<u8> = entries(&program.written).iter().map(|entry| entry.0).collect();
    assert_eq!(types, [0x1B, 0x0F, 0x04]);
    assert_eq!(program.tracks[1].fate, Fate::Unknown(0x04));
}

#[test]
fn versions_go_on_whatever_the_source_says() {
    let first = source(&[(0x1B, 0x30, b""), (0x81, 0x41, b"")]);
    let other = source(&[(0x1B, 0x30, b""), (0x81, 0x42, b"")]);
    let version = |program: &Program| Pmt::parse(&program.written).unwrap().section().version;
    let one = plan(&first, &Options::default(), true);
    let mut same = plan(&first, &Options::default(), true);
    same.follow(&one);
    assert_eq!((version(&one), version(&same)), (5, 5));
    let mut two = plan(&other, &Options::default(), true);
    two.follow(&one);
    assert_eq!(version(&two), 6);
    let mut back = plan(&first, &Options::default(), true);
    back.follow(&two);
    assert_eq!(version(&back), 7);
}

#[test]
fn what_there_is_no_room_for_is_told_as_it_is() {
    let section = source(&[(0x1B, 0x30, b""), (0x81, 0x41, b""), (0x81, 0x42, b"")]);
    let pmt = Pmt::parse(&section).unwrap();
    let (options, pid) = (Options::default(), Pid::masked(0x20));
    let program = Program::plan(&pmt, (pid, &section), (&options, 1), |_| true, |_| Nature::Open);
    let types: Vec<u8> = entries(&program.written).iter().map(|entry| entry.0).collect();
    assert_eq!(types, [0x1B, 0x0F, 0x81]);
}
