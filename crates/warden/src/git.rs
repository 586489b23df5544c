//! Runs git for a worktree: as the worker's user, with the worker's environment but nothing that
//! would lead it to another repository, without hooks, and never for longer than it may take.
//!
//! It is called on a thread of its own ([`crate::workspace`]); whoever ends the tree ends git with it.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::fs::{MemfdFlags, memfd_create};

use crate::account::Account;
use crate::{command, process, tree::Tree};

/// How long one call may take: a checkout of a large repository takes minutes.
const PATIENCE: Duration = Duration::from_mins(10);

/// How much of what git says is read: nobody needs more than its first lines.
const MOST_SAID: u64 = 64 * 1024;

/// Who runs git, and how.
#[derive(Clone, Debug)]
pub(crate) struct Git {
    env: Vec<(String, String)>,
    user: Option<String>,
}

/// Why git did not do what it was asked.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It could not be started, or did not end in time.
    Unable(io::Error),
    /// It said no, in these words.
    Refused(String),
}

impl Git {
    /// `env` is the worker's.
    pub(crate) fn new<'a>(
        env: impl IntoIterator<Item = (&'a String, &'a String)>,
        user: Option<&str>,
    ) -> Self {
        let leads_astray = |name: &str| name.starts_with("GIT_") || name.starts_with("TENURE_");
        Self {
            env: env
                .into_iter()
                .filter(|(name, _)| !leads_astray(name))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
            user: user.map(str::to_owned),
        }
    }

    /// What git said, without the last line break.
    pub(crate) fn ask(&self, folder: &Path, words: &[&str]) -> Result<String, Refusal> {
        let out = paper("git-out").map_err(Refusal::Unable)?;
        let err = paper("git-err").map_err(Refusal::Unable)?;
        let mut command = self.command(folder, words, &out, &err)?;
        let child = command.spawn().map_err(Refusal::Unable)?;
        let status = wait(child).map_err(Refusal::Unable)?;
        if status.success() {
            read(out).map_err(Refusal::Unable)
        } else {
            let said = read(err).map_err(Refusal::Unable)?;
            Err(Refusal::Refused(gist(&said, status)))
        }
    }

    fn command(
        &self,
        folder: &Path,
        words: &[&str],
        out: &File,
        err: &File,
    ) -> Result<Command, Refusal> {
        let mut command = Command::new("git");
        command
            // A hook or a monitor could run anything, as long as it likes.
            .args([
                "-c",
                "core.hooksPath=/dev/null",
                "-c",
                "core.fsmonitor=false",
            ])
            .args(words)
            .current_dir(folder)
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .env("LC_ALL", "C")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .stdin(Stdio::null())
            .stdout(out.try_clone().map_err(Refusal::Unable)?)
            .stderr(err.try_clone().map_err(Refusal::Unable)?);
        if let Some(user) = self.account()? {
            command.uid(user.uid).gid(user.gid);
        }
        command::prepare_child(&mut command);
        Ok(command)
    }

    /// Who runs git, where it is somebody else than we.
    pub(crate) fn account(&self) -> Result<Option<Account>, Refusal> {
        let Some(name) = &self.user else {
            return Ok(None);
        };
        match Account::find(name) {
            Ok(Some(user)) if user.is_ours() => Ok(None),
            Ok(Some(user)) => Ok(Some(user)),
            Ok(None) => Err(Refusal::Refused(format!(
                "there is no user {name:?} on this host"
            ))),
            Err(error) => Err(Refusal::Unable(error)),
        }
    }
}

/// A file in memory: unlike a pipe it takes what is written without somebody who reads.
fn paper(name: &str) -> io::Result<File> {
    Ok(File::from(memfd_create(name, MemfdFlags::CLOEXEC)?))
}

fn read(mut paper: File) -> io::Result<String> {
    let mut bytes = Vec::new();
    paper.rewind()?;
    paper.take(MOST_SAID).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.strip_suffix('\n').unwrap_or(&text).to_owned())
}

/// The line that says what is wrong.
fn gist(said: &str, status: ExitStatus) -> String {
    let mut lines = said.lines();
    let fatal = lines.clone().find_map(|line| line.strip_prefix("fatal: "));
    match fatal.or_else(|| lines.next_back()) {
        Some(line) => line.to_owned(),
        None => format!("git ended with {status}"),
    }
}

fn wait(mut child: Child) -> io::Result<ExitStatus> {
    if !process::ends_within(&child, PATIENCE)? {
        // It may have filters of its own beneath it; nothing else is in the tree now.
        Tree::of_self(None).kill();
        child.kill()?;
        child.wait()?;
        return Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("git did not end in {} s", PATIENCE.as_secs()),
        ));
    }
    child.wait()
}

/// A path as an argument; git takes any bytes, but what we build from is text.
pub(crate) fn text(path: &Path) -> Result<&str, Refusal> {
    path.to_str()
        .ok_or_else(|| Refusal::Refused(format!("{} is no UTF-8", path.display())))
}
