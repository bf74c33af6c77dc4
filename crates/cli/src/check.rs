//! `lockgate check`: everything that is wrong in a file, without starting.

use crate::say;
use lockgate_gateway::Settings;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Checks `file`. Status 2 when it is bad.
pub(crate) fn run(file: PathBuf) -> ExitCode {
    let path = file.display().to_string();
    let settings = Settings {
        host: String::new(),
        port: 0,
        workers: 1,
        config_path: Some(file),
        strict: true,
        state_dir: None,
    };
    match lockgate_gateway::load(&settings) {
        Ok(loaded) => {
            let config = loaded.config;
            for warning in &config.warnings {
                say(&format!("Warning: {warning}\n"));
            }
            let routes = match config.routes.len() {
                1 => "1 route".to_owned(),
                count => format!("{count} routes"),
            };
            // A closed stdout changes nothing about the file.
            _ = writeln!(std::io::stdout(), "{path} is good: {routes}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            say(&format!("Error: {error}\n"));
            ExitCode::from(2)
        }
    }
}
