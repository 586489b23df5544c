//! The README keeps its word: its first workers run as they stand there.

use std::fs;

use tenure_tests::home::{outcomes, runs};
use tenure_tests::{Home, page, program};

fn readme() -> String {
    fs::read_to_string(program::workspace().join("README.md")).unwrap()
}

/// The one block that opens so.
#[track_caller]
fn block(opening: &str) -> String {
    let found = page::blocks(&readme(), opening);
    assert_eq!(
        found.len(),
        1,
        "{opening:?} stands {} times in the README",
        found.len()
    );
    found.into_iter().next().unwrap()
}

/// Runs a worker as the README's profile does.
#[track_caller]
fn counts_words(command: &[&str]) {
    let command = toml::Value::from(command.to_vec());
    let home = Home::with(&format!(
        "[profiles.counter]\ncommand = {command}\nprotocol = 'report'\nmax_runtime = '10m'\nmax_failures = 1\nviolation_limit = 1"
    ));
    home.write("work/words.txt", "one two three\nfour five\n");
    let _dispatcher = home.serve();
    let shown = home.until(
        home.add_for("counter", &["--title", "count the words"]),
        "done",
    );
    assert_eq!(outcomes(&shown), ["completed"]);
    assert_eq!(runs(&shown)[0]["reason"], "5 words");
}

#[test]
fn the_first_worker_in_shell_counts_words() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("count-words");
    let draft = folder.path().join("draft");
    fs::write(&draft, block("```sh first-worker")).unwrap();
    program::copy(&draft, &script);
    counts_words(&[script.to_str().unwrap()]);
}

#[test]
fn the_first_worker_in_python_counts_words_in_some_twenty_lines() {
    let text = block("```python first-worker");
    assert!(text.lines().filter(|line| !line.is_empty()).count() <= 22);
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("count-words.py");
    fs::write(&script, text).unwrap();
    counts_words(&["python3", script.to_str().unwrap()]);
}

#[test]
fn the_first_worker_in_rust_is_the_one_that_is_built_here_and_counts_words() {
    let source = program::workspace().join("tests/src/bin/readme-worker.rs");
    assert_eq!(
        block("```rust first-worker"),
        fs::read_to_string(source).unwrap()
    );
    let worker = program::folder().join("readme-worker");
    counts_words(&[worker.to_str().unwrap()]);
}

#[test]
fn the_readme_names_no_file_that_is_not_there() {
    let readme = readme();
    let mut links = 0;
    for target in readme
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
    {
        links += 1;
        let exists = program::workspace().join(target).exists();
        assert!(exists, "the README links to {target}, which does not exist");
    }
    assert!(links > 0, "the README links to nothing");
}

#[test]
fn every_variable_of_the_contract_stands_in_the_readme() {
    use tenure_guard::env;
    let readme = readme();
    for name in [
        env::CONTRACT,
        env::TASK_ID,
        env::RUN_ID,
        env::CLAIM_LOCK,
        env::SOCKET,
        env::BIN,
        env::ATTEMPT,
        env::PROFILE,
        env::WORKSPACE,
        env::CONTEXT,
        env::LEASE_SECS,
        env::DEADLINE,
    ] {
        assert!(
            readme.contains(&format!("`{name}`")),
            "{name} is missing in the README"
        );
    }
}

#[test]
fn the_code_map_names_every_file() {
    let crates = program::workspace().join("crates");
    let map = fs::read_to_string(crates.join("README.md")).unwrap();
    let mut missing = Vec::new();
    for entry in fs::read_dir(&crates).unwrap() {
        let root = entry.unwrap().path();
        let Some(name) = root
            .file_name()
            .and_then(|name| name.to_str())
            .filter(|_| root.is_dir())
        else {
            continue;
        };
        // From its heading to the next one.
        let heading = format!("\n## crates/{name}:");
        let section = map.split(&heading).nth(1).unwrap_or_default();
        let section = section.split("\n## ").next().unwrap_or_default();
        for path in rust_files(&root) {
            let below = path.strip_prefix(&root).unwrap().display();
            if !section.contains(&format!("`{below}`")) {
                missing.push(format!("{name}/{below}"));
            }
        }
    }
    assert!(
        missing.is_empty(),
        "crates/README.md does not name {missing:#?}"
    );
}

fn rust_files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}
