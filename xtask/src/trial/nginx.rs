//! nginx as a plain reverse proxy: the yardstick.

use super::process::{self, Running};
use anyhow::{Context, Result, bail};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A temporary folder with nginx's configuration, removed when dropped.
pub(crate) struct Folder {
    path: PathBuf,
    port: u16,
}

impl Folder {
    /// Writes the configuration for the upstream on this port.
    pub(crate) fn create(upstream: u16) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("lockgate-trial-{}", std::process::id()));
        std::fs::create_dir(&path).with_context(|| format!("creating {}", path.display()))?;
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let folder = Self { path, port };
        std::fs::write(folder.path.join("nginx.conf"), configuration(port, upstream))?;
        Ok(folder)
    }

    /// Starts nginx and waits until it takes connections.
    pub(crate) fn start(&self, core: usize) -> Result<Running> {
        let path = self.path.to_str().context("a temporary folder whose path is not text")?;
        let mut nginx = Running::known(process::part(core, &["nginx", path])?.spawn()?, self.port);
        for _ in 0..200 {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return Ok(nginx);
            }
            nginx.check().context("nginx ended at once; is it installed?")?;
            std::thread::sleep(Duration::from_millis(25));
        }
        bail!("nginx took no connection for five seconds")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Only a temporary folder would stay behind.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// Becomes nginx.
pub(crate) fn run(folder: &Path) -> Result<()> {
    let error = Command::new("nginx")
        .arg("-p")
        .arg(folder)
        .arg("-c")
        .arg(folder.join("nginx.conf"))
        .arg("-e")
        .arg(folder.join("error.log"))
        .exec();
    Err(error).context("starting nginx")
}

/// Streams pass unbuffered because the upstream says so in `x-accel-buffering`.
fn configuration(port: u16, upstream: u16) -> String {
    format!(
        "daemon off;
worker_processes 1;
pid nginx.pid;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    keepalive_requests 100000000;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    upstream mock {{
        server 127.0.0.1:{upstream};
        keepalive 256;
        keepalive_requests 100000000;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://mock;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
        }}
    }}
}}
"
    )
}
