//! `version`: of the program, and of the shapes that scripts rely on.

use serde::Serialize;

use crate::failure::Failure;
use crate::output;

/// The version of what `--json` prints. Fields are only added within one.
const JSON: u32 = 1;

/// `version --json`
#[derive(Serialize)]
struct Shape {
    version: &'static str,
    build: &'static str,
    json: u32,
    contract: &'static str,
    wire: u32,
    schema: i64,
    context: u32,
    explain: u32,
    diagnose: u32,
    stats: u32,
    events: u32,
}

/// Prints it.
pub fn run(json: bool) -> Result<(), Failure> {
    let shape = Shape {
        version: env!("CARGO_PKG_VERSION"),
        build: tenure_warden::build_id(),
        json: JSON,
        contract: tenure_guard::env::CONTRACT_VERSION,
        wire: tenure_guard::wire::VERSION,
        schema: tenure_store::known_schema(),
        context: tenure_store::read::Context::VERSION,
        explain: JSON,
        diagnose: JSON,
        stats: JSON,
        events: JSON,
    };
    if json {
        output::json(&shape)
    } else {
        output::line(format!("tenure {}", shape.version))
    }
}
