//! The verbs, one a file. Each finds its place, does its one thing, and prints.

mod add;
mod answer;
mod backup;
mod block;
mod comment;
mod complete;
mod completions;
mod config;
mod diagnose;
mod doctor;
mod drain;
mod edit;
mod events;
mod exec;
mod explain;
mod gc;
mod guard;
mod list;
mod log;
mod migrate;
mod pause;
mod promote;
mod reassign;
mod report;
mod run;
mod runs;
mod serve;
mod settle;
mod show;
mod stats;
mod submit;
mod version;
mod wait;
mod wish;

pub use runs::seconds;

use std::future::Future;
use std::process::ExitCode;

use tenure_store::person::Wish;

use crate::cli::{Cli, ConfigVerb, Verb};
use crate::failure::Failure;
use crate::verb::pause::Change;

/// Does what the command line says. The code is 0, or that of a command which ran in our place.
///
/// # Errors
/// Why it was not done, with the exit code.
pub fn run(cli: Cli) -> Result<ExitCode, Failure> {
    let global = &cli.global;
    match cli.verb {
        Verb::Guard(verb) => return guard::run(global, verb),
        Verb::Serve(args) => serve::run(global, &args),
        Verb::Run(args) => run::run(global, &args),
        Verb::Add(args) => add::run(global, *args),
        Verb::Submit(args) => block_on(submit::run(global, &args)),
        Verb::List(args) => list::run(global, args),
        Verb::Show(args) => show::run(global, &args),
        Verb::Runs(args) => block_on(runs::run(global, &args)),
        Verb::Log(args) => block_on(log::run(global, &args)),
        Verb::Events(args) => block_on(events::run(global, &args)),
        Verb::Wait(args) => block_on(wait::run(global, &args)),
        Verb::Explain(args) => block_on(explain::run(global, &args)),
        Verb::Stats(args) => block_on(stats::run(global, &args)),
        Verb::Comment(args) => comment::run(global, &args.words),
        Verb::Block(args) => block::run(global, args),
        Verb::Unblock(args) => block_on(wish::at_once(global, args, Wish::Unblock)),
        Verb::Retry(args) => block_on(wish::at_once(global, args, Wish::Retry)),
        Verb::Cancel(args) => block_on(wish::cancel(global, args)),
        Verb::Stop(args) => block_on(wish::ending(global, args, Wish::Stop)),
        Verb::Reclaim(args) => block_on(wish::ending(global, args, Wish::Reclaim)),
        Verb::Archive(args) => block_on(wish::ending(global, args, Wish::Archive)),
        Verb::Promote(args) => block_on(promote::run(global, args)),
        Verb::Reassign(args) => block_on(reassign::run(global, args)),
        Verb::Edit(args) => block_on(edit::run(global, args)),
        Verb::Pause(args) => block_on(pause::run(global, args, Change::Pause)),
        Verb::Resume(args) => block_on(pause::run(global, args, Change::Resume)),
        Verb::Drain(args) => block_on(drain::run(global, args)),
        Verb::Heartbeat(args) => report::heartbeat(global, args),
        Verb::Complete(args) => complete::run(global, args),
        Verb::Defer(args) => report::defer(global, args),
        Verb::Fail(args) => report::fail(global, args),
        Verb::Diagnose(args) => block_on(diagnose::run(global, args)),
        Verb::Doctor(args) => block_on(doctor::run(global, &args)),
        Verb::Settle(args) => settle::run(global, &args),
        Verb::Config(ConfigVerb::Show { json }) => config::show(global, json),
        Verb::Backup(args) => block_on(backup::run(global, &args)),
        Verb::Migrate(args) => block_on(migrate::run(global, &args)),
        Verb::Gc(args) => block_on(gc::run(global, &args)),
        Verb::Completions(args) => completions::run(&args),
        Verb::Version(args) => version::run(args.json),
    }
    .map(|()| ExitCode::SUCCESS)
}

/// Runs a verb that speaks to a store. One thread is enough for one verb, and for a dispatcher,
/// which waits and decides but leaves the work to processes.
///
/// # Errors
/// The verb's.
pub fn block_on<T>(verb: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::io("the runtime cannot be started", error))?
        .block_on(verb)
}
