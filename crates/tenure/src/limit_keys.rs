//! The keys of `[defaults]` inside another table. Serde's `flatten` does not go together with
//! `deny_unknown_fields`, so one macro writes the fields out; the compiler holds the list and
//! [`tenure_store::life::LimitsLayer`] together.

/// Declares a table of a file that has the given keys and those of `[defaults]`; unknown ones are
/// errors. `take_limits` takes the limits out.
macro_rules! with_limit_keys {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident {
            $( $(#[$field_meta:meta])* $field_vis:vis $field:ident : $type:ty, )*
        }
    ) => {
        $(#[$meta])*
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        $vis struct $name {
            $( $(#[$field_meta])* #[serde(default)] $field_vis $field: $type, )*
            protocol: Option<tenure_store::life::Protocol>,
            max_failures: Option<u32>,
            violation_limit: Option<u32>,
            max_defers: Option<u32>,
            #[serde(with = "tenure_store::duration::optional", default)]
            defer_for: Option<std::time::Duration>,
            max_benign: Option<u32>,
            max_lost: Option<u32>,
            max_blocks: Option<u32>,
            backoff: Option<tenure_store::life::Backoff>,
            backoff_by: Option<tenure_store::life::BackoffBy>,
            on_exit: Option<tenure_store::life::OnExit>,
            #[serde(with = "tenure_store::duration::optional", default)]
            max_runtime: Option<std::time::Duration>,
            #[serde(with = "tenure_store::duration::optional", default)]
            heartbeat_timeout: Option<std::time::Duration>,
            tempfail_exit: Option<tenure_store::life::TempfailExit>,
        }

        impl $name {
            /// What this table says about limits.
            fn limits(&self) -> tenure_store::life::LimitsLayer {
                tenure_store::life::LimitsLayer {
                    protocol: self.protocol,
                    max_failures: self.max_failures,
                    violation_limit: self.violation_limit,
                    max_defers: self.max_defers,
                    defer_for: self.defer_for,
                    max_benign: self.max_benign,
                    max_lost: self.max_lost,
                    max_blocks: self.max_blocks,
                    backoff: self.backoff,
                    backoff_by: self.backoff_by.clone(),
                    on_exit: self.on_exit.clone(),
                    max_runtime: self.max_runtime,
                    heartbeat_timeout: self.heartbeat_timeout,
                    tempfail_exit: self.tempfail_exit,
                }
            }
        }
    };
}

pub(crate) use with_limit_keys;
