//! The units that are installed: whether they leave workers alive.

use std::fs;
use std::path::{Path, PathBuf};

use super::Finding;

const CHECK: &str = "unit";

/// Where units of the system are looked for, the strongest first.
const SYSTEM: [&str; 4] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
];

/// Looks at the system's unit and at the user's.
pub fn look() -> Vec<Finding> {
    let mut findings: Vec<Finding> = SYSTEM
        .iter()
        .map(|folder| Path::new(folder).join("tenured.service"))
        .find(|path| path.is_file())
        .map_or_else(Vec::new, |path| judge(&path));
    if let Some(path) = user_unit().filter(|path| path.is_file()) {
        findings.extend(judge(&path));
        findings.extend(linger());
    }
    if findings.is_empty() {
        findings.push(Finding::ok(CHECK, "none is installed"));
    }
    findings
}

fn user_unit() -> Option<PathBuf> {
    let config = crate::folders::user_config()?;
    let folder = config.parent()?.parent()?;
    Some(folder.join("systemd/user/tenured.service"))
}

fn judge(path: &Path) -> Vec<Finding> {
    let text = with_drop_ins(path);
    let shown = path.display();
    let mut findings = Vec::new();
    if value(&text, "KillMode") != Some("process") {
        findings.push(Finding::problem(
            CHECK,
            format!("{shown} does not say KillMode=process"),
            "every restart kills all workers",
            "KillMode=process, as in systemd/tenured.service",
        ));
    }
    if value(&text, "WatchdogSec").is_none() {
        findings.push(Finding::notice(
            CHECK,
            format!("{shown} says no WatchdogSec"),
            "a dispatcher that hangs stays as it is until a person sees it",
            "WatchdogSec=30s",
        ));
    }
    if !text.contains(" settle ") {
        findings.push(Finding::notice(
            CHECK,
            format!("{shown} does not settle after a stop"),
            "a stop leaves workers running under their wardens",
            "ExecStopPost= as in systemd/tenured.service",
        ));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(CHECK, format!("{shown}")));
    }
    findings
}

/// A unit and what is laid over it; later lines win.
fn with_drop_ins(path: &Path) -> String {
    let mut text = fs::read_to_string(path).unwrap_or_default();
    let mut folder = path.as_os_str().to_owned();
    folder.push(".d");
    let mut drop_ins: Vec<PathBuf> = fs::read_dir(PathBuf::from(folder))
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "conf")
        })
        .collect();
    drop_ins.sort();
    for drop_in in drop_ins {
        text.push('\n');
        text.push_str(&fs::read_to_string(drop_in).unwrap_or_default());
    }
    text
}

/// The last value of a key.
fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines()
        .filter_map(|line| {
            line.trim()
                .strip_prefix(key)?
                .trim_start()
                .strip_prefix('=')
        })
        .next_back()
        .map(str::trim)
}

/// A user's manager ends with the last session, unless the user lingers.
fn linger() -> Option<Finding> {
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).ok()??;
    let marked = Path::new("/var/lib/systemd/linger").join(&user.name);
    (!marked.exists()).then(|| {
        Finding::notice(
            CHECK,
            format!("{} does not linger", user.name),
            "the user's dispatcher ends with the last session, and its workers with it",
            "`loginctl enable-linger`",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::Severity;
    use super::*;

    #[test]
    fn our_own_unit_is_well_and_a_drop_in_can_spoil_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tenured.service");
        let ours = concat!(env!("CARGO_MANIFEST_DIR"), "/../../systemd/tenured.service");
        fs::copy(ours, &path).unwrap();
        let well = judge(&path);
        assert!(
            well.iter().all(|one| one.severity == Severity::Ok),
            "{well:?}"
        );
        let beside = folder.path().join("tenured.service.d");
        fs::create_dir(&beside).unwrap();
        fs::write(beside.join("x.conf"), "[Service]\nKillMode=control-group\n").unwrap();
        let ill = judge(&path);
        assert!(
            ill.iter().any(|one| one.severity == Severity::Problem),
            "{ill:?}"
        );
    }
}
