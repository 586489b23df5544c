//! The programs: whether a warden of this build lies beside this one.

use super::Finding;
use crate::failure::Failure;
use crate::settings::{own_program, warden_program};

const CHECK: &str = "warden";

/// Looks at what a dispatcher would start.
pub fn look() -> Result<Finding, Failure> {
    let own = own_program()?;
    let warden = warden_program(&own);
    Ok(if warden.path == own {
        Finding::notice(
            CHECK,
            format!(
                "no tenure-warden of this build lies beside {}",
                own.display()
            ),
            "each run starts the whole program as its warden, which is slower and larger",
            "install both from one build: `cargo install --path crates/tenure`",
        )
    } else {
        Finding::ok(CHECK, format!("{} is of this build", warden.path.display()))
    })
}
