//! `[hooks]`: which programs are told of which events.

use std::collections::BTreeMap;

use tenure_dispatcher::Hooks;
use tenure_store::event::EventKind;

/// What stands for every kind of event.
const EVERY: &str = "*";

/// Whether this can be a hook; else what is wrong with it.
pub fn check(kind: &str, argv: &[String]) -> Result<(), String> {
    if kind != EVERY {
        let kind: EventKind =
            kind.parse()
                .map_err(|error: tenure_store::life::word::UnknownWord| {
                    format!("{error}, or \"{EVERY}\" for each of them")
                })?;
        if kind == EventKind::HookFailed {
            return Err("no hook is told that one failed, which would fail for ever: leave it out, and see `tenure events --kind hook_failed`".to_owned());
        }
    }
    match argv.first() {
        Some(program) if !program.is_empty() => {}
        Some(_) | None => return Err("the command is empty: name a program".to_owned()),
    }
    match argv.iter().find(|argument| argument.contains('\0')) {
        Some(argument) => Err(format!(
            "{argument:?} holds a NUL byte, which no argument can"
        )),
        None => Ok(()),
    }
}

/// The hooks of a configuration that was checked.
pub fn resolve(said: &BTreeMap<String, Vec<String>>, pass_env: &[&str]) -> Hooks {
    let by_kind = said
        .iter()
        .filter_map(|(kind, argv)| Some((kind.parse().ok()?, argv.clone())));
    Hooks {
        by_kind: by_kind.collect(),
        every: said.get(EVERY).cloned(),
        pass_env: pass_env.iter().map(ToString::to_string).collect(),
    }
}
