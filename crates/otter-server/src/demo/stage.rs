//! What the demo plays on: two servers with the shop's tables, and the configuration of the
//! pipeline between them.

use std::path::Path;

use otter_core::pipeline::State;
use otter_core::{AtStart, Causes, Progress, StopHandle};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::shop;
use crate::assemble;
use crate::config::{Config, ConfigError};
use crate::sandbox::{Flavor, SandboxError, Server, ServerOptions};

/// Why the demo cannot go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum DemoError {
    #[error("{0}; scripts/demo of Otter's sources installs what the demo needs")]
    NoServer(#[source] SandboxError),
    #[error("a database of the demo: {}", Causes(.0))]
    Sandbox(#[source] SandboxError),
    #[error("a database of the demo does not answer: {0}")]
    Sql(#[from] sqlx::Error),
    #[error("cannot use a temporary folder: {0}")]
    Folder(#[source] std::io::Error),
    #[error("the configuration of the demo: {0}")]
    Config(#[from] ConfigError),
    #[error("the pipeline halted: {0}")]
    Pipeline(otter_core::Error),
    #[error("the pipeline ended by itself")]
    PipelineGone,
    #[error("the load of the demo ended by itself")]
    LoadGone,
}

/// The servers and the configuration; gone when dropped.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) source: Server,
    pub(super) target: Server,
    config_text: String,
    password: String,
    folder: TempDir,
}

/// The running pipeline.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) progress: watch::Receiver<Progress>,
    stop: StopHandle,
    task: JoinHandle<otter_core::Result<Progress>>,
}

impl Stage {
    /// Starts both servers and makes tables and accounts.
    pub(super) async fn set(source: Flavor, target: Flavor) -> Result<Self, DemoError> {
        let start = |flavor, id| Server::start(ServerOptions::new(flavor, id).fast());
        let (source, target) = tokio::try_join!(start(source, 1), start(target, 2))?;
        let password = source.root_password().to_owned();
        for (server, rights) in [(&source, SOURCE_RIGHTS), (&target, TARGET_RIGHTS)] {
            server.execute(shop::SCHEMA).await?;
            let user = format!("CREATE USER otter@'127.0.0.1' IDENTIFIED BY '{password}';");
            server.execute(&format!("{user}{rights}")).await?;
        }
        let config_text = config_text(source.port(), target.port());
        let folder = TempDir::with_prefix("otter-demo-").map_err(DemoError::Folder)?;
        Ok(Self { source, target, config_text, password, folder })
    }

    /// The configuration as a user would write it.
    pub(super) fn config_text(&self) -> &str {
        &self.config_text
    }

    /// Starts the pipeline and waits until it follows the source.
    pub(super) async fn run_pipeline(&self) -> Result<Running, DemoError> {
        let variables = |name: &str| (name == "OTTER_PASSWORD").then(|| self.password.clone());
        let file = self.folder.path().join("otter.toml");
        let config = Config::parse(&self.config_text, Path::new(&file), &variables)?;
        let arbiter = assemble::arbiter(&config).await.map_err(DemoError::Pipeline)?.arbiter;
        let Some(pipeline) = config.pipelines.first() else { return Err(DemoError::PipelineGone) };
        let (pipeline, _) = assemble::pipeline(pipeline, arbiter, AtStart::GiveUp);
        let progress = pipeline.progress();
        let (stop, asked) = StopHandle::new();
        let task = tokio::spawn(pipeline.run(asked));
        let mut running = Running { progress, stop, task };
        let mut states = running.progress.clone();
        tokio::select! {
            biased;
            error = running.ended() => Err(error),
            _ = states.wait_for(|progress| progress.state == State::Running) => Ok(running),
        }
    }
}

impl Running {
    /// Waits until the pipeline ends though nobody has asked it to. Cancel safe.
    pub(super) async fn ended(&mut self) -> DemoError {
        match (&mut self.task).await {
            Ok(Err(error)) => DemoError::Pipeline(error),
            Ok(Ok(_)) | Err(_) => DemoError::PipelineGone,
        }
    }

    /// Lets the pipeline load what it has read, and end.
    pub(super) async fn stop(self) -> Result<(), DemoError> {
        self.stop.stop();
        match self.task.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(DemoError::Pipeline(error)),
            Err(_) => Err(DemoError::PipelineGone),
        }
    }
}

impl From<SandboxError> for DemoError {
    fn from(error: SandboxError) -> Self {
        if matches!(error, SandboxError::NotFound { .. }) {
            return Self::NoServer(error);
        }
        Self::Sandbox(error)
    }
}

/// What the pipeline's account may do at the source.
const SOURCE_RIGHTS: &str = "
GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO otter@'127.0.0.1';
GRANT SELECT ON shop.* TO otter@'127.0.0.1';";

/// What the pipeline's account may do at the target.
const TARGET_RIGHTS: &str = "
GRANT SELECT, INSERT, UPDATE, DELETE, TRIGGER ON shop.* TO otter@'127.0.0.1';
GRANT ALL ON otter.* TO otter@'127.0.0.1';";

fn config_text(source: u16, target: u16) -> String {
    format!(
        "\
[[databases]]
name = \"source\"
url  = \"mysql://otter:${{OTTER_PASSWORD}}@127.0.0.1:{source}\"

[[databases]]
name = \"target\"
url  = \"mysql://otter:${{OTTER_PASSWORD}}@127.0.0.1:{target}\"

[[channels]]
name = \"shop\"
[[channels.pipelines]]
name   = \"source-target\"
from   = \"source\"
to     = \"target\"
start  = \"now\"
tables = [ {{ from = \"shop.*\" }} ]
"
    )
}
