//! A warden at its gate, and the dispatcher's half of the conversation.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tenure_guard::wire::{Answer, Op};
use tenure_guard::{Guard, Identity, Reason, RunId, TaskId, Tenure};
use tenure_store::life::{Ask, End, Exit, Protocol};
use tenure_warden::cgroup::Cgroups;
use tenure_warden::clock::BootInstant;
use tenure_warden::gate::{self, Brief, Word};
use tenure_warden::isolation::{Isolation, Workspace};
use tenure_warden::lifeline::{Adopt, Message, Order};

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_warden-under-test");

/// How long a test waits for a fact before it gives up. Generous: the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Longer than any test lasts.
pub const FOR_EVER: Duration = Duration::from_hours(1);

/// Says why a test does not run here, past the test runner, which keeps a passing test's words.
pub fn skip(why: &str) {
    let words = format!("SKIPPED: {why}\n");
    std::io::stderr().write_all(words.as_bytes()).unwrap();
}

/// The dispatcher's side of one warden.
pub struct Post {
    pub folder: tempfile::TempDir,
    pub warden: Child,
    lifeline: Option<BufReader<UnixStream>>,
    pub brief: Brief,
}

/// A tenure like those that the store makes.
pub fn tenure() -> Tenure {
    Tenure {
        task: TaskId(7),
        run: RunId(9),
        lock: "0191e6a0-0000-7000-8000-000000000001:00112233445566778899aabbccddeeff"
            .parse()
            .unwrap(),
    }
}

impl Post {
    /// A warden that prepares for a shell script, changed as the test wants it.
    pub fn prepare(script: &str, change: impl FnOnce(&mut Brief)) -> Self {
        Self::prepare_by(|_| Command::new(PROGRAM), script, change)
    }

    /// A warden whose surroundings a shell prepares before it becomes that; let go.
    pub fn under(born: &str, script: &str, change: impl FnOnce(&mut Brief)) -> Self {
        let mut shell = Command::new("sh");
        // By its descriptor: whom the shell becomes may not come to where the program lies.
        let line = format!("exec 8<\"$0\"; {born} /proc/self/fd/8");
        shell.args(["-c", &line, PROGRAM]);
        let mut post = Self::prepare_by(|_| shell, script, change);
        post.go();
        post
    }

    /// The same as [`Post::prepare`]; `program` says, for the folder, what is started.
    pub fn prepare_by(
        program: impl FnOnce(&Path) -> Command,
        script: &str,
        change: impl FnOnce(&mut Brief),
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let output = std::fs::File::options()
            .append(true)
            .create_new(true)
            .open(folder.path().join("log"))
            .unwrap();
        let warden = program(folder.path())
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        ours.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut brief = brief(folder.path(), script);
        change(&mut brief);
        let mut post = Self {
            folder,
            warden,
            lifeline: Some(BufReader::new(ours)),
            brief,
        };
        let line = serde_json::to_string(&post.brief).unwrap();
        post.write(&line);
        post
    }

    /// The same, and lets it go.
    pub fn start(script: &str, change: impl FnOnce(&mut Brief)) -> Self {
        let mut post = Self::prepare(script, change);
        post.go();
        post
    }

    /// Lets it go.
    pub fn go(&mut self) {
        self.say(&Word::Go {
            lease_end: BootInstant::now() + self.brief.lease,
            deadline: None,
        });
    }

    pub fn say(&mut self, word: &Word) {
        let line = serde_json::to_string(word).unwrap();
        self.write(&line);
    }

    pub fn order(&mut self, order: &Order) {
        let line = serde_json::to_string(order).unwrap();
        self.write(&line);
    }

    pub fn end(&mut self, ask: Ask) {
        self.order(&Order::End { ask });
    }

    pub fn write(&mut self, line: &str) {
        let mut stream = self.lifeline.as_ref().unwrap().get_ref();
        writeln!(stream, "{line}").unwrap();
    }

    /// What a dispatcher wrote before it died.
    pub fn write_part(&mut self, part: &str) {
        let mut stream = self.lifeline.as_ref().unwrap().get_ref();
        stream.write_all(part.as_bytes()).unwrap();
    }

    /// The dispatcher dies.
    pub fn hang_up(&mut self) {
        self.lifeline = None;
    }

    /// Somebody asks for the lifeline; what is said first, and the line.
    pub fn knock(&self, adopt: &impl serde::Serialize) -> (Message, BufReader<UnixStream>) {
        let mut stream = wait_for("the warden's socket", || {
            UnixStream::connect(&self.brief.socket).ok()
        });
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        writeln!(stream, "{}", serde_json::to_string(adopt).unwrap()).unwrap();
        let mut line = BufReader::new(stream);
        let mut said = String::new();
        line.read_line(&mut said).unwrap();
        let said = serde_json::from_str(&said);
        (said.unwrap_or_else(|_| panic!("log: {}", self.log())), line)
    }

    /// What a dispatcher shows that came into this run's hands.
    pub fn right(&self, epoch: u64) -> Adopt {
        Adopt {
            v: gate::VERSION,
            adopt: epoch,
            tenure: self.brief.tenure.clone(),
        }
    }

    /// Another dispatcher takes the lifeline up, and we are that one now. The worker's pid, and what
    /// was asked; the former lifeline comes back.
    pub fn take_over(
        &mut self,
        epoch: u64,
    ) -> (Option<i32>, Option<Ask>, Option<BufReader<UnixStream>>) {
        let (said, line) = self.knock(&self.right(epoch));
        let Message::Adopted { pid, asked } = said else {
            panic!("{said:?}; log: {}", self.log());
        };
        (pid, asked, self.lifeline.replace(line))
    }

    /// The next thing the warden says.
    pub fn next(&mut self) -> Message {
        let mut line = String::new();
        let count = self
            .lifeline
            .as_mut()
            .unwrap()
            .read_line(&mut line)
            .unwrap();
        assert!(count > 0, "the warden hung up; its log: {}", self.log());
        serde_json::from_str(&line).unwrap()
    }

    /// Whether the warden keeps quiet.
    pub fn says_nothing_for(&mut self, time: Duration) {
        let lines = self.lifeline.as_mut().unwrap();
        lines.get_ref().set_read_timeout(Some(time)).unwrap();
        let heard = lines.fill_buf().map(<[u8]>::to_vec);
        lines.get_ref().set_read_timeout(Some(PATIENCE)).unwrap();
        if let Ok(heard) = heard {
            panic!("the warden said {}", String::from_utf8_lossy(&heard));
        }
    }

    /// The worker's pid.
    pub fn started(&mut self) -> i32 {
        match self.next() {
            Message::Started { pid } => pid,
            other @ (Message::Adopted { .. }
            | Message::NotAdopted { .. }
            | Message::Ask { .. }
            | Message::Request { .. }
            | Message::Ended { .. }) => {
                panic!("{other:?} came before the start; log: {}", self.log())
            }
        }
    }

    /// The next request, with its number.
    pub fn request(&mut self) -> (u64, Op) {
        match self.next() {
            Message::Request { id, op } => (id, op),
            other @ (Message::Adopted { .. }
            | Message::NotAdopted { .. }
            | Message::Started { .. }
            | Message::Ask { .. }
            | Message::Ended { .. }) => {
                panic!("{other:?} is no request; log: {}", self.log())
            }
        }
    }

    pub fn answer(&mut self, id: u64, answer: Answer) {
        self.order(&Order::Answer { id, answer });
    }

    /// The end, acknowledged; requests before it are answered with `ok`.
    pub fn ended(&mut self) -> End {
        loop {
            match self.next() {
                Message::Ended { end } => {
                    self.order(&Order::Acknowledged);
                    return end;
                }
                Message::Request { id, .. } => self.answer(id, Answer::Ok),
                Message::Adopted { .. }
                | Message::NotAdopted { .. }
                | Message::Started { .. }
                | Message::Ask { .. } => {}
            }
        }
    }

    /// How the warden itself exited.
    pub fn exit_code(&mut self) -> Option<i32> {
        wait_for("the warden's exit", || self.warden.try_wait().unwrap()).code()
    }

    /// What the worker wrote.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Waits until the worker has written a whole line to a file of the folder.
    pub fn line_in(&self, name: &str) -> String {
        let path = self.path(name);
        wait_for(&format!("a line in {name}"), || {
            let text = std::fs::read_to_string(&path).ok()?;
            text.split_once('\n').map(|(line, _)| line.to_owned())
        })
    }

    /// Somebody who speaks to the warden from outside its tree, with the right tenure.
    pub fn guard(&self) -> Guard {
        self.guard_as(self.brief.tenure.clone())
    }

    pub fn guard_as(&self, tenure: Tenure) -> Guard {
        Guard::new(Identity {
            tenure,
            socket: Some(self.brief.socket.clone()),
        })
    }

    /// A line to the warden's socket, and the line that comes back.
    pub fn wire(&self, line: &str) -> String {
        let mut stream = UnixStream::connect(&self.brief.socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // A line that is too long is refused before it was sent whole.
        let _ = writeln!(stream, "{line}");
        let mut answer = String::new();
        BufReader::new(stream.take(1 << 20))
            .read_line(&mut answer)
            .unwrap();
        answer.trim_end().to_owned()
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        // Only the warden that this test started; its worker dies with it.
        let _ = self.warden.kill();
        let _ = self.warden.wait();
    }
}

fn brief(folder: &Path, script: &str) -> Brief {
    let socket = folder.join("warden.sock");
    let own = tenure();
    let env = BTreeMap::from(
        [
            ("PATH", "/usr/bin:/bin"),
            ("HERE", folder.to_str().unwrap()),
            ("SAY", PROGRAM),
            ("TENURE_CONTRACT", "1"),
            ("TENURE_TASK_ID", "7"),
            ("TENURE_RUN_ID", "9"),
            ("TENURE_CLAIM_LOCK", own.lock.expose()),
            ("TENURE_SOCKET", socket.to_str().unwrap()),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    Brief {
        v: gate::VERSION,
        tenure: own,
        argv: ["sh", "-c", script].map(str::to_owned).to_vec(),
        env,
        cwd: folder.to_owned(),
        folder: folder.to_owned(),
        log_max_bytes: u64::MAX,
        open_files: None,
        isolation: Isolation::default(),
        cgroups: Cgroups::default(),
        workspace: Workspace::default(),
        socket,
        lease: Duration::from_mins(10),
        kill_grace: FOR_EVER,
        finish_grace: FOR_EVER,
        protocol: Protocol::Exit,
        max_runtime: None,
        heartbeat_timeout: None,
        store: format!("sqlite://{}", folder.join("none.db").display()),
    }
}

/// Waits for a fact.
pub fn wait_for<T>(what: &str, mut fact: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(fact) = fact() {
            return fact;
        }
        assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a process does anything any more; a zombie does not.
pub fn is_alive(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit_once(')').unwrap().1.starts_with(" Z"))
}

/// An end that nothing but the worker caused.
pub fn exited(exit: Exit) -> End {
    End::Exited {
        exit,
        interrupted: false,
        stood_down: None,
        tree_unverified: false,
        oom: false,
        core: None,
    }
}

/// The same with what the warden learned.
pub fn exited_as(exit: Exit, interrupted: bool, stood_down: Option<Reason>) -> End {
    End::Exited {
        exit,
        interrupted,
        stood_down,
        tree_unverified: false,
        oom: false,
        core: None,
    }
}

/// Sends a signal to a process that this test started.
pub fn signal(pid: i32, signal: rustix::process::Signal) {
    assert!(signal_if_there(pid, signal), "{pid} is gone");
}

/// The same to one that may be gone; whether it was there.
pub fn signal_if_there(pid: i32, signal: rustix::process::Signal) -> bool {
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty());
    pidfd.is_ok_and(|pidfd| rustix::process::pidfd_send_signal(&pidfd, signal).is_ok())
}

impl Post {
    pub fn warden_pid(&self) -> i32 {
        i32::try_from(self.warden.id()).unwrap()
    }
}
