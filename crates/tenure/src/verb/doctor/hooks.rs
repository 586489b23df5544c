//! The hooks: whether their programs are there.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tenure_dispatcher::Hooks;

use super::Finding;

const CHECK: &str = "hooks";

/// Looks for each program that a dispatcher of this configuration would run.
pub fn look(hooks: &Hooks) -> Vec<Finding> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let every = hooks.every.iter().map(|argv| ("*", argv));
    let by_kind = hooks.by_kind.iter().map(|(kind, argv)| (kind.name(), argv));
    by_kind
        .chain(every)
        .filter_map(|(kind, argv)| Some((kind, argv.first()?)))
        .map(|(kind, program)| finding(kind, program, &folders))
        .collect()
}

fn finding(kind: &str, program: &str, folders: &[PathBuf]) -> Finding {
    if is_there(program, folders) {
        return Finding::ok(CHECK, format!("{kind}: {program} is there"));
    }
    Finding::notice(
        CHECK,
        format!("{kind}: {program} is not there, or cannot be executed"),
        "it is told of none of these events, which a hook_failed event says",
        format!("name it by its whole path in [hooks] {kind:?}, or install it"),
    )
}

/// As the hook would be found: a name without a slash, in the folders of PATH.
fn is_there(program: &str, folders: &[PathBuf]) -> bool {
    if program.contains('/') {
        return is_program(&Path::new("/").join(program));
    }
    folders
        .iter()
        .any(|folder| is_program(&folder.join(program)))
}

fn is_program(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}
