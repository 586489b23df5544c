//! Prints the merged configuration, each value with the layer it came from. A password is never
//! printed.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use config::{Map, Value, ValueKind};
use tenure_store::StoreUrl;

use super::Merged;
use crate::escape;

impl Merged {
    /// As TOML, with the origin as a comment.
    pub fn to_toml(&self, store: &StoreUrl) -> String {
        let mut text = String::new();
        for (section, value) in sections(&self.shown(store)) {
            // Writing to a string cannot fail; so below.
            let _ = writeln!(text, "[{section}]");
            for (key, inner) in entries(&value) {
                let origin = origin_of(inner).unwrap_or_else(|| super::layer::BUILT_IN.to_owned());
                let (key, origin) = (toml_key(key), escape::line(&origin));
                let _ = writeln!(text, "{key} = {}  # {origin}", plain(inner));
            }
            text.push('\n');
        }
        text
    }

    /// Every value by its key in full, for comparing.
    pub fn flat(&self) -> BTreeMap<String, String> {
        let mut flat = BTreeMap::new();
        flatten("", &self.values, &mut flat);
        flat
    }

    /// As JSON, without the origins.
    ///
    /// # Errors
    /// The serializer's, which a configuration does not provoke.
    pub fn to_json(&self, store: &StoreUrl) -> Result<serde_json::Value, serde_json::Error> {
        serde_json::to_value(plain(&self.shown(store)))
    }

    /// The values with the address in force, which has no password here.
    fn shown(&self, store: &StoreUrl) -> Value {
        let mut shown = self.values.clone();
        let origin = self.origin_of("store.url");
        let url = ValueKind::String(store.to_string());
        let url = Value::new(origin.as_ref(), url);
        if let ValueKind::Table(root) = &mut shown.kind {
            let store = root.entry("store".to_owned());
            let store = store.or_insert_with(|| Value::new(None, ValueKind::Table(Map::new())));
            if let ValueKind::Table(store) = &mut store.kind {
                store.insert("url".to_owned(), url);
            }
        }
        shown
    }
}

fn flatten(key: &str, value: &Value, flat: &mut BTreeMap<String, String>) {
    if !matches!(value.kind, ValueKind::Table(_)) {
        flat.insert(key.to_owned(), plain(value).to_string());
    }
    for (inner, value) in entries(value) {
        let inner = toml_key(inner);
        let key = if key.is_empty() {
            inner
        } else {
            format!("{key}.{inner}")
        };
        flatten(&key, value, flat);
    }
}

/// The tables that are written as sections: the top ones, and each profile.
fn sections(root: &Value) -> Vec<(String, Value)> {
    let mut sections = Vec::new();
    for (name, value) in entries(root) {
        if name == "profiles" {
            for (profile, value) in entries(value) {
                sections.push((format!("profiles.{}", toml_key(profile)), value.clone()));
            }
        } else {
            sections.push((toml_key(name), value.clone()));
        }
    }
    sections
}

/// What a table holds, sorted; nothing where it is none.
fn entries(value: &Value) -> Vec<(&String, &Value)> {
    let ValueKind::Table(table) = &value.kind else {
        return Vec::new();
    };
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| *key);
    entries
}

/// Where a value came from; of a table, where one of its values did.
pub fn origin_of(value: &Value) -> Option<String> {
    let mut inner = entries(value).into_iter().map(|(_, inner)| inner);
    let own = value.origin().map(str::to_owned);
    own.or_else(|| inner.find_map(origin_of))
}

fn toml_key(key: &str) -> String {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if !key.is_empty() && key.bytes().all(bare) {
        key.to_owned()
    } else {
        toml::Value::String(key.to_owned()).to_string()
    }
}

/// The value alone. A file has no other kinds of numbers than the two that TOML has.
fn plain(value: &Value) -> toml::Value {
    match &value.kind {
        ValueKind::Table(_) => {
            let pairs = entries(value).into_iter();
            let pairs = pairs.map(|(key, inner)| (key.clone(), plain(inner)));
            toml::Value::Table(pairs.collect())
        }
        ValueKind::Array(items) => toml::Value::Array(items.iter().map(plain).collect()),
        ValueKind::I64(number) => (*number).into(),
        ValueKind::Float(number) => (*number).into(),
        ValueKind::Boolean(truth) => (*truth).into(),
        ValueKind::String(text) => text.clone().into(),
        ValueKind::Nil | ValueKind::I128(_) | ValueKind::U64(_) | ValueKind::U128(_) => {
            value.to_string().into()
        }
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
        assert_eq!(
            merged.to_json(&store).unwrap()["dispatcher"]["lease"],
            "60s"
        );
    }
}
