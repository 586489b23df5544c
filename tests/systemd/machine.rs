//! A machine of the tests' own: a real systemd as the first process of its own namespaces, over the
//! programs and units of this checkout. One for each test process; it goes away with it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;
use tenure_tests::{Said, process, program, wait, wait_until};

/// `require` makes a machine that cannot be booted a failure instead of a loud skip.
const REQUIRE: &str = "TENURE_TEST_SYSTEMD";

/// How long a boot may take; it takes two seconds where nothing else runs.
const BOOT: Duration = Duration::from_mins(1);

const KEEP: &str = include_str!("keep.sh");
const BOOT_SCRIPT: &str = include_str!("boot.sh");

/// The machine.
#[derive(Debug)]
pub struct Machine {
    /// Its first process, as the host sees it.
    init: i32,
    #[expect(dead_code, reason = "held, not read: its closing ends the machine")]
    alive: ChildStdin,
}

/// The machine of this process; `None`, after saying so loudly, where there can be none.
///
/// # Panics
/// Where there can be none although `TENURE_TEST_SYSTEMD=require`.
pub fn machine() -> Option<&'static Machine> {
    static MACHINE: OnceLock<Option<Machine>> = OnceLock::new();
    let machine = MACHINE.get_or_init(|| match possible().and_then(|()| Machine::boot()) {
        Ok(machine) => Some(machine),
        Err(why) => {
            skip(&format!("NO UNIT WAS RUN BY A SYSTEMD: {why}"));
            None
        }
    });
    machine.as_ref()
}

/// Says past the test runner, which keeps a passing test's words to itself, what was not tested.
///
/// # Panics
/// Where `TENURE_TEST_SYSTEMD=require`.
pub fn skip(what: &str) {
    assert!(
        std::env::var(REQUIRE).as_deref() != Ok("require"),
        "{REQUIRE}=require, but {what}"
    );
    let stars = "*".repeat(84);
    let words = format!("\n{stars}\nSKIPPED: {what}\n{stars}\n");
    let _ = std::io::stderr().write_all(words.as_bytes());
}

/// Whether a program is installed.
pub fn has(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/sbin".into(), "/usr/sbin".into()])
        .any(|folder| folder.join(name).is_file())
}

fn possible() -> Result<(), String> {
    if !nix::unistd::geteuid().is_root() {
        return Err("only root can make the namespaces".into());
    }
    if !Path::new("/lib/systemd/systemd").is_file() {
        return Err("systemd is not installed: `apt-get install systemd`".into());
    }
    for name in [
        "unshare",
        "nsenter",
        "setpriv",
        "systemctl",
        "systemd-sysusers",
    ] {
        if !has(name) {
            return Err(format!("{name} is not installed"));
        }
    }
    Ok(())
}

/// Where cgroups of version 2 are mounted, alone or beside those of version 1.
fn cgroups() -> Result<PathBuf, String> {
    let mounts = fs::read_to_string("/proc/mounts").map_err(|error| error.to_string())?;
    mounts
        .lines()
        .find_map(|line| {
            let mut words = line.split(' ').skip(1);
            let (path, kind) = (words.next()?, words.next()?);
            (kind == "cgroup2").then(|| PathBuf::from(path))
        })
        .ok_or_else(|| "cgroups of version 2 are not mounted".into())
}

impl Machine {
    fn boot() -> Result<Self, String> {
        let cgroup = cgroups()?.join(format!("tenure-tests-{}", std::process::id()));
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let boot = folder.path().join("boot.sh");
        fs::write(&boot, BOOT_SCRIPT).map_err(|error| error.to_string())?;
        let log = folder.path().join("log");
        let said = fs::File::create(&log).map_err(|error| error.to_string())?;
        let mut keeper = Command::new("sh")
            .args(["-c", KEEP, "keep"])
            .args([&cgroup, &boot, &program::folder()])
            .arg(program::workspace().join("systemd"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(said)
            .spawn()
            .map_err(|error| error.to_string())?;
        let alive = keeper.stdin.take().ok_or("the keeper has an input")?;
        let mut leader = String::new();
        let stdout = keeper.stdout.take().ok_or("the keeper has an output")?;
        let _ = BufReader::new(stdout).read_line(&mut leader);
        let leader = leader
            .trim()
            .parse()
            .map_err(|_| format!("the cgroup {} cannot be made", cgroup.display()))?;
        let booted = wait::within(BOOT, || {
            let init = process::tree(leader).get(1)?.pid;
            let state = enter(init)
                .args(["systemctl", "is-system-running"])
                .output();
            let state = String::from_utf8(state.ok()?.stdout).ok()?;
            matches!(state.trim(), "running" | "degraded").then_some(init)
        });
        match booted {
            Some(init) => Ok(Self { init, alive }),
            None => Err(format!(
                "systemd did not boot in namespaces:\n{}",
                fs::read_to_string(&log).unwrap_or_default()
            )),
        }
    }

    /// Runs a program in the machine, as root.
    #[track_caller]
    pub fn root(&self, command: &[&str]) -> Said {
        Said::by(enter(self.init).args(command))
    }

    /// Runs a program in the machine as another user with these variables.
    #[track_caller]
    pub fn user(&self, user: &str, variables: &[&str], command: &[&str]) -> Said {
        let mut line = enter(self.init);
        line.args(["setpriv", "--reuid", user, "--regid", user]);
        line.args(["--init-groups", "env"]);
        Said::by(line.args(variables).args(command))
    }

    /// Runs a verb as a service's user on its state folder.
    #[track_caller]
    pub fn tenure(&self, state: &str, arguments: &[&str]) -> Said {
        let state = format!("STATE_DIRECTORY={state}");
        let mut command = vec!["/usr/local/bin/tenure"];
        command.extend(arguments);
        self.user("tenure", &[&state], &command)
    }

    /// Writes a file in the machine.
    #[track_caller]
    pub fn write(&self, path: &str, text: &str) {
        let script = "mkdir -p \"$(dirname \"$0\")\" && cat >\"$0\"";
        let _ = Said::by_fed(enter(self.init).args(["sh", "-c", script, path]), text).ok();
    }

    /// A property of a unit.
    #[track_caller]
    pub fn property(&self, unit: &str, name: &str) -> String {
        let said = self.root(&["systemctl", "show", "--value", "-p", name, unit]);
        said.ok().out.trim().to_owned()
    }

    /// What the manager wrote down of a unit.
    #[track_caller]
    pub fn journal(&self, unit: &str) -> String {
        self.root(&["journalctl", "-o", "cat", "--no-pager", "-u", unit])
            .out
    }

    /// Does something with a unit; shows its journal where that fails.
    #[track_caller]
    pub fn systemctl(&self, verb: &str, unit: &str) {
        let said = self.root(&["systemctl", verb, unit]);
        assert_eq!(said.code, 0, "{said}\n{}", self.journal(unit));
    }

    /// Whether a process lives there.
    #[track_caller]
    pub fn lives(&self, pid: i64) -> bool {
        self.root(&["test", "-d", &format!("/proc/{pid}")]).code == 0
    }

    /// Waits until a service has a main process that is not this one, and is ready.
    #[track_caller]
    pub fn until_another(&self, unit: &str, before: &str) -> String {
        wait_until(
            &format!("{unit} has a main process other than {before}"),
            || {
                let main = self.property(unit, "MainPID");
                let is_ready = self.property(unit, "ActiveState") == "active";
                (is_ready && main != "0" && main != before).then_some(main)
            },
        )
    }
}

/// A program in all namespaces of a machine, with a clean environment.
fn enter(init: i32) -> Command {
    let mut command = Command::new("nsenter");
    command.args(["-t", &init.to_string(), "-m", "-p", "-C", "-u", "-i", "--"]);
    command.args(["env", "-i", "LC_ALL=C"]);
    command.arg("PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin");
    command
}

/// The only run of what `show --json` said.
#[track_caller]
pub fn only_run(shown: &Value) -> &Value {
    let runs = tenure_tests::home::runs(shown);
    assert_eq!(runs.len(), 1, "{shown:#}");
    &runs[0]
}
