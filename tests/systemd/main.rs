//! The units, run by a real systemd and judged by its own tools. Where the machine cannot do that the
//! tests say so loudly, and fail with `TENURE_TEST_SYSTEMD=require`.

#![expect(
    clippy::unwrap_used,
    reason = "a test that unwraps fails with the line it happened in"
)]

mod credential;
mod machine;
mod service;
mod units;
mod user;
