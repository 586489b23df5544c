//! Durations as people write them: `90s`, `1h30m`. A bare number is refused, since it has no unit.

use std::fmt;
use std::time::Duration;

use jiff::SignedDuration;
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serializer};

/// A text that is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no duration: a number with its unit is expected, like 90s, 5m or 1h30m")]
pub struct InvalidDuration(String);

/// Reads a duration; zero is one, a negative number or a bare one is not.
///
/// # Errors
/// Shows the text and how a duration looks.
pub fn parse(text: &str) -> Result<Duration, InvalidDuration> {
    text.parse::<SignedDuration>()
        .ok()
        .and_then(|signed| Duration::try_from(signed).ok())
        .ok_or_else(|| InvalidDuration(text.to_owned()))
}

/// Writes a duration so that [`parse`] reads it back.
pub fn format(duration: Duration) -> String {
    SignedDuration::try_from(duration).map_or_else(
        |_| format!("{}s", duration.as_secs()),
        |signed| format!("{signed:#}").replace(' ', ""),
    )
}

/// For `#[serde(with = "duration")]`.
///
/// # Errors
/// The serializer's own.
pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format(*duration))
}

/// For `#[serde(with = "duration")]`.
///
/// # Errors
/// When the value is no text, or the text is no duration.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    deserializer.deserialize_str(Written)
}

/// Reads a duration from its text.
struct Written;

impl Visitor<'_> for Written {
    type Value = Duration;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a duration with its unit, like \"90s\", \"5m\" or \"1h30m\"")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Duration, E> {
        parse(text).map_err(E::custom)
    }
}

/// For `#[serde(with = "duration::optional")]`.
pub mod optional {
    use super::{Deserialize, Deserializer, Duration, Serializer};

    /// As [`super::serialize`].
    ///
    /// # Errors
    /// The serializer's own.
    pub fn serialize<S: Serializer>(
        duration: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => super::serialize(duration, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// As [`super::deserialize`].
    ///
    /// # Errors
    /// When the value is no text, or the text is no duration.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        /// A duration as the serializer of this format takes it.
        #[derive(Deserialize)]
        struct Some(#[serde(with = "super")] Duration);

        let read = Option::<Some>::deserialize(deserializer)?;
        Ok(read.map(|Some(duration)| duration))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        assert_eq!(parse("90s").unwrap(), Duration::from_secs(90));
        assert_eq!(parse("1h30m").unwrap(), Duration::from_mins(90));
        assert_eq!(parse("10ms").unwrap(), Duration::from_millis(10));
        for wrong in ["", "90", "-5s", "5 parsecs"] {
            assert!(parse(wrong).is_err(), "{wrong:?} was taken for a duration");
        }
    }

    #[test]
    fn a_duration_reads_back_as_it_is_written() {
        for millis in [0, 1, 999, 1000, 90_000, 5_400_000, 86_400_001] {
            let duration = Duration::from_millis(millis);
            assert_eq!(
                parse(&format(duration)).unwrap(),
                duration,
                "{}",
                format(duration)
            );
        }
    }
}
