//! The suites in Python: real clients, each in the environment that its requirements name.

use super::step::{Bench, Done, Step, exists};
use super::{browser, node};
use anyhow::{Context, Result};
use std::path::PathBuf;

/// Installs the environments under `<target>/venvs`.
pub(crate) fn environments() -> Vec<Step> {
    let environment = |name: &'static str, short: &'static str, about: &'static str| {
        Step::preparation(name, about, move |bench| install(bench, short)).needing(&["uv"])
    };
    vec![
        Step::preparation("uv", "what installs Python packages", bootstrap),
        environment("env-mlflow28", "mlflow28", "MLflow 2.8 and LangChain of its day"),
        environment("env-current", "current", "MLflow 2.22, and OpenAI's SDK and LangChain of today"),
        environment("env-sdks", "sdks", "the official SDKs of the APIs that clients speak"),
        environment("env-mlflow29", "mlflow29", "MLflow 2.9, LangChain of its day, OpenAI's SDK 1"),
    ]
}

/// The tests under `tests/`.
pub(crate) fn suites() -> Vec<Step> {
    vec![
        suite(
            "suite-mlflow28",
            "MLflow 2.8's fluent API and client, LangChain 0.0.316",
            "mlflow28",
            &["tests/mlflow28"],
        ),
        suite(
            "suite-mlflow29",
            "MLflow 2.9, LangChain 0.0.350, OpenAI's SDK 1",
            "mlflow29",
            &["tests/mlflow29", "tests/openai_sdk"],
        ),
        suite(
            "suite-current",
            "MLflow 2.22, and OpenAI's SDK and LangChain of today",
            "current",
            &["tests/current", "tests/openai_sdk"],
        ),
        suite("suite-sdks", "the official SDKs, each with its own API's paths", "sdks", &["tests/sdks"]),
        suite(
            "suite-tools",
            "Claude Code, Codex and Gemini CLI, unmodified, on any model",
            "sdks",
            &["tests/tools"],
        )
        .needing(&["build", "env-sdks", "env-node"]),
        suite("docs-page", "/docs in a real Chromium", "current", &["tests/browser"]).needing(&[
            "build",
            "env-current",
            "chromium",
        ]),
        suite("readme", "the commands and files that README.md and docs/ show", "current", &["tests/readme"]),
    ]
}

/// The tests in `folders`, in one environment.
fn suite(
    name: &'static str,
    about: &'static str,
    environment: &'static str,
    folders: &'static [&'static str],
) -> Step {
    let needs = match environment {
        "mlflow28" => "env-mlflow28",
        "mlflow29" => "env-mlflow29",
        "sdks" => "env-sdks",
        _ => "env-current",
    };
    Step::check(name, about, move |bench| {
        let mut pytest = bench.command(interpreter(bench, environment));
        pytest.args(["-m", "pytest", "--quiet", "-p", "no:cacheprovider"]).args(folders);
        pytest.env("PYTHONDONTWRITEBYTECODE", "1");
        pytest.env("LOCKGATE_BINARY", &bench.place.lockgate).env("LOCKGATE_TARGET", &bench.place.target);
        pytest.env("LOCKGATE_NODE", node::commands(bench));
        if let Some(chromium) = browser::find() {
            pytest.env("LOCKGATE_CHROMIUM", chromium);
        }
        bench.run(&mut pytest)?;
        Ok(Done::Passed(last_line(&bench.printed())))
    })
    .needing(&["build", needs])
    .within_mins(8)
}

/// The interpreter of an environment.
pub(crate) fn interpreter(bench: &Bench<'_>, environment: &str) -> PathBuf {
    folder(bench, environment).join("bin/python")
}

fn folder(bench: &Bench<'_>, environment: &str) -> PathBuf {
    bench.place.target.join("venvs").join(environment)
}

/// The uv of this machine, else one of our own.
fn uv(bench: &Bench<'_>) -> PathBuf {
    if exists("uv") { "uv".into() } else { folder(bench, "uv").join("bin/uv") }
}

fn bootstrap(bench: &Bench<'_>) -> Result<Done> {
    let uv = uv(bench);
    if !uv.is_absolute() || uv.is_file() {
        return Ok(Done::Passed(String::new()));
    }
    let folder = folder(bench, "uv");
    let missing = "install Python 3 with its venv module (Debian: apt-get install python3-venv)";
    bench.run(bench.command("python3").args(["-m", "venv", "--clear"]).arg(&folder)).context(missing)?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "uv"];
    bench.run(bench.command(folder.join("bin/python")).args(pip)).context("installing uv from PyPI")?;
    Ok(Done::Passed(String::new()))
}

/// Installs what `tests/environments/<name>.txt` lists, unless just that is installed already.
fn install(bench: &Bench<'_>, name: &str) -> Result<Done> {
    let list = bench.place.root.join("tests/environments").join(format!("{name}.txt"));
    let wanted = std::fs::read_to_string(&list).with_context(|| format!("reading {}", list.display()))?;
    let folder = folder(bench, name);
    let stamp = folder.join("installed.txt");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(Done::Passed("is there already".into()));
    }
    // The old clients have no wheels for newer Pythons.
    let python = "these clients need Python 3.10 or 3.11 (Debian 12: apt-get install python3.11)";
    let uv = || {
        let mut uv = bench.command(uv(bench));
        uv.env("UV_PYTHON_DOWNLOADS", "never").env("UV_NO_PROGRESS", "1");
        uv
    };
    bench.run(uv().args(["venv", "--clear", "--python", ">=3.10,<3.12"]).arg(&folder)).context(python)?;
    let pip = ["pip", "install", "--no-config", "--python"];
    bench.run(uv().args(pip).arg(interpreter(bench, name)).arg("--requirement").arg(&list))?;
    std::fs::write(&stamp, wanted)?;
    Ok(Done::Passed(String::new()))
}

/// pytest's own summary.
fn last_line(printed: &str) -> String {
    printed
        .lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default()
        .trim_matches([' ', '='])
        .to_owned()
}
