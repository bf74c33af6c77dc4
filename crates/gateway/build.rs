//! Unpacks what the documentation page needs of Swagger UI, as gzip files in the build's output.
//!
//! A ZIP archive and a gzip file hold the same compressed bytes (RFC 1951) in different wrappers, so nothing is
//! compressed anew.

use std::error::Error;
use std::io::{Cursor, Read};
use std::path::Path;
use std::{env, fs};
use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;
use zip::{CompressionMethod, ZipArchive};

const FILES: [&str; 2] = ["swagger-ui-bundle.js", "swagger-ui.css"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let out = env::var("OUT_DIR")?;
    let mut archive = ZipArchive::new(Cursor::new(SWAGGER_UI_VENDORED))?;
    for file in FILES {
        let end = format!("/dist/{file}");
        // The archive's only top folder carries the version in its name.
        let is = |name: &str| name.ends_with(&end) && name.matches('/').count() == 2;
        let name = archive.file_names().flatten().find(|name| is(name)).map(|name| name.into_owned());
        let at = name.and_then(|name| archive.index_for_name(&name));
        let at = at.ok_or_else(|| format!("Swagger UI's archive has no {file}"))?;
        fs::write(Path::new(&out).join(format!("{file}.gz")), gzip(&mut archive, at)?)?;
    }
    Ok(())
}

/// The entry in gzip's wrapper (RFC 1952, section 2.3).
fn gzip(archive: &mut ZipArchive<Cursor<&[u8]>>, at: usize) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut entry = archive.by_index_raw(at)?;
    if entry.compression() != CompressionMethod::DEFLATE {
        return Err("Swagger UI's archive is not compressed as expected".into());
    }
    let mut packed = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255];
    let (checksum, length) = (entry.crc32(), u32::try_from(entry.size())?);
    entry.read_to_end(&mut packed)?;
    packed.extend_from_slice(&checksum.to_le_bytes());
    packed.extend_from_slice(&length.to_le_bytes());
    Ok(packed)
}
