//! `lockgate start`: reads the config, then serves until told to stop.

use crate::args::{Start, Variant};
use crate::logs::Logs;
use crate::{finish, say};
use lockgate_gateway::{LoadError, Loaded, Settings};
use std::io::IsTerminal;
use std::net::ToSocketAddrs;
use std::process::ExitCode;
use std::thread::available_parallelism;

/// Starts the gateway. Status 2 when the config is refused, in MLflow's form; 1 when it cannot run.
pub(crate) fn run(start: Start, variant: Variant) -> ExitCode {
    let settings = Settings {
        config_path: start.config(variant, |name| std::env::var_os(name)),
        workers: start.workers.map_or_else(|| available_parallelism().map_or(1, usize::from), usize::from),
        host: start.host,
        port: start.port,
        strict: start.strict,
        // An empty variable is as good as none.
        state_dir: start.state_dir.filter(|folder| !folder.as_os_str().is_empty()),
    };
    match lockgate_gateway::load(&settings) {
        Ok(loaded) => finish(serve(settings, loaded)),
        Err(error) => refuse(variant, &error),
    }
}

/// Serves until told to stop.
fn serve(settings: Settings, loaded: Loaded) -> anyhow::Result<()> {
    let _logs = Logs::start()?;
    for warning in &loaded.config.warnings {
        tracing::warn!("{warning}");
    }
    if is_reachable(&settings.host) && loaded.config.callers.is_empty() {
        tracing::warn!(
            host = settings.host,
            "listening beyond this machine: whoever reaches the port can use every route, for the config names no callers"
        );
    }
    if let Some(listen) = loaded.config.admin.as_ref().and_then(|admin| admin.listen.as_ref())
        && is_reachable(&listen.host)
    {
        tracing::warn!(
            host = listen.host,
            "'admin.listen' is beyond this machine: whoever reaches it sees metrics and status and may change routes, \
             without a key"
        );
    }
    if settings.config_path.is_none() {
        tracing::info!(
            "no config was given, so built-in demo routes answer; give one with --config-path FILE"
        );
        if std::io::stderr().is_terminal() && settings.port != 0 {
            tracing::info!("try: {}", invitation(&settings.host, settings.port));
        }
    }
    Ok(lockgate_gateway::run(settings, loaded)?)
}

/// How to try the demo routes.
fn invitation(host: &str, port: u16) -> String {
    let host = match host {
        "0.0.0.0" => "127.0.0.1".to_owned(),
        "::" => "[::1]".to_owned(),
        name if name.contains(':') => format!("[{name}]"),
        name => name.to_owned(),
    };
    let body = r#"{"messages": [{"role": "user", "content": "Hello"}]}"#;
    format!(
        "curl http://{host}:{port}/gateway/chat/invocations -H 'content-type: application/json' -d '{body}'"
    )
}

/// Says why the config is refused, in the words and with the status of MLflow's command (click's usage error).
fn refuse(variant: Variant, error: &LoadError) -> ExitCode {
    let words = variant.words();
    let option = if matches!(error, LoadError::StateDir { .. }) { "--state-dir" } else { "--config-path" };
    say(&format!(
        "Usage: {words} [OPTIONS]\nTry '{words} --help' for help.\n\nError: Invalid value for '{option}': {error}\n"
    ));
    ExitCode::from(2)
}

/// Whether others than this machine can reach `host`. A name without an address fails later, when it is bound.
fn is_reachable(host: &str) -> bool {
    (host, 0).to_socket_addrs().is_ok_and(|mut found| found.any(|address| !address.ip().is_loopback()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_others_reach_is_told_from_one_they_do_not() {
        for host in ["127.0.0.1", "127.8.8.8", "::1", "localhost", "no such name"] {
            assert!(!is_reachable(host), "{host}");
        }
        for host in ["0.0.0.0", "::", "192.0.2.1"] {
            assert!(is_reachable(host), "{host}");
        }
    }

    #[test]
    fn the_line_to_try_names_an_address_that_curl_can_reach() {
        assert!(invitation("127.0.0.1", 5000).starts_with("curl http://127.0.0.1:5000/gateway/"));
        assert!(invitation("0.0.0.0", 80).starts_with("curl http://127.0.0.1:80/"));
        assert!(invitation("::1", 80).starts_with("curl http://[::1]:80/"));
    }
}
