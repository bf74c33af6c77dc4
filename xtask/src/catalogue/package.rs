//! The package that the catalogue's facts come from: LiteLLM's wheel, as PyPI has it.

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value};
use std::path::Path;
use std::process::Command;

/// A version of the package.
pub(super) struct Package {
    pub(super) version: String,
    /// The SPDX expression of its licence.
    pub(super) licence: String,
    /// Models by the package's own names.
    pub(super) models: Map<String, Value>,
}

const DATA: &str = "litellm/model_prices_and_context_window_backup.json";

impl Package {
    /// Has uv unpack the package, without what it depends on, below `folder`.
    pub(super) fn fetch(version: &str, folder: &Path) -> Result<Self> {
        let place = folder.join(version);
        if !place.join(DATA).is_file() {
            let got = Command::new("uv")
                .args(["pip", "install", "--no-config", "--no-deps", "--only-binary", ":all:", "--target"])
                .arg(&place)
                .arg(format!("litellm=={version}"))
                .status()
                .context("uv does not start; it comes with `pip install uv`")?;
            ensure!(got.success(), "uv cannot bring litellm {version}");
        }
        Self::read(version, &place)
    }

    fn read(version: &str, place: &Path) -> Result<Self> {
        let read = |path: &str| {
            let path = place.join(path);
            std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
        };
        let about = read(&format!("litellm-{version}.dist-info/METADATA"))?;
        let Some(licence) = about.lines().find_map(|line| line.strip_prefix("License-Expression: ")) else {
            bail!("the package does not say its licence");
        };
        ensure!(licence == "MIT", "the package's licence is {licence} now: see whether we may use it");
        let data = read(DATA)?;
        let models = serde_json::from_str(&data).context("the package's data is not JSON")?;
        Ok(Self { version: version.to_owned(), licence: licence.to_owned(), models })
    }
}
