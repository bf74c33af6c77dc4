//! The proxies: the same hyper server each time, in front of different ways to reach the upstream.

mod join;
mod own_task;
mod pooled;

use super::process;
use anyhow::Result;
use join::Joined;
use std::convert::identity;

/// A way to build the proxy.
#[derive(clap::ValueEnum, Clone, Copy, Debug)]
pub(crate) enum Build {
    MultiThread,
    OneThread,
    OneThreadJoined,
    OwnTask,
    OwnTaskJoined,
}

impl Build {
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::MultiThread => "multi-thread runtime, pooled client",
            Self::OneThread => "single-threaded runtime, pooled client",
            Self::OneThreadJoined => "single-threaded runtime, pooled client, joined",
            Self::OwnTask => "single-threaded runtime, own task",
            Self::OwnTaskJoined => "single-threaded runtime, own task, joined",
        }
    }
}

/// Serves until the process is ended.
pub(crate) fn run(build: Build, upstream: u16) -> Result<()> {
    match build {
        // As many workers as there are cores to run on, which is one: no stealing, no crossing between cores.
        Build::MultiThread => tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?
            .block_on(pooled::serve(upstream, identity)),
        Build::OneThread => process::on_one_thread(pooled::serve(upstream, identity)),
        Build::OneThreadJoined => process::on_one_thread(pooled::serve(upstream, Joined::new)),
        Build::OwnTask => process::on_one_thread(own_task::serve(upstream, identity)),
        Build::OwnTaskJoined => process::on_one_thread(own_task::serve(upstream, Joined::new)),
    }
}
