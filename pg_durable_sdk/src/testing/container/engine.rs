//! The Docker engine, asked by code that blocks.

use crate::testing::TestServerError;
use futures_util::StreamExt;
use std::{env, error::Error, panic, path::Path, thread};
use testcontainers::{
    bollard::{
        Docker,
        container::LogOutput,
        errors::Error as DockerError,
        exec::StartExecResults,
        models::ExecConfig,
        query_parameters::{
            KillContainerOptionsBuilder, LogsOptionsBuilder, RemoveContainerOptionsBuilder,
            StartContainerOptions, StopContainerOptionsBuilder,
        },
    },
    core::client::docker_client_instance,
};
use tokio::{
    io::AsyncWriteExt,
    runtime::{Builder, Runtime},
};

/// An engine that answered.
#[derive(Debug)]
pub(super) struct Engine {
    docker: Docker,
    /// Taken when it is dropped.
    runtime: Option<Runtime>,
}

/// What a program in a container left.
pub(super) struct Ran {
    pub(super) is_success: bool,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Engine {
    /// Finds the engine as testcontainers does: `DOCKER_HOST`, else the usual socket.
    pub(super) fn connect() -> Result<Self, TestServerError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("pg_durable-container")
            .enable_all()
            .build()
            .map_err(TestServerError::system("start a runtime to speak to the Docker engine"))?;
        let connected = aside(&runtime, async {
            let docker = docker_client_instance().await.map_err(|error| reason(&error))?;
            docker.ping().await.map_err(|error| reason(&error))?;
            Ok(docker)
        });
        match connected {
            Ok(docker) => Ok(Self { docker, runtime: Some(runtime) }),
            Err(reason) => {
                runtime.shutdown_background();
                Err(TestServerError::NoEngine { reason })
            }
        }
    }

    /// Whether ports that it publishes on the loopback interface are published on ours.
    pub(super) fn is_local() -> bool {
        let is_remote =
            env::var("DOCKER_HOST").is_ok_and(|host| !host.is_empty() && !host.starts_with("unix:"));
        // In a container, the engine is next door.
        !is_remote && !Path::new("/.dockerenv").exists()
    }

    /// Waits for a future on a thread of its own: ours may be a runtime's, which must not block.
    pub(super) fn wait<F>(&self, future: F) -> F::Output
    where
        F: Future + Send,
        F::Output: Send,
    {
        let runtime = self.runtime.as_ref().expect("the runtime is taken only by drop");
        aside(runtime, future)
    }

    pub(super) fn require_image(&self, image: &str) -> Result<(), TestServerError> {
        match self.wait(self.docker.inspect_image(image)) {
            Ok(_) => Ok(()),
            Err(DockerError::DockerResponseServerError { status_code: 404, .. }) => {
                Err(TestServerError::ImageMissing { image: image.to_owned() })
            }
            Err(error) => Err(refused(format!("look for the image {image}"))(error)),
        }
    }

    pub(super) fn is_running(&self, container: &str) -> Result<bool, TestServerError> {
        let found = self.wait(self.docker.inspect_container(container, None));
        let state = found.map_err(refused("look after the container"))?.state;
        Ok(state.and_then(|state| state.running).unwrap_or(false))
    }

    pub(super) fn start(&self, container: &str) -> Result<(), TestServerError> {
        self.wait(self.docker.start_container(container, None::<StartContainerOptions>))
            .map_err(refused("start the container again"))
    }

    /// Sends the image's stop signal, and SIGKILL after the time-out.
    pub(super) fn stop(&self, container: &str, timeout_secs: i32) -> Result<(), TestServerError> {
        let options = StopContainerOptionsBuilder::new().t(timeout_secs).build();
        self.wait(self.docker.stop_container(container, Some(options))).map_err(refused("stop the container"))
    }

    pub(super) fn kill(&self, container: &str, signal: &str) -> Result<(), TestServerError> {
        let options = KillContainerOptionsBuilder::new().signal(signal).build();
        self.wait(self.docker.kill_container(container, Some(options)))
            .map_err(refused(format!("send {signal} to the container")))
    }

    /// Removes what may be there of a container.
    pub(super) fn remove(&self, container: &str) {
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        // Whoever asks has a better error to tell.
        let _ = self.wait(self.docker.remove_container(container, Some(options)));
    }

    /// All that the container's main process has written.
    pub(super) fn log(&self, container: &str) -> String {
        let options = LogsOptionsBuilder::new().stdout(true).stderr(true).build();
        let parts = self.docker.logs(container, Some(options));
        let parts: Vec<_> = self.wait(parts.collect());
        let mut log = Vec::new();
        for part in parts.into_iter().flatten() {
            log.extend(part.into_bytes());
        }
        String::from_utf8_lossy(&log).into_owned()
    }

    /// Runs a program in the container, to its end.
    pub(super) fn run(&self, container: &str, command: &[&str], input: &str) -> Result<Ran, TestServerError> {
        let action = format!("run {} in the container", command.first().unwrap_or(&""));
        self.wait(self.execute(container, command, input)).map_err(refused(action))
    }

    async fn execute(&self, container: &str, command: &[&str], input: &str) -> Result<Ran, DockerError> {
        let config = ExecConfig {
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            env: Some(vec!["PGCLIENTENCODING=UTF8".to_owned()]),
            cmd: Some(command.iter().map(|&word| word.to_owned()).collect()),
            ..ExecConfig::default()
        };
        let id = self.docker.create_exec(container, config).await?.id;
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        if let StartExecResults::Attached { mut output, input: mut pipe } =
            self.docker.start_exec(&id, None).await?
        {
            // At once: the program may fill its output before it has read all of its input, and it may end before.
            let write = async {
                let _ = pipe.write_all(input.as_bytes()).await;
                let _ = pipe.shutdown().await;
            };
            let read = async {
                while let Some(part) = output.next().await {
                    match part? {
                        LogOutput::StdOut { message } | LogOutput::Console { message } => {
                            stdout.extend(message)
                        }
                        LogOutput::StdErr { message } => stderr.extend(message),
                        LogOutput::StdIn { .. } => {}
                    }
                }
                Ok::<(), DockerError>(())
            };
            tokio::join!(write, read).1?;
        }
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let code = self.docker.inspect_exec(&id).await?.exit_code;
        Ok(Ran { is_success: code == Some(0), stdout: text(stdout), stderr: text(stderr) })
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // A runtime must not be waited for in another one.
            runtime.shutdown_background();
        }
    }
}

fn aside<F>(runtime: &Runtime, future: F) -> F::Output
where
    F: Future + Send,
    F::Output: Send,
{
    thread::scope(|scope| {
        let done = scope.spawn(|| runtime.block_on(future)).join();
        done.unwrap_or_else(|payload| panic::resume_unwind(payload))
    })
}

/// For `map_err`: tells what the engine was asked to do.
pub(super) fn refused<E>(action: impl Into<String>) -> impl FnOnce(E) -> TestServerError
where
    E: Into<Box<dyn Error + Send + Sync>>,
{
    let action = action.into();
    move |error| TestServerError::Engine { action, source: error.into() }
}

/// An error and its causes in one line.
pub(super) fn reason(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        // Some errors show their cause themselves.
        if !text.contains(&message) {
            text = format!("{text}: {message}");
        }
        cause = error.source();
    }
    text
}
