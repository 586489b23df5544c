//! A home of a test's own: its configuration, its state, its scratch folder, and nobody else's
//! environment. It goes away with the test, and so does everything that was started in it.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use tenure_store::{Store, StoreUrl};
use tenure_warden::cgroup::Cgroup;

use crate::program;
use crate::said::Said;
use crate::serve::{self, Dispatcher};
use crate::wait::wait_until;

/// Where programs are looked up: nothing of the machine's owner, so that a test runs alike anywhere.
pub const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// What every test begins with: graces and back-offs short enough to wait for.
const CONFIG: &str = r#"
[dispatcher]
slots = 4
kill_grace = "500ms"
finish_grace = "500ms"
on_stop = "terminate"

[defaults]
backoff = { base = "10ms", max = "50ms" }
"#;

/// A home.
#[derive(Debug)]
pub struct Home {
    folder: TempDir,
    store: StoreUrl,
    program: PathBuf,
    /// Where the configuration is, and how a command line names what it would not find.
    config: PathBuf,
    named: Vec<String>,
}

impl Home {
    /// A home with the tests' own configuration, on the embedded store.
    ///
    /// # Panics
    /// Where the temporary folder cannot be made.
    pub fn new() -> Self {
        Self::with("")
    }

    /// The same with more configuration, which wins where both say something.
    ///
    /// # Panics
    /// Where the configuration is no TOML.
    pub fn with(more: &str) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("tenure-")
            .tempdir()
            .expect("a temporary folder can be made");
        let store = StoreUrl::Sqlite(folder.path().join(".local/state/tenure/tenure.db"));
        let program = program::tenure();
        let home = Self {
            folder,
            store,
            program,
            config: ".config/tenure/tenure.toml".into(),
            named: Vec::new(),
        };
        for folder in ["work", "tmp"] {
            fs::create_dir(home.path().join(folder)).expect("a folder in a new home can be made");
        }
        home.configure(more);
        home
    }

    /// A home whose store and configuration are where nobody looks, so that each command line of the
    /// test names them; what would be found without is an empty one.
    ///
    /// # Panics
    /// As [`Home::with`].
    pub fn apart(more: &str) -> Self {
        let mut home = Self::new();
        home.config = "else where/tenure.toml".into();
        home.configure(more);
        let store = home.path().join("else where/the store.db");
        let config = home.path().join(&home.config);
        let name = |flag: &str, path: &Path| [flag.to_owned(), path.display().to_string()];
        home.named = [name("--db", &store), name("--config", &config)].concat();
        home.store = StoreUrl::Sqlite(store);
        home
    }

    /// A home on another store.
    ///
    /// # Panics
    /// As [`Home::with`], and where the address is none.
    pub fn on(url: &str, more: &str) -> Self {
        let mut home = Self::new();
        home.store = url.parse().expect("the address of a store");
        home.configure(more);
        home
    }

    /// Writes the configuration anew: the tests' own, and this over it. Where the store is a server's it
    /// is named, unless this names another.
    ///
    /// # Panics
    /// Where it is no TOML.
    pub fn configure(&self, more: &str) {
        let mut config = table(CONFIG);
        if let StoreUrl::Postgres(_) = &self.store {
            let url = toml::Value::from(self.store.expose());
            merge(&mut config, table(&format!("[store]\nurl = {url}")));
        }
        merge(&mut config, table(more));
        self.write(&self.config, &config.to_string());
    }

    /// From now on a copy of the program, with no warden's program beside it; where it is.
    ///
    /// # Panics
    /// Where it cannot be copied.
    pub fn lone_program(&mut self) -> &Path {
        self.program = self.path().join("tenure");
        program::copy(&program::tenure(), &self.program);
        &self.program
    }

    /// From now on the program is executed by a shell that did this before.
    ///
    /// # Panics
    /// Where the script cannot be written.
    pub fn after(&mut self, script: &str) {
        let program = self.program.display();
        let script = format!("#!/bin/sh\n{script}\nexec {program} \"$@\"\n");
        self.program = self.script("tenure.sh", &script);
    }

    /// Writes a script into the home that can be executed, with its folders.
    ///
    /// # Panics
    /// Where that fails.
    pub fn script(&self, name: impl AsRef<Path>, text: &str) -> PathBuf {
        let name = name.as_ref();
        let draft = self.write(name.with_added_extension("draft"), text);
        let script = self.path().join(name);
        program::copy(&draft, &script);
        script
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Where the state is.
    pub fn state(&self) -> PathBuf {
        self.path().join(".local/state/tenure")
    }

    /// Where commands run.
    pub fn work(&self) -> PathBuf {
        self.path().join("work")
    }

    /// The path of something in [`Home::work`], as text for a command line.
    pub fn at(&self, name: &str) -> String {
        self.work().join(name).display().to_string()
    }

    /// Writes a file into the home, with its folders.
    ///
    /// # Panics
    /// Where that fails.
    pub fn write(&self, name: impl AsRef<Path>, text: &str) -> PathBuf {
        let path = self.path().join(name);
        let folder = path.parent().expect("a file in the home has a folder");
        fs::create_dir_all(folder).expect("a folder in the home can be made");
        fs::write(&path, text).expect("a file in the home can be written");
        path
    }

    /// What a worker wrote into [`Home::work`]; nothing where there is no such file yet.
    pub fn read(&self, name: &str) -> String {
        let bytes = fs::read(self.work().join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The command line of `tenure` in a clean environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(&self.named)
            .args(arguments)
            .env_clear()
            .env("HOME", self.path())
            .env("TMPDIR", self.path().join("tmp"))
            .env("PATH", PATH)
            .current_dir(self.work());
        command
    }

    /// A shell into which somebody pasted a line, with the program on its path and nothing of this
    /// test's in its environment.
    ///
    /// # Panics
    /// Where the program cannot be put there.
    pub fn pasted(&self, line: &str) -> Command {
        let bin = self.path().join("bin");
        if !bin.exists() {
            fs::create_dir(&bin).expect("a folder in the home can be made");
            symlink(&self.program, bin.join("tenure")).expect("a link can be made");
        }
        let mut command = Command::new("sh");
        command
            .args(["-c", line])
            .env_clear()
            .env("HOME", self.path())
            .env("PATH", format!("{}:{PATH}", bin.display()))
            .current_dir(self.work());
        command
    }

    /// Runs a verb to its end.
    #[track_caller]
    pub fn tenure(&self, arguments: &[&str]) -> Said {
        Said::by(&mut self.command(arguments))
    }

    /// Starts a dispatcher and waits until it says that it can dispatch.
    #[track_caller]
    pub fn serve(&self) -> Dispatcher {
        Dispatcher::start(self, &[])
    }

    /// Adds a task that runs the fixture worker through these steps; its id.
    #[track_caller]
    pub fn add(&self, flags: &[&str], steps: &[&str]) -> i64 {
        let worker = program::worker().display().to_string();
        let mut arguments = vec!["add", "--json"];
        arguments.extend(flags);
        arguments.extend(["--", worker.as_str()]);
        arguments.extend(steps);
        created(&self.tenure(&arguments).ok().json())
    }

    /// Adds a task for a profile; its id.
    #[track_caller]
    pub fn add_for(&self, profile: &str, flags: &[&str]) -> i64 {
        let mut arguments = vec!["add", "--json", "--assignee", profile];
        arguments.extend(flags);
        created(&self.tenure(&arguments).ok().json())
    }

    /// A profile in the configuration whose worker is the fixture with these steps.
    pub fn profile(name: &str, keys: &str, steps: &[&str]) -> String {
        let mut command = vec![program::worker().display().to_string()];
        command.extend(steps.iter().map(|step| (*step).to_owned()));
        let command = toml::Value::from(command);
        format!("[profiles.{name}]\ncommand = {command}\n{keys}\n")
    }

    /// `show ID --json`.
    #[track_caller]
    pub fn show(&self, task: i64) -> Value {
        self.tenure(&["show", &task.to_string(), "--json"])
            .ok()
            .json()
    }

    /// Waits until a task stands there; what `show` says then.
    #[track_caller]
    pub fn until(&self, task: i64, status: &str) -> Value {
        wait_until(&format!("task {task} is {status}"), || {
            let shown = self.show(task);
            let now = shown["task"]["status"].as_str();
            assert!(
                now == Some(status) || !matches!(now, Some("done" | "cancelled")),
                "task {task} shall be {status}, and is: {shown:#}"
            );
            (now == Some(status)).then_some(shown)
        })
    }

    /// Waits until a worker wrote this file; its text.
    #[track_caller]
    pub fn until_written(&self, name: &str) -> String {
        wait_until(&format!("a worker wrote {name}"), || {
            Some(self.read(name)).filter(|text| text.ends_with('\n'))
        })
    }

    /// Makes the file that a worker waits for.
    ///
    /// # Panics
    /// Where that fails.
    pub fn touch(&self, name: &str) {
        fs::write(self.work().join(name), "\n").expect("a file in the home can be written");
    }

    /// Where the store is.
    pub fn store_url(&self) -> &StoreUrl {
        &self.store
    }

    /// The store itself, for what no verb can do: claiming without a dispatcher, for one.
    ///
    /// # Panics
    /// Where it cannot be opened.
    pub fn store(&self) -> OpenStore {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime can be made");
        let store = runtime
            .block_on(Store::open(&self.store))
            .expect("the store can be opened");
        OpenStore { store, runtime }
    }
}

impl Default for Home {
    fn default() -> Self {
        Self::new()
    }
}

impl Home {
    /// A cgroup outlives the folder of its run, and wardens that were killed leave theirs.
    fn end_cgroups(&self) {
        let inside = |folder: PathBuf| fs::read_dir(folder).into_iter().flatten().flatten();
        let stores = inside(self.state().join("stores"));
        for run in stores.flat_map(|store| inside(store.path().join("runs"))) {
            if let Some(cgroup) = Cgroup::left_in(&run.path()) {
                cgroup.end();
            }
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        serve::sweep(self.path());
        self.end_cgroups();
    }
}

/// A store that a test uses from ordinary code.
#[derive(Debug)]
pub struct OpenStore {
    /// The store.
    pub store: Store,
    runtime: tokio::runtime::Runtime,
}

impl OpenStore {
    /// Waits for an answer of the store.
    pub fn wait<T>(&self, answer: impl Future<Output = T>) -> T {
        self.runtime.block_on(answer)
    }
}

/// The runs of what `show` said, oldest first.
///
/// # Panics
/// Where it has none.
#[track_caller]
pub fn runs(shown: &Value) -> &Vec<Value> {
    shown["runs"]
        .as_array()
        .expect("`show` has an array of runs")
}

/// The kinds of the events of what `show` said, in their order.
#[track_caller]
pub fn event_kinds(shown: &Value) -> Vec<&str> {
    shown["events"]
        .as_array()
        .expect("`show` has an array of events")
        .iter()
        .filter_map(|event| event["kind"].as_str())
        .collect()
}

/// The outcomes of a task's runs, oldest first.
#[track_caller]
pub fn outcomes(shown: &Value) -> Vec<&str> {
    runs(shown)
        .iter()
        .map(|run| run["outcome"].as_str().unwrap_or("open"))
        .collect()
}

#[track_caller]
fn created(answer: &Value) -> i64 {
    match (answer["id"].as_i64(), answer["created"].as_bool()) {
        (Some(id), Some(true)) => id,
        _ => panic!("`add --json` shall answer an id and created: {answer}"),
    }
}

fn table(text: &str) -> toml::Table {
    text.parse().expect("the test's configuration is TOML")
}

fn merge(into: &mut toml::Table, from: toml::Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            // A back-off is one value; half of another one would make no sense.
            (Some(toml::Value::Table(beneath)), toml::Value::Table(over)) if key != "backoff" => {
                merge(beneath, over);
            }
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

/// The mode bits of a file or folder.
///
/// # Panics
/// Where it does not exist.
#[track_caller]
pub fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.permissions().mode() & 0o777,
        Err(error) => panic!("{}: {error}", path.as_os_str().as_bytes().escape_ascii()),
    }
}
