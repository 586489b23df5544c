//! The way to a server: encrypted and checked where that is asked for, with a password that nobody sees
//! but who needs it, as a role that may do no more than it must.

use std::fs::Permissions;
use std::net::IpAddr;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;

use tenure_tests::certificates::Authority;
use tenure_tests::home::{Home, outcomes};
use tenure_tests::postgres::{self, Server, Setup};
use tenure_tests::process::Signal;
use tenure_tests::{Said, wait_until};

/// Nobody else's: the password of the tests' role.
const PASSWORD: &str = "hunter2 @/?&";

/// Passwords over TCP, and over TLS alone.
const HBA: &str =
    "local all all trust\nhostssl all all all scram-sha-256\nhost all all all reject\n";

/// The loopback address of a server of this process's own.
fn address(number: u8) -> IpAddr {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    IpAddr::from([127, number, high, low.max(1)])
}

/// A server that asks for TLS and a password, whose certificate is for this address.
struct Guarded {
    server: Server,
    authority: Authority,
}

impl Guarded {
    fn start(number: u8, certified: Option<&str>) -> Option<Self> {
        // Only a server needs a certificate.
        if !postgres::is_there() {
            return None;
        }
        let (authority, address) = (Authority::new(), address(number));
        let name = certified.map_or_else(|| format!("IP:{address}"), str::to_owned);
        let (certificate, key) = authority.vouch("server", &name).read();
        let server = Server::start(&Setup {
            listen: Some(address),
            settings: "ssl = on\nssl_cert_file = '../server.crt'\nssl_key_file = '../server.key'",
            hba: HBA,
            files: &[("server.crt", &certificate), ("server.key", &key)],
        })?;
        Some(Self { server, authority })
    }

    /// The address of a new database, as a role that has a password.
    fn database(&self) -> (String, String) {
        let local = self.server.database();
        self.server.execute(
            &local,
            &format!("CREATE ROLE worker_of_tests LOGIN PASSWORD '{PASSWORD}' SUPERUSER"),
        );
        let url = self.server.over_tcp(&local);
        (local, url.replace("postgres@", "worker_of_tests@"))
    }

    fn set_password(&self, local: &str, password: &str) {
        let statement = format!("ALTER ROLE worker_of_tests PASSWORD '{password}'");
        self.server.execute(local, &statement);
    }

    fn root(&self) -> String {
        self.authority.root().display().to_string()
    }
}

fn password_file(home: &Home) -> String {
    let path = home.write("password", &format!("{PASSWORD}\n"));
    set_mode(&path, 0o600);
    path.display().to_string()
}

fn set_mode(path: impl AsRef<Path>, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Whether any file below a folder has these words.
fn is_in(folder: &Path, words: &str) -> Option<std::path::PathBuf> {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        let found = if path.is_dir() {
            is_in(&path, words)
        } else {
            let bytes = std::fs::read(&path).unwrap_or_default();
            let has = bytes
                .windows(words.len())
                .any(|part| part == words.as_bytes());
            has.then_some(path)
        };
        if found.is_some() {
            return found;
        }
    }
    None
}

#[test]
fn everything_goes_over_a_checked_link_and_nobody_sees_the_password() {
    let Some(guarded) = Guarded::start(2, None) else {
        return;
    };
    let (local, url) = guarded.database();
    let url = format!("{url}?sslmode=verify-full&sslrootcert={}", guarded.root());
    let home = Home::on(&local, "");
    let file = password_file(&home);
    home.configure(&format!(
        "[store]\nurl = '{url}'\npassword_file = '{file}'\n[dispatcher]\nlease = '6s'"
    ));
    let mut dispatcher = home.serve();
    let go = home.at("go");
    let environment = home.at("environment");
    let task = home.add(&[], &["env", &environment, "wait-for", &go]);
    home.until_written("environment");
    let links = |like: &str| {
        let seen = format!(
            "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
             WHERE application_name LIKE 'tenure%' AND {like}"
        );
        guarded.server.number(&local, &seen)
    };
    assert!(links("ssl") > 0, "the dispatcher has no link");
    assert_eq!(links("NOT ssl"), 0, "a link is not encrypted");
    // The warden has what it needs, once it needs it.
    dispatcher.crash();
    home.touch("go");
    let shown = home.until(task, "done");
    assert_eq!(outcomes(&shown), ["completed"]);
    let said: Vec<Said> = [
        &["config", "show"][..],
        &["config", "show", "--json"],
        &["events", "--json"],
        &["doctor"],
    ]
    .iter()
    .map(|verb| home.tenure(verb))
    .collect();
    for said in said {
        let words = format!("{said}");
        assert!(!words.contains("hunter2"), "{words}");
    }
    assert!(
        !dispatcher.log().contains("hunter2"),
        "{}",
        dispatcher.log()
    );
    std::fs::remove_file(&file).unwrap();
    assert_eq!(is_in(home.path(), "hunter2"), None);
    let events = "SELECT count(*) FROM events WHERE payload LIKE '%hunter2%'";
    assert_eq!(guarded.server.number(&local, events), 0);
}

#[test]
fn a_server_that_is_not_who_it_should_be_is_refused() {
    // The certificate is for another address.
    let Some(guarded) = Guarded::start(3, Some("IP:127.0.0.77")) else {
        return;
    };
    let (local, url) = guarded.database();
    let home = Home::on(&local, "");
    let list = |parameters: &str, password: &str| {
        let url = format!("{url}?{parameters}");
        let mut command = home.command(&["list", "--db", &url]);
        Said::by(command.env("PGPASSWORD", password))
    };
    let root = guarded.root();
    let another = Authority::new();
    let stranger = another.root().display().to_string();
    let missing = list("sslmode=verify-ca&sslrootcert=/nowhere.crt", PASSWORD).with_code(2);
    assert!(
        missing.err.contains("/nowhere.crt cannot be read"),
        "{missing}"
    );
    let full = list(&format!("sslmode=verify-full&sslrootcert={root}"), PASSWORD);
    assert!(full.code != 0 && full.err.contains("certificate"), "{full}");
    let unknown = list(
        &format!("sslmode=verify-ca&sslrootcert={stranger}"),
        PASSWORD,
    );
    assert!(
        unknown.code != 0 && unknown.err.contains("certificate"),
        "{unknown}"
    );
    let _ = list(&format!("sslmode=verify-ca&sslrootcert={root}"), PASSWORD).ok();
    let _ = list("sslmode=require", PASSWORD).ok();
    for refused in [
        list("sslmode=disable", PASSWORD),
        list("sslmode=require", "another"),
    ] {
        assert_eq!(refused.code, 1, "{refused}");
        assert!(refused.err.contains("does not let us in"), "{refused}");
        assert!(!refused.err.contains("hunter2"), "{refused}");
    }
}

#[test]
fn a_new_password_is_taken_at_the_next_start_and_keeps_nothing_else_from_coming_into_force() {
    let Some(guarded) = Guarded::start(4, None) else {
        return;
    };
    let (local, url) = guarded.database();
    let home = Home::on(&local, "");
    let file = password_file(&home);
    let configure = |slots: u32| {
        home.configure(&format!(
            "[store]\nurl = '{url}'\npassword_file = '{file}'\n[dispatcher]\nslots = {slots}"
        ));
    };
    configure(2);
    let mut dispatcher = home.serve();
    guarded.set_password(&local, "hunter3");
    let _ = home.write("password", "hunter3\n");
    configure(3);
    dispatcher.signal(Signal::HUP);
    wait_until("the configuration is reloaded", || {
        let log = dispatcher.log();
        let reloaded = |line: &str| line.contains("reloaded") && line.contains("dispatcher.slots");
        log.lines().any(reloaded).then_some(())
    });
    let log = dispatcher.log();
    for words in ["password is another one", "SIGUSR2"] {
        assert!(log.contains(words), "{log}");
    }
    assert!(!log.contains("hunter"), "{log}");
    // What it serves it serves still, on the links that it has.
    let go = home.at("go");
    let task = home.add(&[], &["append", &home.at("began"), "x", "wait-for", &go]);
    home.until_written("began");
    dispatcher.crash();
    let _next = home.serve();
    home.touch("go");
    assert_eq!(outcomes(&home.until(task, "done")), ["completed"]);
}

#[test]
fn root_settles_with_the_password_that_is_the_services_to_read() {
    const SERVICE: u32 = 65_534;
    let Some(guarded) = Guarded::start(5, None) else {
        return;
    };
    let (local, url) = guarded.database();
    let home = Home::on(&local, "");
    let file = password_file(&home);
    home.configure(&format!("[store]\nurl = '{url}'\npassword_file = '{file}'"));
    let _ = home.tenure(&["pause"]).ok();
    let settles = |mode: u32| {
        set_mode(&file, mode);
        let settled = home.tenure(&["settle"]).ok();
        assert!(settled.out.contains("closed: 0"), "{settled}");
    };
    settles(0o600);
    if nix::unistd::geteuid().is_root() {
        std::fs::create_dir_all(home.state()).unwrap();
        for folder in home.state().ancestors().skip(1) {
            if folder.starts_with(home.path()) {
                set_mode(folder, 0o755);
            }
        }
        let service = Some(SERVICE);
        let handed = std::process::Command::new("chown")
            .args(["-R", &format!("{SERVICE}:{SERVICE}")])
            .arg(home.state())
            .status();
        assert!(handed.unwrap().success());
        chown(&file, service, service).unwrap();
        settles(0o600);
        chown(&file, Some(0), service).unwrap();
        settles(0o640);
    }
}

#[test]
fn a_file_that_a_variable_names_is_found_by_wardens_and_one_that_it_holds_is_refused() {
    let Some(guarded) = Guarded::start(6, None) else {
        return;
    };
    let (local, url) = guarded.database();
    let mut home = Home::on(&local, "");
    home.configure(&format!("[store]\nurl = '{url}'"));
    std::fs::copy(guarded.root(), home.at("ca.crt")).unwrap();
    let set = "export PGSSLMODE=verify-full PGSSLROOTCERT=${ROOT-ca.crt}";
    home.after(&format!("{set} PGPASSWORD='{PASSWORD}'"));
    let mut dispatcher = home.serve();
    let go = home.at("go");
    let task = home.add(&[], &["append", &home.at("began"), "x", "wait-for", &go]);
    home.until_written("began");
    // Alone, and in another folder, its warden closes it.
    dispatcher.crash();
    home.touch("go");
    let done = "SELECT count(*) FROM runs WHERE outcome = 'completed'";
    wait_until("the warden wrote the end down", || {
        (guarded.server.number(&local, done) == 1).then_some(())
    });
    assert_eq!(outcomes(&home.show(task)), ["completed"]);
    let mut command = home.command(&["list"]);
    let inline = command.env("ROOT", "-----BEGIN CERTIFICATE-----\nhunter2");
    let said = Said::by(inline).with_code(2);
    for words in ["PGSSLROOTCERT", "into a file"] {
        assert!(said.err.contains(words), "{said}");
    }
    assert!(!said.err.contains("hunter2"), "{said}");
}

#[test]
fn a_password_on_a_command_line_is_refused_with_the_ways_to_give_it() {
    let home = Home::new();
    for db in [
        "postgres://user:hunter2@127.0.0.1:1/nowhere",
        "postgres://user@127.0.0.1:1/nowhere?password=hunter2",
    ] {
        let said = home.tenure(&["list", "--db", db]).with_code(2);
        for word in ["store.password_file", "PGPASSWORD", "TENURE_DB"] {
            assert!(said.err.contains(word), "{said}");
        }
        assert!(!said.err.contains("hunter2"), "{said}");
        // By the environment it may come, though not by any name.
        let mut command = home.command(&["list"]);
        let guessed = command.env("TENURE__STORE__PASSWORD", "hunter2");
        let guessed = Said::by(guessed).with_code(2);
        assert!(guessed.err.contains("PGPASSWORD"), "{guessed}");
        assert!(!guessed.err.contains("hunter2"), "{guessed}");
        let mut command = home.command(&["list"]);
        let said = Said::by(command.env("TENURE_DB", db)).with_code(75);
        assert!(!said.err.contains("hunter2"), "{said}");
    }
}

#[test]
fn a_password_file_that_others_read_is_refused_and_goes_to_no_other_server() {
    let home = Home::new();
    let file = home.write("password", "hunter2\n");
    set_mode(&file, 0o644);
    home.configure(&format!(
        "[store]\nurl = 'postgres://u@127.0.0.1:1/d'\npassword_file = '{}'",
        file.display()
    ));
    let said = home.tenure(&["list"]).with_code(2);
    assert!(said.err.contains("chmod 600"), "{said}");
    assert!(!said.err.contains("hunter2"), "{said}");
    // Who may not read it may see what is configured.
    let shown = home.tenure(&["config", "show"]).ok();
    for words in ["postgres://u@127.0.0.1:1/d", "password_file"] {
        assert!(shown.out.contains(words), "{shown}");
    }
    // Another address is none of that file's, whoever names it.
    let other = "postgres://u@127.0.0.1:1/other";
    let _ = home.tenure(&["list", "--db", other]).with_code(75);
    for variable in ["TENURE_DB", "TENURE__STORE__URL"] {
        let mut command = home.command(&["list"]);
        let _ = Said::by(command.env(variable, other)).with_code(75);
    }
    let credential = home.write("credentials/store-url", other);
    let mut command = home.command(&["list"]);
    let folder = credential.parent().unwrap();
    let _ = Said::by(command.env("CREDENTIALS_DIRECTORY", folder)).with_code(75);
    // An address with a password of its own needs no file.
    home.configure("[store]\nurl = 'postgres://u:hunter2@127.0.0.1:1/d'\npassword_file = '/p'");
    let said = home.tenure(&["list"]).with_code(2);
    assert!(said.err.contains("store.password_file"), "{said}");
    assert!(!said.err.contains("hunter2"), "{said}");
}

#[test]
fn workers_get_nothing_that_leads_to_the_server_however_wide_their_environment_is() {
    let Some(url) = postgres::database() else {
        return;
    };
    let mut home = Home::on(&url, "[profiles.shell]\npass_env = ['*']");
    home.after("export PGPASSWORD=hunter2 PGUSER=postgres COLOUR=blue");
    let _dispatcher = home.serve();
    let task = home.add(&[], &["env", &home.at("environment")]);
    home.until(task, "done");
    let environment = wait_until("it is written", || {
        let text = home.read("environment");
        (!text.is_empty()).then_some(text)
    });
    assert!(environment.contains("COLOUR"), "{environment}");
    for secret in ["PGPASSWORD", "PGUSER", "hunter2"] {
        assert!(!environment.contains(secret), "{environment}");
    }
    home.configure(&format!(
        "[store]\nurl = '{url}'\n[profiles.shell]\npass_env = ['PGPASSWORD']"
    ));
    let said = home.tenure(&["list"]).with_code(2);
    assert!(
        said.err.contains("pass_env") && said.err.contains("PGPASSWORD"),
        "{said}"
    );
}

/// The roles of the README: one that owns the tables, one that works with them.
const ROLES: &str = "
CREATE ROLE tenure_owner LOGIN;
CREATE ROLE tenure LOGIN;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
ALTER SCHEMA public OWNER TO tenure_owner;
GRANT USAGE ON SCHEMA public TO tenure;
ALTER DEFAULT PRIVILEGES FOR ROLE tenure_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO tenure;
";

#[test]
fn a_role_that_may_only_read_and_write_is_enough_and_says_what_it_may_not() {
    let Some(server) = Server::start(&Setup::default()) else {
        return;
    };
    let local = server.database();
    server.execute(&local, ROLES);
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md"));
    let readme = readme.unwrap();
    for line in ROLES.lines().skip(3) {
        assert!(readme.contains(line), "the README has not {line:?}");
    }
    let [owner, role] =
        ["tenure_owner", "tenure"].map(|role| local.replace("postgres@", &format!("{role}@")));
    let home = Home::on(&role, "");
    // It makes no tables, and says who may.
    let said = home.tenure(&["add", "--", "true"]).with_code(1);
    for word in ["may not make", "TENURE_DB=", "permission denied"] {
        assert!(said.err.contains(word), "{said}");
    }
    drop(Home::on(&owner, "").store());
    // Everything else it does.
    let mut dispatcher = home.serve();
    let done = home.add(&[], &["exit", "0"]);
    let shown = home.until(done, "done");
    assert_eq!(outcomes(&shown), ["completed"]);
    let _ = home.tenure(&["pause"]).ok();
    let _ = home.tenure(&["resume"]).ok();
    let _ = home.tenure(&["gc", "--events-older", "1s"]).ok();
    let doctor = |home: &Home| {
        let said = home.tenure(&["doctor", "--json"]);
        let found = said.json();
        let of_server = found.as_array().unwrap().iter();
        of_server
            .filter(|finding| finding["check"] == "server" && finding["severity"] != "ok")
            .map(|finding| format!("{finding}"))
            .collect::<Vec<String>>()
    };
    // The tests' own server forces nothing onto a disk.
    let of_disk = doctor(&home);
    assert!(
        of_disk.len() == 1 && of_disk[0].contains("fsync"),
        "{of_disk:?}"
    );
    dispatcher.crash();
    server.execute(&local, "REVOKE UPDATE ON tasks FROM tenure");
    let lacking = doctor(&home).concat();
    for word in ["UPDATE on tasks", "GRANT"] {
        assert!(lacking.contains(word), "{lacking}");
    }
    let powerful = doctor(&Home::on(&local, "")).concat();
    assert!(powerful.contains("superuser"), "{powerful}");
    let owning = doctor(&Home::on(&owner, "")).concat();
    assert!(owning.contains("owns the tables"), "{owning}");
    let mut stranger = home.command(&["list"]);
    let nobody = local.replace("postgres@", "nobody@");
    let said = Said::by(stranger.env("TENURE_DB", nobody)).with_code(1);
    assert!(said.err.contains("does not let us in"), "{said}");
}
