//! The command that converts sound where a profile has FFmpeg do it.

use super::Ffmpeg;
use crate::config::audio::Audio;
use crate::config::language;

impl Ffmpeg {
    /// The sound of all tracks that `audio` wants becomes AAC. Pictures and subtitles are copied; data are left out,
    /// as FFmpeg would write sections (SCTE 35) into PES packets.
    pub(in crate::config) fn converting(audio: &Audio) -> Self {
        let mut args = vec!["-i".to_owned(), "{input_url}".to_owned()];
        let mut option = |name: &str, value: &str| args.extend([name, value].map(str::to_owned));
        option("-map", "0:v?");
        for language in &audio.languages {
            option("-map", &format!("0:a:m:language:{}?", language::shown(language)));
        }
        match audio.tracks {
            _ if !audio.languages.is_empty() => {}
            Some(tracks) => {
                (0..tracks).for_each(|track| option("-map", &format!("0:a:{track}?")));
            }
            None => option("-map", "0:a?"),
        }
        option("-map", "0:s?");
        option("-c", "copy");
        option("-c:a", "aac");
        option("-b:a", &audio.bitrate.to_string());
        option("-ac", &audio.channels.to_string());
        option("-f", "mpegts");
        args.push("{output}".to_owned());
        Self { args, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ffmpeg::Arguments;

    #[test]
    fn every_command_passes_the_check() {
        let all = "-i {input_url} -map 0:v? -map 0:a? -map 0:s? -c copy -c:a aac -b:a 192000 -ac 2 -f mpegts {output}";
        let two = "-i {input_url} -map 0:v? -map 0:a:0? -map 0:a:1? -map 0:s? -c copy -c:a aac -b:a 64000 -ac 1 \
                   -f mpegts {output}";
        let german = "-i {input_url} -map 0:v? -map 0:a:m:language:deu? -map 0:a:m:language:ger? -map 0:s? -c copy \
                      -c:a aac -b:a 192000 -ac 2 -f mpegts {output}";
        let cases = [
            (Audio::default(), all),
            (Audio { tracks: Some(2), channels: 1, bitrate: 64_000, ..Audio::default() }, two),
            (Audio { languages: vec![*b"deu", *b"ger"], ..Audio::default() }, german),
        ];
        for (audio, command) in cases {
            let ffmpeg = Ffmpeg::converting(&audio);
            assert_eq!(ffmpeg.args.join(" "), command);
            assert!(Arguments::parse(&ffmpeg.args).is_ok(), "{command}");
        }
        let languages = (b'a'..=b'z').map(|letter| [letter; 3]).collect();
        let most = Ffmpeg::converting(&Audio { languages, ..Audio::default() });
        assert!(Arguments::parse(&most.args).is_ok());
    }
}
