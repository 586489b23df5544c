//! A worker's environment: what the contract says, what profile and task say, what is passed on.
//! Nothing else, and never the store's address.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use tenure_guard::env;
use tenure_store::claim::Claimed;
use tenure_warden::account::Account;

use crate::settings::{Profile, Settings};

/// Where things of one run are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places<'a> {
    /// The warden's socket.
    pub(crate) socket: &'a Path,
    /// The context file.
    pub(crate) context: &'a Path,
    /// Where the worker works.
    pub(crate) workspace: &'a Path,
}

/// Builds the environment. Later layers win: passed on, the user's, profile, task, contract.
pub(crate) fn build(
    settings: &Settings,
    profile: &Profile,
    account: Option<&Account>,
    claimed: &Claimed,
    places: Places<'_>,
) -> BTreeMap<String, String> {
    let mut variables = passed_on(&settings.environment, &profile.pass_env);
    variables.extend(account.into_iter().flat_map(of_user));
    variables.extend(profile.env.clone());
    variables.extend(claimed.env.clone());
    // Whoever wrote those tables may not speak for the contract; they were refused long ago, and
    // this is the last place where it could matter.
    variables.retain(|name, _| !name.starts_with(env::PREFIX));
    let contract = [
        (env::CONTRACT, env::CONTRACT_VERSION.to_owned()),
        (env::TASK_ID, claimed.tenure.task.to_string()),
        (env::RUN_ID, claimed.tenure.run.to_string()),
        (env::CLAIM_LOCK, claimed.tenure.lock.expose().to_owned()),
        (env::SOCKET, places.socket.display().to_string()),
        (env::BIN, settings.bin.display().to_string()),
        (env::ATTEMPT, claimed.attempt.to_string()),
        (env::PROFILE, claimed.profile.clone()),
        (env::WORKSPACE, places.workspace.display().to_string()),
        (env::CONTEXT, places.context.display().to_string()),
        (env::LEASE_SECS, settings.lease.as_secs().to_string()),
    ];
    variables.extend(contract.map(|(name, value)| (name.to_owned(), value)));
    variables
}

/// Where a user is at home, and how it is called: ours would send it to our files.
fn of_user(account: &Account) -> [(String, String); 4] {
    let path = |path: &Path| path.display().to_string();
    [
        ("HOME", path(&account.home)),
        ("USER", account.name.clone()),
        ("LOGNAME", account.name.clone()),
        ("SHELL", path(&account.shell)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
}

/// The variables of ours that `patterns` name. What is not UTF-8 cannot be passed on.
pub(crate) fn passed_on(
    ours: &BTreeMap<OsString, OsString>,
    patterns: &[String],
) -> BTreeMap<String, String> {
    let named = |name: &str| {
        patterns
            .iter()
            .any(|pattern| match pattern.strip_suffix('*') {
                Some(prefix) => name.starts_with(prefix),
                None => name == pattern,
            })
    };
    ours.iter()
        .filter_map(|(name, value)| Some((name.to_str()?, value.to_str()?)))
        .filter(|(name, _)| named(name))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_pattern_names_is_passed_on() {
        let ours = ["PATH", "LC_ALL", "LC_TIME", "SECRET", "PATHS"]
            .map(|name| (OsString::from(name), OsString::from("x")))
            .into();
        let patterns = ["PATH".to_owned(), "LC_*".to_owned()];
        let passed = passed_on(&ours, &patterns);
        let names: Vec<&str> = passed.keys().map(String::as_str).collect();
        assert_eq!(names, ["LC_ALL", "LC_TIME", "PATH"]);
    }
}
