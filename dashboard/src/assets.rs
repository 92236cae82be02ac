//! The files of the page: packed into the program, or read from a folder by whoever works on them.

use std::borrow::Cow;
use std::path::PathBuf;

include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// A file as the build packed it.
pub(crate) struct Packed {
    /// Its path below `web/`.
    name: &'static str,
    kind: &'static str,
    plain: &'static [u8],
    brotli: &'static [u8],
}

/// A file to answer with.
pub(crate) struct File {
    /// Its media type.
    pub(crate) kind: &'static str,
    /// As it is.
    pub(crate) plain: Cow<'static, [u8]>,
    /// Compressed, where it was packed.
    pub(crate) brotli: Option<&'static [u8]>,
    /// Whether the same name and version always give these bytes.
    pub(crate) fixed: bool,
}

/// Where files come from.
#[derive(Debug, Clone, Default)]
pub enum Assets {
    /// What the build packed.
    #[default]
    Packed,
    /// A folder that is read at every request, for work on the page.
    Folder(PathBuf),
}

impl Assets {
    /// The hash of all files, for their addresses: a browser keeps what it has until it changes.
    pub(crate) fn version(&self) -> &'static str {
        match self {
            Assets::Packed => VERSION,
            Assets::Folder(_) => "folder",
        }
    }

    /// The file of that name.
    pub(crate) fn get(&self, name: &str) -> Option<File> {
        let packed = FILES.iter().find(|file| file.name == name);
        match self {
            Assets::Packed => packed.map(|file| File {
                kind: file.kind,
                plain: file.plain.into(),
                brotli: Some(file.brotli),
                fixed: true,
            }),
            Assets::Folder(folder) => {
                let kind = packed.map(|file| file.kind).or_else(|| kind(name))?;
                let bytes = std::fs::read(folder.join(name)).ok()?;
                let bytes = match String::from_utf8(bytes) {
                    Ok(text) if name == "index.html" => text.replace("{{version}}", self.version()).into_bytes(),
                    Ok(text) => text.into_bytes(),
                    Err(other) => other.into_bytes(),
                };
                Some(File { kind, plain: bytes.into(), brotli: None, fixed: false })
            }
        }
    }
}

/// What a file that was added since the build is; none for a name that leaves the folder.
fn kind(name: &str) -> Option<&'static str> {
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
    };
    if !name.split('/').all(plain) {
        return None;
    }
    match name.rsplit('.').next()? {
        "js" => Some("text/javascript; charset=utf-8"),
        "css" => Some("text/css; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the page loads before it shows anything.
    const FIRST: [&str; 3] = ["index.html", "app.css", "app.js"];
    /// The most bytes of all files together, compressed.
    const BYTES_MAX: usize = 220_000;

    #[test]
    fn the_page_is_packed_and_small() {
        for name in FIRST {
            assert!(Assets::Packed.get(name).is_some(), "{name}");
        }
        let index = Assets::Packed.get("index.html").expect("packed").plain;
        assert!(String::from_utf8_lossy(&index).contains(VERSION), "addresses hold the version");
        let bytes: usize = FILES.iter().map(|file| file.brotli.len()).sum();
        println!("{} files, {bytes} bytes as brotli, of which vendored {}", FILES.len(), {
            let vendored = FILES.iter().filter(|file| file.name.starts_with("vendor/"));
            vendored.map(|file| file.brotli.len()).sum::<usize>()
        });
        assert!(bytes <= BYTES_MAX, "{bytes} bytes");
    }

    #[test]
    fn a_folder_gives_no_other_files() {
        let folder = Assets::Folder(PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/web")));
        assert!(folder.get("app.js").is_some());
        for name in
            ["../Cargo.toml", "../src/lib.rs", "/etc/passwd", "", "vendor/../../Cargo.js", ".hidden.js", "a//b.js"]
        {
            assert!(folder.get(name).is_none(), "{name}");
            assert!(Assets::Packed.get(name).is_none(), "{name}");
        }
    }
}
