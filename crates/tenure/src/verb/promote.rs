//! `promote`: lets tasks start now instead of at their time, and with `--force` before their parents.

use tenure_store::person::Wish;

use crate::cli::{Global, Promote};
use crate::failure::Failure;
use crate::verb::wish::{Want, carry_out, earnest};

/// Lets them.
pub async fn run(global: &Global, args: Promote) -> Result<(), Failure> {
    let wish = Wish::Promote { force: args.force };
    let want = Want {
        earnest: earnest(args.dry_run),
        ..Want::at_once(args.act, wish)
    };
    carry_out(global, want).await
}
