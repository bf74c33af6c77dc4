//! What can be written after `lockgate`.

use clap::{Args, Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;

/// An AI gateway: MLflow's routes and /v1 for OpenAI clients, in front of every provider.
#[derive(Debug, Parser)]
#[command(name = "lockgate", version, arg_required_else_help = true, after_help = EXAMPLES)]
pub(crate) struct Lockgate {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start the gateway.
    #[command(after_help = START_EXAMPLES)]
    Start(Start),
    /// Say everything that is wrong in a config file. Exit status 2 when something is.
    Check {
        /// The config file.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Make keys for callers.
    #[command(subcommand)]
    Keys(Keys),
    /// Print the JSON Schema of config files, for editors.
    Schema,
    /// Keep credentials in an encrypted file, for `{secret: NAME}` in a config.
    #[command(after_help = SECRETS_EXAMPLES)]
    Secrets(Secrets),
    /// MLflow's `mlflow gateway start`.
    #[command(subcommand)]
    Gateway(Gateway),
    /// MLflow's `mlflow deployments start-server`.
    #[command(subcommand)]
    Deployments(Deployments),
}

#[derive(Debug, Args)]
pub(crate) struct Secrets {
    /// The encrypted file, also from LOCKGATE_SECRETS_FILE. Default: secrets.json beside the config file that
    /// LOCKGATE_CONFIG names, or in the current directory.
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) store: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: SecretsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SecretsCommand {
    /// Put a secret in, or change it. Its value is read from stdin, or asked for on a terminal.
    Set {
        /// What configs call it: letters, digits, `_`, `-` and `.`.
        name: String,
        /// Takes what is no argument, so that it is not repeated in an error.
        #[arg(hide = true)]
        value: Vec<OsString>,
    },
    /// List the names, and when each secret was changed. Needs no key.
    List,
    /// Take a secret out. Needs no key.
    Rm {
        /// Its name.
        name: String,
    },
    /// Close the store with a new passphrase or key file.
    Rotate {
        /// The new key file. Without it LOCKGATE_SECRETS_NEW_PASSPHRASE counts, or the new passphrase is asked for.
        #[arg(long, value_name = "FILE")]
        new_key_file: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Print a new key, once, and the lines of a config that let it in.
    New {
        /// What logs call whoever has the key.
        #[arg(long, default_value = "new-caller")]
        name: String,
    },
    /// Print the hash of the key on stdin, as a config holds it.
    Hash,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Gateway {
    /// Start the gateway, as `lockgate start` does.
    #[command(after_help = START_EXAMPLES)]
    Start(Start),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Deployments {
    /// Start the gateway, as `lockgate start` does.
    #[command(after_help = START_EXAMPLES)]
    StartServer(Start),
}

#[derive(Debug, Args)]
pub(crate) struct Start {
    /// The config file, also from LOCKGATE_CONFIG, MLFLOW_GATEWAY_CONFIG or MLFLOW_DEPLOYMENTS_CONFIG. Without any,
    /// built-in demo routes answer.
    #[arg(long, value_name = "FILE")]
    pub(crate) config_path: Option<PathBuf>,
    /// The address or name to listen on.
    #[arg(long, default_value = "127.0.0.1")]
    pub(crate) host: String,
    /// The TCP port; 0 takes a free one.
    #[arg(long, default_value_t = 5000)]
    pub(crate) port: u16,
    /// Worker threads. Default: the number of cores.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) workers: Option<u16>,
    /// Refuse unknown and duplicate keys instead of warning of them.
    #[arg(long)]
    pub(crate) strict: bool,
    /// A directory for routes that are made at run time, with an admin's key; without it none can be made.
    #[arg(long, value_name = "DIR", env = "LOCKGATE_STATE_DIR", hide_env_values = true)]
    pub(crate) state_dir: Option<PathBuf>,
}

/// The three ways to say start. MLflow's two read MLflow's own variable each.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Variant {
    /// `lockgate start`.
    Plain,
    /// `lockgate gateway start`.
    Gateway,
    /// `lockgate deployments start-server`.
    Deployments,
}

impl Variant {
    /// The command as it was written.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Plain => "lockgate start",
            Self::Gateway => "lockgate gateway start",
            Self::Deployments => "lockgate deployments start-server",
        }
    }

    /// Environment variables that may name the config file, the first first.
    pub(crate) fn variables(self) -> &'static [&'static str] {
        match self {
            Self::Plain => &["LOCKGATE_CONFIG", "MLFLOW_GATEWAY_CONFIG", "MLFLOW_DEPLOYMENTS_CONFIG"],
            Self::Gateway => &["LOCKGATE_CONFIG", "MLFLOW_GATEWAY_CONFIG"],
            Self::Deployments => &["LOCKGATE_CONFIG", "MLFLOW_DEPLOYMENTS_CONFIG"],
        }
    }
}

impl Start {
    /// The config file: as written, else from the environment, where an empty variable is as good as none. A leading
    /// `~` is the home directory, as in MLflow.
    pub(crate) fn config(
        &self,
        variant: Variant,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Option<PathBuf> {
        let named =
            || variant.variables().iter().filter_map(|name| variable(name)).find(|value| !value.is_empty());
        let path = self.config_path.clone().or_else(|| named().map(PathBuf::from))?;
        match (path.strip_prefix("~"), std::env::home_dir()) {
            (Ok(rest), Some(home)) => Some(home.join(rest)),
            _ => Some(path),
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  lockgate start                                     Demo routes on http://127.0.0.1:5000, no key needed
  lockgate start --config-path config.yaml           The routes of a file
  lockgate gateway start --config-path config.yaml   The same, one word away from MLflow
  lockgate check config.yaml                         Say what is wrong in a file
  lockgate keys new --name alice                     A key for a caller, and the lines that let it in
  lockgate schema > lockgate.schema.json             For an editor's completion

Environment:
  LOCKGATE_LOG   What is logged, such as debug or lockgate_gateway=debug,info. Default: info";

const SECRETS_EXAMPLES: &str = "\
Examples:
  (umask 077 && head -c 32 /dev/urandom | base64 > store.key)
  export LOCKGATE_SECRETS_KEY_FILE=store.key         Or LOCKGATE_SECRETS_PASSPHRASE
  printf %s \"$OPENAI_API_KEY\" | lockgate secrets set openai
  lockgate secrets set anthropic                     Asks for the value
  lockgate secrets list

In a config: openai_api_key: {secret: openai}";

const START_EXAMPLES: &str = "\
Examples:
  lockgate start
  lockgate start --config-path config.yaml --port 8080 --workers 4
  MLFLOW_GATEWAY_CONFIG=config.yaml lockgate gateway start --host 0.0.0.0
  lockgate start --config-path config.yaml --state-dir /var/lib/lockgate
  lockgate deployments start-server --config-path config.yaml";

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    /// The file that `variant` reads when every variable names one called after itself.
    fn file(variant: Variant, written: Option<&str>, without: &[&str]) -> Option<PathBuf> {
        let mut words = vec!["lockgate", "start"];
        words.extend(written.into_iter().flat_map(|path| ["--config-path", path]));
        let Command::Start(start) = Lockgate::parse_from(words).command else { return None };
        start.config(variant, |name| match name {
            name if without.contains(&name) => Some(OsString::new()),
            name => Some(name.into()),
        })
    }

    #[test]
    fn the_command_line_is_free_of_contradictions() {
        Lockgate::command().debug_assert();
    }

    #[test]
    fn each_command_reads_its_own_variables_after_the_option() {
        let ours: &[&str] = &["LOCKGATE_CONFIG"];
        let both = &["LOCKGATE_CONFIG", "MLFLOW_GATEWAY_CONFIG"];
        assert_eq!(file(Variant::Plain, Some("a.yaml"), &[]), Some("a.yaml".into()));
        assert_eq!(file(Variant::Deployments, None, &[]), Some("LOCKGATE_CONFIG".into()));
        assert_eq!(file(Variant::Plain, None, ours), Some("MLFLOW_GATEWAY_CONFIG".into()));
        assert_eq!(file(Variant::Plain, None, both), Some("MLFLOW_DEPLOYMENTS_CONFIG".into()));
        assert_eq!(file(Variant::Gateway, None, ours), Some("MLFLOW_GATEWAY_CONFIG".into()));
        assert_eq!(file(Variant::Gateway, None, both), None);
        assert_eq!(file(Variant::Deployments, None, ours), Some("MLFLOW_DEPLOYMENTS_CONFIG".into()));
    }

    #[test]
    fn a_tilde_is_the_home_directory_even_where_no_shell_expands_it() {
        let home = std::env::home_dir().expect("a home directory");
        assert_eq!(file(Variant::Plain, Some("~/a.yaml"), &[]), Some(home.join("a.yaml")));
    }
}
