//! What is wrong with a task file, said with the file, the task and the value. What makes sense is
//! decided by [`super`].

use std::path::Path;

/// What is wrong with a file.
pub(super) enum Problem {
    /// It is not in the form of a task file.
    Form(toml::de::Error),
    /// It is, but makes no sense.
    Sense(String),
}

impl From<String> for Problem {
    fn from(sense: String) -> Self {
        Self::Sense(sense)
    }
}

impl Problem {
    pub(super) fn of_file(&self, path: &Path, text: &str) -> String {
        match self {
            Self::Form(error) => {
                let located = crate::config::located(&path.display().to_string(), text, error);
                match task_before(text, error) {
                    Some(task) => format!("{located} (in {task})"),
                    None => located,
                }
            }
            Self::Sense(sense) => format!("{}: {sense}", path.display()),
        }
    }
}

/// Which task the place of an error belongs to: the one whose header stands last before it.
fn task_before(text: &str, error: &toml::de::Error) -> Option<String> {
    let before = text.get(..error.span()?.end)?;
    let is_header = |line: &&str| line.trim_start().starts_with("[[task]]");
    let headers = before.lines().filter(is_header).count();
    let since = text
        .lines()
        .enumerate()
        .filter(|(_, line)| is_header(line))
        .nth(headers.checked_sub(1)?)?;
    let name = text
        .lines()
        .skip(since.0 + 1)
        .take_while(|line| !line.trim_start().starts_with('['));
    let name = name
        .filter_map(|line| line.split_once('='))
        .find(|(key, _)| key.trim() == "name");
    let name = name.map(|(_, value)| value.trim().trim_matches(['"', '\'']));
    Some(label(headers - 1, name))
}

/// How a task is called: by its name, or by its place in the file.
pub(super) fn label(index: usize, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("task {name:?}"),
        None => format!("task number {}", index + 1),
    }
}
