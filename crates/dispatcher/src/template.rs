//! A profile's command line with placeholders: `{task.id}` and the like.

/// One argument, in which placeholders stand for facts of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Fact(Fact),
}

/// What a placeholder can stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fact {
    TaskId,
    TaskTitle,
    TaskBody,
    RunId,
    Workspace,
    Context,
}

/// The facts of one run.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// `{task.id}`
    pub task_id: &'a str,
    /// `{task.title}`
    pub task_title: &'a str,
    /// `{task.body}`
    pub task_body: &'a str,
    /// `{run.id}`
    pub run_id: &'a str,
    /// `{workspace}`
    pub workspace: &'a str,
    /// `{context}`: the path of the context file.
    pub context: &'a str,
}

/// An argument with a placeholder that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{argument:?} has the placeholder {placeholder:?}: use {{task.id}}, {{task.title}}, {{task.body}}, {{run.id}}, {{workspace}} or {{context}}, and {{{{ for a brace"
)]
pub struct UnknownPlaceholder {
    argument: String,
    placeholder: String,
}

impl Template {
    /// Reads an argument; `{{` and `}}` stand for braces.
    ///
    /// # Errors
    /// Names the argument and the placeholder.
    pub fn parse(argument: &str) -> Result<Self, UnknownPlaceholder> {
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut rest = argument;
        while let Some(at) = rest.find(['{', '}']) {
            text.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix(brace) {
                text.push_str(brace);
                rest = after;
                continue;
            }
            let (name, after) = match rest.split_once('}') {
                Some((name, after)) if brace == "{" => (name, after),
                Some(_) | None => return unknown(argument, brace, rest),
            };
            let Some(fact) = Fact::named(name) else {
                return unknown(argument, brace, name);
            };
            parts.push(Part::Text(std::mem::take(&mut text)));
            parts.push(Part::Fact(fact));
            rest = after;
        }
        text.push_str(rest);
        parts.push(Part::Text(text));
        Ok(Self { parts })
    }

    /// The argument for one run.
    pub fn render(&self, facts: &Facts<'_>) -> String {
        self.parts
            .iter()
            .map(|part| match part {
                Part::Text(text) => text.as_str(),
                Part::Fact(fact) => fact.of(facts),
            })
            .collect()
    }
}

fn unknown(argument: &str, brace: &str, name: &str) -> Result<Template, UnknownPlaceholder> {
    Err(UnknownPlaceholder {
        argument: argument.to_owned(),
        placeholder: format!("{brace}{name}"),
    })
}

impl Fact {
    fn named(name: &str) -> Option<Self> {
        match name {
            "task.id" => Some(Self::TaskId),
            "task.title" => Some(Self::TaskTitle),
            "task.body" => Some(Self::TaskBody),
            "run.id" => Some(Self::RunId),
            "workspace" => Some(Self::Workspace),
            "context" => Some(Self::Context),
            _ => None,
        }
    }

    fn of<'a>(self, facts: &Facts<'a>) -> &'a str {
        match self {
            Self::TaskId => facts.task_id,
            Self::TaskTitle => facts.task_title,
            Self::TaskBody => facts.task_body,
            Self::RunId => facts.run_id,
            Self::Workspace => facts.workspace,
            Self::Context => facts.context,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACTS: Facts<'_> = Facts {
        task_id: "7",
        task_title: "a title",
        task_body: "do it",
        run_id: "9",
        workspace: "/w",
        context: "/c.json",
    };

    #[test]
    fn placeholders_stand_for_the_facts_of_the_run() {
        let argument = "--task={task.id}/{run.id} in {workspace} {{literally}} {context}";
        let template = Template::parse(argument).unwrap();
        assert_eq!(
            template.render(&FACTS),
            "--task=7/9 in /w {literally} /c.json"
        );
    }

    #[test]
    fn an_unknown_or_broken_placeholder_is_an_error_that_names_it() {
        for (argument, placeholder) in [
            ("{task.ID}", "{task.ID"),
            ("x{", "{"),
            ("}", "}"),
            ("{workspace", "{workspace"),
        ] {
            match Template::parse(argument) {
                Err(error) => assert_eq!(error.placeholder, placeholder),
                Ok(template) => panic!("{argument:?} was taken: {template:?}"),
            }
        }
    }
}
