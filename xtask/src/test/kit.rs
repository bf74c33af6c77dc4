//! A differential kit: the same requests to this gateway as were once sent to a real MLflow, and the answers compared.

use super::processes::Group;
use super::python;
use super::step::{Bench, Done, Step};
use anyhow::{Context, Result, bail, ensure};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// The differences that are meant.
const KNOWN: &str = "docs/mlflow-differences.md";
/// Where the gateway says its address.
const LISTENING: &str = "listening on http://";

/// The kit's steps.
///
/// # Errors
/// When `folder` holds no kit.
pub(crate) fn steps(folder: &Path) -> Result<Vec<Step>> {
    let kit = std::path::absolute(folder)?;
    ensure!(kit.join("compare.py").is_file(), "{} holds no differential kit", kit.display());
    let mut steps = Vec::new();
    for cases in CASES {
        let kit = kit.clone();
        steps.push(
            Step::check(cases.step, cases.about, move |bench| cases.run(bench, &kit))
                .needing(&["build"])
                .within_mins(15),
        );
    }
    for configs in CONFIGS {
        let kit = kit.clone();
        let step = Step::check(configs.step, configs.about, move |bench| configs.run(bench, &kit));
        steps.push(step.needing(&["build"]).within_mins(15));
    }
    for clients in CLIENTS {
        let kit = kit.clone();
        let step = Step::check(clients.step, clients.about, move |bench| clients.run(bench, &kit));
        steps.push(step.needing(&["build", clients.needs]));
    }
    Ok(steps)
}

/// Requests and answers.
struct Cases {
    step: &'static str,
    about: &'static str,
    profile: &'static str,
    oracle: &'static str,
}

static CASES: &[Cases] = &[
    Cases {
        step: "kit-classic",
        about: "answers as MLflow 2.8 gives them",
        profile: "classic",
        oracle: "oracle-2.8.json",
    },
    Cases {
        step: "kit-endpoints",
        about: "answers as MLflow 2.22 gives them",
        profile: "endpoints",
        oracle: "oracle-2.22.json",
    },
    Cases {
        step: "kit-big",
        about: "thousands of routes, page by page",
        profile: "big",
        oracle: "oracle-2.8-pagination.json",
    },
];

impl Cases {
    fn run(&self, bench: &Bench<'_>, kit: &Path) -> Result<Done> {
        let work = workplace(bench, self.step)?;
        let mine = work.join("mine.json");
        let mock = free_port()?;
        let config = config(bench, kit, &work, self.profile, mock)?;
        let gateway = Gateway::start(bench, &work, &config)?;
        let mut run = script(bench, kit, "run.py");
        run.args(["--base-url", &gateway.url, "--mock-port", &mock.to_string()]);
        run.arg("--cases").arg(kit.join("cases").join(self.profile));
        run.arg("--out").arg(&mine).arg("--config").arg(&config);
        bench.run(&mut run)?;
        gateway.group.end();
        compare(bench, kit, self.oracle, &mine, self.profile)
    }
}

/// Config files, accepted or refused.
struct Configs {
    step: &'static str,
    about: &'static str,
    profile: &'static str,
    oracle: &'static str,
}

static CONFIGS: &[Configs] = &[
    Configs {
        step: "kit-config-classic",
        about: "files that MLflow 2.8 takes or refuses",
        profile: "classic",
        oracle: "oracle-config-2.8.json",
    },
    Configs {
        step: "kit-config-endpoints",
        about: "files that MLflow 2.22 takes or refuses",
        profile: "endpoints",
        oracle: "oracle-config-2.22.json",
    },
];

impl Configs {
    fn run(&self, bench: &Bench<'_>, kit: &Path) -> Result<Done> {
        let mine = workplace(bench, self.step)?.join("mine.json");
        let mut run = script(bench, kit, "run_config.py");
        let lockgate = bench.place.lockgate.to_str().context("a path that is not text")?;
        run.args(["--cmd", &format!("'{lockgate}' start"), "--profile", self.profile])
            .arg("--out")
            .arg(&mine);
        bench.run(&mut run)?;
        compare(bench, kit, self.oracle, &mine, "config")
    }
}

/// The kit's own calls of real clients.
struct Clients {
    step: &'static str,
    about: &'static str,
    suite: &'static str,
    profile: &'static str,
    environment: &'static str,
    needs: &'static str,
}

static CLIENTS: &[Clients] = &[
    Clients {
        step: "kit-clients-mlflow28",
        about: "MLflow 2.8's fluent API and client",
        suite: "mlflow28",
        profile: "classic",
        environment: "mlflow28",
        needs: "env-mlflow28",
    },
    Clients {
        step: "kit-clients-langchain28",
        about: "LangChain 0.0.316",
        suite: "langchain28",
        profile: "classic",
        environment: "mlflow28",
        needs: "env-mlflow28",
    },
    Clients {
        step: "kit-clients-deploy29",
        about: "MLflow 2.22's deployments client",
        suite: "deploy29",
        profile: "endpoints",
        environment: "current",
        needs: "env-current",
    },
    Clients {
        step: "kit-clients-langchain29",
        about: "LangChain 0.0.350",
        suite: "langchain29",
        profile: "endpoints",
        environment: "mlflow29",
        needs: "env-mlflow29",
    },
    Clients {
        step: "kit-clients-openai",
        about: "OpenAI's SDK",
        suite: "openai",
        profile: "endpoints",
        environment: "current",
        needs: "env-current",
    },
];

impl Clients {
    fn run(&self, bench: &Bench<'_>, kit: &Path) -> Result<Done> {
        let work = workplace(bench, self.step)?;
        let mock = free_port()?;
        let config = config(bench, kit, &work, self.profile, mock)?;
        let gateway = Gateway::start(bench, &work, &config)?;
        let mut clients = bench.command(python::interpreter(bench, self.environment));
        clients.arg(kit.join("clients.py")).env("PYTHONDONTWRITEBYTECODE", "1");
        clients.args(["--suite", self.suite, "--base-url", &gateway.url, "--mock-port", &mock.to_string()]);
        bench.run(&mut clients)?;
        gateway.group.end();
        Ok(Done::Passed(bench.printed().lines().last().unwrap_or_default().to_owned()))
    }
}

/// A fresh folder for a step's files.
fn workplace(bench: &Bench<'_>, step: &str) -> Result<PathBuf> {
    let work = bench.place.target.join("difftest").join(step);
    if work.exists() {
        std::fs::remove_dir_all(&work).with_context(|| format!("emptying {}", work.display()))?;
    }
    std::fs::create_dir_all(&work)?;
    Ok(work)
}

/// One of the kit's scripts, which need Python's own library alone.
fn script(bench: &Bench<'_>, kit: &Path, name: &str) -> Command {
    let mut script = bench.command("python3");
    script.arg(kit.join(name)).env("PYTHONDONTWRITEBYTECODE", "1");
    script
}

/// Writes the kit's config for `profile`, with the mock upstream on the port `mock`.
fn config(bench: &Bench<'_>, kit: &Path, work: &Path, profile: &str, mock: u16) -> Result<PathBuf> {
    let mut make = script(bench, kit, "make_config.py");
    make.args(["--profile", profile, "--mock", &format!("http://127.0.0.1:{mock}")]).arg("--out").arg(work);
    bench.run(&mut make)?;
    Ok(work.join(format!("config-{profile}.yaml")))
}

/// Compares, and takes the last line as the note.
fn compare(bench: &Bench<'_>, kit: &Path, oracle: &str, mine: &Path, profile: &str) -> Result<Done> {
    let mut compare = script(bench, kit, "compare.py");
    compare.arg(kit.join(oracle)).arg(mine).args([
        "--ignore-422-text",
        "--known",
        KNOWN,
        "--profile",
        profile,
    ]);
    bench.run(&mut compare)?;
    let total = bench.printed().lines().rev().find_map(|line| line.strip_prefix("TOTAL ").map(str::to_owned));
    Ok(Done::Passed(total.unwrap_or_default()))
}

/// A running gateway.
struct Gateway {
    group: Group,
    url: String,
}

impl Gateway {
    /// Starts the gateway on a free port and waits until it says which.
    fn start(bench: &Bench<'_>, work: &Path, config: &Path) -> Result<Self> {
        let log = work.join("gateway.log");
        let mut start = bench.command(&bench.place.lockgate);
        start.arg("start").arg("--config-path").arg(config).args(["--port", "0"]);
        // The environment variable that the kit's config names.
        start.env("MOCK_KEY", "sk-mock-env");
        let group = Group::start(&mut start, &log)?;
        let deadline = Instant::now() + Duration::from_secs(30);
        while Instant::now() < deadline {
            let printed = std::fs::read_to_string(&log).unwrap_or_default();
            if let Some((_, rest)) = printed.split_once(LISTENING) {
                let address: String =
                    rest.chars().take_while(|c| c.is_ascii_digit() || ['.', ':'].contains(c)).collect();
                return Ok(Self { group, url: format!("http://{address}") });
            }
            if group.has_ended()? {
                bail!("the gateway ended at once:\n{printed}");
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        bail!("the gateway did not start in half a minute; its log: {}", log.display())
    }
}

/// A port that was free a moment ago, for the kit's mock upstream.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
