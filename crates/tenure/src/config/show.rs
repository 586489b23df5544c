//! Prints the merged configuration, each value with the layer it came from. A password is never
//! printed.

use config::{Map, Value, ValueKind};
use tenure_store::StoreUrl;

use super::Merged;
use crate::escape;

impl Merged {
    /// As TOML, with the origin as a comment.
    pub fn to_toml(&self, store: &StoreUrl) -> String {
        let mut text = String::new();
        let mut root = table_of(&self.values);
        show_store(&mut root, store);
        for (key, value) in sorted(&root) {
            print_table(&mut text, key, value);
        }
        text
    }

    /// As JSON, without the origins.
    pub fn to_json(&self, store: &StoreUrl) -> serde_json::Value {
        let mut root = table_of(&self.values);
        show_store(&mut root, store);
        json(&Value::new(None, ValueKind::Table(root)))
    }
}

fn table_of(value: &Value) -> Map<String, Value> {
    match &value.kind {
        ValueKind::Table(table) => table.clone(),
        _ => Map::new(),
    }
}

/// The address in force, without its password.
fn show_store(root: &mut Map<String, Value>, store: &StoreUrl) {
    let said = root.get("store").map(table_of).unwrap_or_default();
    let origin = said
        .get("url")
        .and_then(Value::origin)
        .unwrap_or("built-in");
    let url = Value::new(
        Some(&origin.to_owned()),
        ValueKind::String(store.to_string()),
    );
    let table = Map::from_iter([("url".to_owned(), url)]);
    root.insert(
        "store".to_owned(),
        Value::new(None, ValueKind::Table(table)),
    );
}

fn sorted(table: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut pairs: Vec<_> = table.iter().collect();
    pairs.sort_by_key(|(key, _)| *key);
    pairs
}

/// A table as a section; tables in it are sections of their own down to the profiles, and inline
/// beneath.
fn print_table(text: &mut String, path: &str, value: &Value) {
    let ValueKind::Table(table) = &value.kind else {
        return;
    };
    let is_section = path == "profiles";
    if !is_section {
        text.push_str(&format!("[{path}]\n"));
    }
    for (key, inner) in sorted(table) {
        match (&inner.kind, is_section) {
            (ValueKind::Table(_), true) => {
                print_table(text, &format!("{path}.{}", toml_key(key)), inner)
            }
            _ => {
                let origin = origin_of(inner).unwrap_or_else(|| "built-in".to_owned());
                let origin = escape::line(&origin);
                text.push_str(&format!(
                    "{} = {}  # {origin}\n",
                    toml_key(key),
                    toml_value(inner)
                ));
            }
        }
    }
    if !is_section {
        text.push('\n');
    }
}

fn origin_of(value: &Value) -> Option<String> {
    match &value.kind {
        ValueKind::Table(table) => sorted(table)
            .into_iter()
            .find_map(|(_, inner)| origin_of(inner)),
        _ => value.origin().map(str::to_owned),
    }
}

fn toml_key(key: &str) -> String {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if !key.is_empty() && key.bytes().all(bare) {
        key.to_owned()
    } else {
        toml::Value::String(key.to_owned()).to_string()
    }
}

fn toml_value(value: &Value) -> String {
    match &value.kind {
        ValueKind::Table(table) => {
            let pairs = sorted(table).into_iter();
            let pairs: Vec<String> = pairs
                .map(|(key, inner)| format!("{} = {}", toml_key(key), toml_value(inner)))
                .collect();
            if pairs.is_empty() {
                "{}".to_owned()
            } else {
                format!("{{ {} }}", pairs.join(", "))
            }
        }
        ValueKind::Array(items) => {
            let items: Vec<String> = items.iter().map(toml_value).collect();
            format!("[{}]", items.join(", "))
        }
        ValueKind::I64(number) => number.to_string(),
        ValueKind::Boolean(truth) => truth.to_string(),
        ValueKind::Float(number) => toml::Value::Float(*number).to_string(),
        other => toml::Value::String(other.to_string()).to_string(),
    }
}

fn json(value: &Value) -> serde_json::Value {
    match &value.kind {
        ValueKind::Table(table) => sorted(table)
            .into_iter()
            .map(|(key, inner)| (key.clone(), json(inner)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        ValueKind::Array(items) => items.iter().map(json).collect(),
        ValueKind::I64(number) => (*number).into(),
        ValueKind::Boolean(truth) => (*truth).into(),
        ValueKind::Float(number) => (*number).into(),
        other => other.to_string().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::layer::Layer;
    use super::*;

    #[test]
    fn what_is_shown_is_a_configuration_again_and_holds_no_password() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tenure.toml");
        let text = "[store]\nurl = 'postgres://u:secret@h/d'\n[profiles.a]\ncommand = ['x', \"a\\u001b\"]\nenv = { 'X.Y' = '1' }";
        std::fs::write(&path, text).unwrap();
        let layers = vec![Layer::builtin().unwrap(), Layer::file(&path).unwrap()];
        let merged = Merged::of(layers).unwrap();
        let store = merged.resolve().unwrap().store.unwrap();
        let shown = merged.to_toml(&store);
        assert!(!shown.contains("secret"), "{shown}");
        assert!(!shown.contains('\x1b'), "{shown}");
        let again: toml::Table = toml::from_str(&shown).unwrap();
        assert_eq!(again["profiles"]["a"]["env"]["X.Y"].as_str(), Some("1"));
        assert_eq!(again["store"]["url"].as_str(), Some("postgres://u@h/d"));
        let line = shown
            .lines()
            .find(|line| line.starts_with("command"))
            .unwrap();
        assert!(line.ends_with("tenure.toml"), "{line}");
        assert_eq!(merged.to_json(&store)["dispatcher"]["lease"], "60s");
    }
}
