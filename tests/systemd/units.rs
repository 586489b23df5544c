//! The units, judged by systemd's own tools: well-formed, and closed as far as promised.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tenure_tests::{Said, program};

use crate::machine::{has, skip};

/// Ten times the highest exposure that the units may have.
const THRESHOLD: &str = "--threshold=20";

/// What systemd before 254 says of a key that it does not know yet.
const TOO_NEW: &str = "Unknown key 'DelegateSubgroup'";

fn systemd() -> PathBuf {
    program::workspace().join("systemd")
}

/// A copy of a unit over the program under test: systemd looks whether that exists.
fn copy(unit: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(systemd().join(unit)).unwrap();
    let ours = program::tenure().display().to_string();
    let name = Path::new(unit).file_name().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, text.replace("/usr/local/bin/tenure", &ours)).unwrap();
    (folder, path)
}

/// The tool, unless it is not there.
fn analyze(arguments: &[&str]) -> Option<Said> {
    if !has("systemd-analyze") {
        skip("systemd-analyze is not installed, so NO UNIT WAS JUDGED");
        return None;
    }
    let mut command = std::process::Command::new("systemd-analyze");
    // A user's manager wants a folder of its own.
    let runtime = tempfile::tempdir().unwrap();
    command.env("XDG_RUNTIME_DIR", runtime.path());
    Some(Said::by(command.args(arguments)))
}

/// Insists that systemd has nothing to say about a unit.
#[track_caller]
fn is_well_formed(path: &Path, manager: &str) {
    let Some(said) = analyze(&["verify", manager, "--man=no", path.to_str().unwrap()]) else {
        return;
    };
    let complaints: Vec<&str> = said
        .err
        .lines()
        .filter(|line| line.contains("tenured") && !line.contains(TOO_NEW))
        .collect();
    assert!(complaints.is_empty(), "{said}");
    assert_eq!(said.code, 0, "{said}");
}

#[test]
fn every_unit_is_well_formed() {
    for unit in ["tenured.service", "tenured@.service"] {
        let (_folder, path) = copy(unit);
        is_well_formed(&path, "--system");
    }
    let (_folder, path) = copy("user/tenured.service");
    is_well_formed(&path, "--user");
}

#[test]
fn no_unit_of_the_system_is_exposed_more_than_promised() {
    for unit in ["tenured.service", "tenured@.service"] {
        let (_folder, path) = copy(unit);
        let path = path.to_str().unwrap();
        let judge = ["security", "--offline=true", "--no-pager", THRESHOLD, path];
        if let Some(said) = analyze(&judge) {
            assert_eq!(said.code, 0, "{said}");
        }
    }
}

/// The lines of a drop-in as they stand once they are not comments any more.
fn in_force(text: &str) -> String {
    let is_setting = |line: &str| {
        let key = line.split('=').next().unwrap_or_default();
        line.contains('=') && key.chars().all(|letter| letter.is_ascii_alphabetic())
    };
    let lines = text.lines().map(|line| match line.strip_prefix('#') {
        Some(setting) if is_setting(setting) => setting,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn every_drop_in_changes_nothing_as_it_comes_and_is_well_formed_without_its_comments() {
    let mut drop_ins = 0;
    for entry in fs::read_dir(systemd().join("drop-ins")).unwrap() {
        let drop_in = entry.unwrap().path();
        let text = fs::read_to_string(&drop_in).unwrap();
        let said: Vec<&str> = text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty())
            .collect();
        assert_eq!(said, ["[Service]"], "{}", drop_in.display());
        let settings = in_force(&text);
        assert_ne!(
            settings.trim_end(),
            text.trim_end(),
            "{}",
            drop_in.display()
        );
        if settings.contains("Type=notify-reload") {
            // Newer than what the tests can count on.
            continue;
        }
        let (folder, path) = copy("tenured.service");
        let beside = folder.path().join("tenured.service.d");
        fs::create_dir(&beside).unwrap();
        fs::write(beside.join(drop_in.file_name().unwrap()), settings).unwrap();
        is_well_formed(&path, "--system");
        drop_ins += 1;
    }
    assert!(drop_ins > 0);
}
