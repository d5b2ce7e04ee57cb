//! Compiles what stands between weir and libavcodec where the feature `libav` asks for it, and does nothing otherwise.
#![allow(clippy::print_stdout, reason = "a build script speaks to cargo on its standard output")]

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    #[cfg(feature = "libav")]
    libav::build();
}

/// The feature `libav`.
#[cfg(feature = "libav")]
mod libav {
    use std::path::PathBuf;

    /// What holds every use of an FFmpeg structure.
    const SHIM: &str = "src/remux/codec/libav.c";

    /// libavcodec of FFmpeg 5.1, the first with `AVChannelLayout`. The shim asks for the same.
    const OLDEST: [u32; 3] = [59, 37, 100];

    /// What brings libavcodec, by distribution.
    const REMEDIES: [&str; 3] = [
        "Debian, Ubuntu: apt-get install libavcodec-dev libavutil-dev pkg-config",
        "Fedora: dnf install libavcodec-free-devel libavutil-free-devel pkgconf-pkg-config",
        "Alpine: apk add ffmpeg-dev pkgconf",
    ];

    pub(super) fn build() {
        println!("cargo:rerun-if-changed={SHIM}");
        if let Err(why) = compile() {
            println!(
                "cargo::error=the feature libav needs libavcodec of FFmpeg 5.1 or newer: {why}"
            );
            REMEDIES.iter().for_each(|remedy| println!("cargo::error={remedy}"));
            println!(
                "cargo::error=or build without it: AC-3, E-AC-3 and LATM are not converted then"
            );
        }
    }

    fn compile() -> Result<(), String> {
        let mut folders = Vec::new();
        for name in ["libavcodec", "libavutil"] {
            folders.extend(find(name, false)?);
        }
        cc::Build::new()
            .file(SHIM)
            .std("c11")
            .includes(folders)
            .extra_warnings(true)
            .try_compile("weir_libav")
            .map_err(|error| error.to_string())?;
        // Only now: a static library must come after what uses it, in the order in which cargo is told.
        for name in ["libavcodec", "libavutil"] {
            find(name, true)?;
        }
        Ok(())
    }

    /// The folders of a library's headers; with `link`, cargo is told to link it.
    fn find(name: &str, link: bool) -> Result<Vec<PathBuf>, String> {
        let library = pkg_config::Config::new()
            .cargo_metadata(link)
            .probe(name)
            .map_err(|error| reason(name, &error))?;
        let found = &library.version;
        if name == "libavcodec" && version(found) < OLDEST {
            let [major, minor, micro] = OLDEST;
            return Err(format!(
                "libavcodec {found} is installed, {major}.{minor}.{micro} is the oldest"
            ));
        }
        Ok(library.include_paths)
    }

    /// In one line: of what pkg-config says the last, since what comes before is advice.
    fn reason(name: &str, error: &pkg_config::Error) -> String {
        match error {
            pkg_config::Error::Command { cause, .. } => {
                format!("pkg-config does not start: {cause}")
            }
            pkg_config::Error::Failure { output, .. }
            | pkg_config::Error::ProbeFailure { output, .. } => {
                let told = String::from_utf8_lossy(&output.stderr);
                let last = told.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
                format!("pkg-config does not find {name}: {last}")
            }
            _ => format!("pkg-config does not find {name}"),
        }
    }

    fn version(text: &str) -> [u32; 3] {
        let mut parts = text.split('.').map(|part| part.parse().unwrap_or(0));
        [(); 3].map(|()| parts.next().unwrap_or(0))
    }
}
