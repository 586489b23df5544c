//! One macro: an enum whose variants are words that the store, the wire and the logs write alike.

/// Declares an enum with `ALL`, `name()`, `Display`, `FromStr` and serde by the given words.
macro_rules! words {
    (
        $(#[$meta:meta])* $vis:vis enum $name:ident as $what:literal {
            $( $(#[$variant_meta:meta])* $variant:ident = $word:literal, )+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[derive(serde::Serialize, serde::Deserialize)]
        $vis enum $name {
            $( $(#[$variant_meta])* #[serde(rename = $word)] $variant, )+
        }

        impl $name {
            /// Every one of them, in the order of the declaration.
            pub const ALL: &'static [Self] = &[$( Self::$variant ),+];

            /// The word for it, as the store, the wire and the logs write it.
            pub const fn name(self) -> &'static str {
                match self { $( Self::$variant => $word ),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::life::word::UnknownWord;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $( $word => Ok(Self::$variant), )+
                    unknown => Err($crate::life::word::UnknownWord {
                        what: $what,
                        value: unknown.to_owned(),
                        known: &[$( $word ),+],
                    }),
                }
            }
        }
    };
}

pub(crate) use words;

/// A word that is none of the known ones.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is no {what}: one of {} is expected", known.join(", "))]
pub struct UnknownWord {
    /// What it should have been.
    pub what: &'static str,
    /// What it was.
    pub value: String,
    /// What is known.
    pub known: &'static [&'static str],
}
