//! A host: namespaces of its own for processes, network, mounts and names, a boot id for each time it
//! is started, an `/etc` and a wall clock of its own. Its first process starts a dispatcher again
//! whenever one ended, as a service manager does.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tenure_tests::process::{self, Process, Signal};
use tenure_tests::{program, wait_until};

use crate::fault::DAY;
use crate::link::Link;
use crate::place::Place;
use crate::server::Server;
use crate::shell::run;

/// What its first process does.
const FIRST: &str = include_str!("host.sh");

/// What moves its wall clock.
const CLOCK: &str = include_str!("clock.c");

/// What programs need of `/etc`.
const ETC: [&str; 4] = ["passwd", "group", "nsswitch.conf", "ld.so.cache"];

/// A host.
#[derive(Debug)]
pub struct Host {
    number: usize,
    folder: PathBuf,
    /// Its cable.
    pub link: Link,
    /// What entered its namespaces; its child is the first process there.
    entered: Option<Child>,
}

/// What a host runs, by its part in it.
#[derive(Debug, Default)]
pub struct Inhabitants {
    /// Every process, the first one first.
    pub all: Vec<Process>,
    /// The dispatcher, where one runs.
    pub dispatcher: Option<Process>,
    /// Wardens, each with its run.
    pub wardens: Vec<(Process, i64)>,
}

impl Host {
    /// Makes one that is not booted yet; `config` is its dispatcher's, without its store.
    pub fn make(place: &Place, number: usize, config: &str) -> Self {
        let folder = place.folder(&format!("host{number}"));
        let link = Link::lay(number, folder.join("network"));
        let host = Self {
            number,
            folder,
            link,
            entered: None,
        };
        let settings = host.folder.join(".config/tenure");
        fs::create_dir_all(&settings).expect("a folder of the field can be made");
        let url = Server::url(&host.link.server());
        let config = format!("[store]\nurl = '{url}'\n{config}");
        fs::write(settings.join("tenure.toml"), config)
            .expect("a file of the field can be written");
        host.make_etc();
        host
    }

    fn make_etc(&self) {
        let etc = self.folder.join("etc");
        fs::create_dir_all(&etc).expect("a folder of the field can be made");
        for name in ETC {
            let _ = fs::copy(Path::new("/etc").join(name), etc.join(name));
        }
        let source = self.folder.join("clock.c");
        fs::write(&source, CLOCK).expect("a file of the field can be written");
        fs::write(etc.join("clock-offset"), [0; 8]).expect("a file of the field can be written");
        let (library, source) = (etc.join("clock.so"), source.display().to_string());
        let library = library.display().to_string();
        run(&["cc", "-O2", "-shared", "-fPIC", "-o", &library, &source]);
        fs::write(etc.join("ld.so.preload"), "/etc/clock.so\n")
            .expect("a file of the field can be written");
    }

    /// Moves its wall clock so far from the kernel's.
    pub fn move_clock(&self, seconds: i64) {
        let offset = File::options()
            .write(true)
            .open(self.folder.join("etc/clock-offset"));
        offset
            .and_then(|file| file.write_all_at(&seconds.to_ne_bytes(), 0))
            .expect("the clock's offset can be written");
    }

    /// Starts it; with a new boot id where the whole machine was started anew, with the old one where
    /// only its container was.
    pub fn boot(&mut self, anew: bool) {
        let boot_id = self.folder.join("boot-id");
        if anew || !boot_id.exists() {
            fs::copy("/proc/sys/kernel/random/uuid", &boot_id).expect("a boot id can be made");
        }
        let network = format!("--net={}", self.link.network().display());
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.folder.join("log"));
        let child = Command::new("nsenter")
            .args([&network, "unshare", "--mount", "--uts", "--ipc", "--pid"])
            .args(["--fork", "--kill-child", "--mount-proc"])
            .args(["sh", "-c", FIRST, "host", &self.number.to_string()])
            .arg(&self.folder)
            .arg(program::tenure())
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.expect("the host's log can be written"))
            .spawn();
        self.entered = Some(child.expect("a host's namespaces can be entered"));
        wait_until("the host's first process is there", || self.first());
    }

    /// The first process of its namespace.
    fn first(&self) -> Option<Process> {
        let entered = i32::try_from(self.entered.as_ref()?.id()).expect("a pid is an i32");
        process::tree(entered).get(1).copied()
    }

    /// Ends all of it at once, as a power cut would.
    pub fn kill(&mut self) {
        if let Some(first) = self.first() {
            first.signal(Signal::KILL);
        }
        if let Some(mut entered) = self.entered.take() {
            entered.wait().expect("a child can be waited for");
        }
    }

    /// Who lives there now.
    pub fn inhabitants(&self) -> Inhabitants {
        let Some(first) = self.first() else {
            return Inhabitants::default();
        };
        let all = process::tree(first.pid);
        let warden = program::tenure().with_file_name("tenure-e2e-warden");
        let run_of = |process: &Process| Some((*process, run_of(*process)?));
        let wardens = all.iter().filter(|process| process.runs(&warden));
        Inhabitants {
            dispatcher: all
                .iter()
                .find(|process| process.runs(&program::tenure()))
                .copied(),
            wardens: wardens.filter_map(run_of).collect(),
            all,
        }
    }

    /// What its dispatchers said.
    pub fn log(&self) -> String {
        let bytes = fs::read(self.folder.join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Makes sure that moving its clock moves what its programs see.
    ///
    /// # Panics
    /// Where it does not.
    pub fn check_clock(&self) {
        self.move_clock(DAY);
        let first = self.first().expect("the host is booted").pid.to_string();
        let told = run(&["nsenter", "--target", &first, "--mount", "date", "+%s"]);
        self.move_clock(0);
        let ahead =
            told.trim().parse::<i64>().unwrap_or_default() - jiff::Timestamp::now().as_second();
        assert!(
            (ahead - DAY).abs() < 60,
            "a clock was moved by {DAY} s, and {ahead} s were seen"
        );
    }
}

/// Whose output a warden's output is: that of a run's folder.
fn run_of(warden: Process) -> Option<i64> {
    let output = fs::read_link(format!("/proc/{}/fd/2", warden.pid)).ok()?;
    output.parent()?.file_name()?.to_str()?.parse().ok()
}
