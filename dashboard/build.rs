//! Packs the files of `web/` into the crate: each as it is and as brotli, under a hash of all of
//! them. Browsers keep them until the hash changes.
//!
//! A build needs only cargo: the page is plain ES modules, and the libraries in `web/vendor` are
//! files. `dashboard/vendor/make.sh` builds those from their packages.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};

/// What the page is made of; other files, such as `vendor/LOCK`, are for whoever works on it.
const KINDS: [(&str, &str); 4] = [
    ("html", "text/html; charset=utf-8"),
    ("css", "text/css; charset=utf-8"),
    ("js", "text/javascript; charset=utf-8"),
    ("svg", "image/svg+xml"),
];
/// Stands in files for the hash of them all.
const VERSION: &str = "{{version}}";

fn main() {
    let web = Path::new(&std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("web");
    let out = PathBuf::from(std::env::var("OUT_DIR").expect("cargo sets it"));
    println!("cargo:rerun-if-changed={}", web.display());
    let mut files = Vec::new();
    collect(&web, &web, &mut files);
    files.sort();
    let all: Vec<(String, &str, Vec<u8>)> = files
        .into_iter()
        .map(|(name, kind)| (name.clone(), kind, std::fs::read(web.join(name)).expect("readable")))
        .collect();
    let mut digest = Md5::new();
    for (name, _, bytes) in &all {
        digest.update(name);
        digest.update(bytes.len().to_le_bytes());
        digest.update(bytes);
    }
    let version = digest.finalize()[..8].iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));

    let mut code = format!("/// The hash of all files.\npub(crate) const VERSION: &str = \"{version}\";\n");
    code += "pub(crate) static FILES: &[Packed] = &[\n";
    for (number, (name, kind, bytes)) in all.into_iter().enumerate() {
        let bytes = if kind.starts_with("text/html") {
            String::from_utf8(bytes).expect("pages are text").replace(VERSION, &version).into_bytes()
        } else {
            bytes
        };
        let (plain, packed) = (out.join(format!("{number}.plain")), out.join(format!("{number}.br")));
        std::fs::write(&plain, &bytes).expect("the output folder can be written");
        std::fs::write(&packed, brotli(&bytes)).expect("the output folder can be written");
        writeln!(
            code,
            "    Packed {{ name: {name:?}, kind: {kind:?}, plain: include_bytes!({plain:?}), brotli: include_bytes!({packed:?}) }},"
        )
        .expect("memory takes everything");
    }
    code += "];\n";
    std::fs::write(out.join("files.rs"), code).expect("the output folder can be written");
}

fn collect(web: &Path, folder: &Path, files: &mut Vec<(String, &'static str)>) {
    for entry in std::fs::read_dir(folder).expect("the page's folder can be read") {
        let path = entry.expect("readable").path();
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if path.is_dir() {
            collect(web, &path, files);
        } else if let Some((_, kind)) = KINDS.iter().find(|(known, _)| *known == extension) {
            let name = path.strip_prefix(web).expect("below it").to_str().expect("plain names").to_owned();
            files.push((name, kind));
        }
    }
}

fn brotli(bytes: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    brotli::CompressorWriter::new(&mut packed, 1 << 16, 11, 22).write_all(bytes).expect("memory takes everything");
    packed
}
