//! The folders and files that are Tenure's: whose they are, and who else may look.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

use super::Finding;
use crate::cli::Global;
use crate::config::Config;
use crate::place::Place;

/// Looks at the state folder and at each configuration file.
pub fn look(global: &Global, place: &Place) -> Vec<Finding> {
    let mut findings = vec![state()];
    let files = [
        Some(PathBuf::from("/etc/tenure/tenure.toml")),
        crate::folders::user_config(),
        global.config.clone(),
    ];
    let secret = secret_origin(global, place);
    for file in files.into_iter().flatten() {
        let holds_secret = secret.as_deref() == file.to_str();
        findings.extend(config(&file, holds_secret));
    }
    findings
}

/// The layer that names the store, where it names a password too.
fn secret_origin(global: &Global, place: &Place) -> Option<String> {
    let has_password = place.url.holds_password() && place.config.password_file.is_none();
    let merged = Config::merge(&global.flags()).ok()?;
    merged.origin_of("store.url").filter(|_| has_password)
}

fn state() -> Finding {
    let check = "state";
    let state = match crate::folders::state() {
        Ok(state) => state,
        Err(failure) => {
            return Finding::problem(
                check,
                failure.message(),
                "no run can have a folder",
                "as the message says",
            );
        }
    };
    let shown = state.display();
    let Ok(folder) = std::fs::metadata(&state) else {
        return Finding::ok(check, format!("{shown} is not there yet"));
    };
    let mode = folder.mode() & 0o777;
    if folder.uid() != geteuid().as_raw() && !geteuid().is_root() {
        Finding::problem(
            check,
            format!(
                "{shown} belongs to user {}, this is {}",
                folder.uid(),
                geteuid()
            ),
            "nothing can be written there",
            "be that user, or set STATE_DIRECTORY to a folder of your own",
        )
    } else if mode & 0o077 != 0 {
        Finding::notice(
            check,
            format!("{shown} has mode {mode:o}"),
            "others on this machine can see which runs there are",
            format!("chmod 700 {shown}"),
        )
    } else {
        Finding::ok(check, format!("{shown}, for its owner alone"))
    }
}

fn config(file: &Path, holds_secret: bool) -> Option<Finding> {
    let check = "config";
    let mode = std::fs::metadata(file).ok()?.mode() & 0o777;
    let shown = file.display();
    Some(if mode & 0o022 != 0 {
        Finding::problem(
            check,
            format!("{shown} may be written by others (mode {mode:o})"),
            "whoever writes it has commands run as this user",
            format!("chmod go-w {shown}"),
        )
    } else if holds_secret && mode & 0o044 != 0 {
        Finding::notice(
            check,
            format!("{shown} holds the store's password and may be read by others (mode {mode:o})"),
            "others on this machine can open the store",
            format!("chmod 600 {shown}, or the credential store-url"),
        )
    } else {
        Finding::ok(check, format!("{shown}"))
    })
}
