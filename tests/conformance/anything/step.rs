//! What is done at random. Numbers choose among what there is.

use proptest::prelude::*;
use tenure_guard::{BlockKind, Reason, Report};
use tenure_store::edit::Mend;
use tenure_store::life::{Ask, End, Exit, LinkKind};
use tenure_store::person::Wish;

/// One step.
#[derive(Clone, Debug)]
pub enum Step {
    Add(Addition),
    Claim { room: u32 },
    Holder { run: usize, act: Act },
    Person { task: usize, deed: Deed },
    Pause(What),
    Resume(What),
    Advance { seconds: u64 },
}

/// What a run's holder's side does, its worker included.
#[derive(Clone, Debug)]
pub enum Act {
    Start,
    Heartbeat,
    Comment,
    Report(Report),
    /// The worker's word that its task waits for another one.
    Wait {
        after: usize,
    },
    Ask(Ask),
    End(End),
}

/// What a person does to a task.
#[derive(Clone, Debug)]
pub enum Deed {
    Wish(Wish),
    CancelTree,
    Mend(Vec<Mend>),
}

/// What is paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Store,
    Profile(&'static str),
    Task(usize),
}

/// A task to add.
#[derive(Clone, Debug)]
pub struct Addition {
    pub parents: Vec<(usize, LinkKind)>,
    pub profile: Option<&'static str>,
    pub reports: bool,
    pub skilled: bool,
    /// A limit for the one key.
    pub limit: Option<u32>,
    pub later: Option<u64>,
    pub priority: i32,
}

/// The profiles: the first can do what asks for a skill, and has a cap.
pub const PROFILES: [&str; 2] = ["able", "plain"];

/// A life of so many steps, after some tasks were added.
pub fn any_life(steps: impl Into<prop::collection::SizeRange>) -> impl Strategy<Value = Vec<Step>> {
    let first = prop::collection::vec(any_addition().prop_map(Step::Add), 3..7);
    let then = prop::collection::vec(any_step(), steps);
    (first, then).prop_map(|(first, then)| [first, then].concat())
}

fn any_step() -> impl Strategy<Value = Step> {
    let task = || 0..12_usize;
    prop_oneof![
        6 => any_addition().prop_map(Step::Add),
        8 => (1..4_u32).prop_map(|room| Step::Claim { room }),
        24 => (0..8_usize, any_act()).prop_map(|(run, act)| Step::Holder { run, act }),
        15 => (task(), any_deed()).prop_map(|(task, deed)| Step::Person { task, deed }),
        2 => any_what().prop_map(Step::Pause),
        2 => any_what().prop_map(Step::Resume),
        4 => (1..40_u64).prop_map(|seconds| Step::Advance { seconds }),
    ]
}

fn any_act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => Just(Act::Start),
        1 => Just(Act::Heartbeat),
        1 => Just(Act::Comment),
        3 => any_report().prop_map(Act::Report),
        2 => (0..12_usize).prop_map(|after| Act::Wait { after }),
        2 => any_ask().prop_map(Act::Ask),
        9 => any_end().prop_map(Act::End),
    ]
}

fn any_deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        12 => any_wish().prop_map(Deed::Wish),
        1 => Just(Deed::CancelTree),
        2 => any_mends().prop_map(Deed::Mend),
    ]
}

fn any_addition() -> impl Strategy<Value = Addition> {
    let kind = prop_oneof![
        2 => Just(LinkKind::Success),
        1 => Just(LinkKind::AnyEnd),
        1 => Just(LinkKind::Failure),
    ];
    (
        prop::collection::vec((0..12_usize, kind), 0..3),
        prop::option::of(prop::sample::select(&PROFILES[..])),
        any::<bool>(),
        prop::bool::weighted(0.2),
        prop::option::weighted(0.5, 1..3_u32),
        prop::option::weighted(0.2, 1..60_u64),
        -2..3_i32,
    )
        .prop_map(
            |(parents, profile, reports, skilled, limit, later, priority)| Addition {
                parents,
                profile,
                reports,
                skilled,
                limit,
                later,
                priority,
            },
        )
}

fn any_report() -> impl Strategy<Value = Report> {
    prop_oneof![
        3 => Just(complete()),
        1 => Just(Report::Fail { reason: "no".into() }),
        1 => Just(Report::Defer { for_ms: Some(5000), reason: None }),
        2 => Just(Report::Block { kind: BlockKind::NeedsInput, reason: "which?".into() }),
    ]
}

pub fn complete() -> Report {
    Report::Complete {
        summary: None,
        metadata: None,
        artifacts: Vec::new(),
    }
}

fn any_ask() -> impl Strategy<Value = Ask> {
    prop_oneof![Just(Ask::Timeout), Just(Ask::Silence), Just(Ask::Shutdown)]
}

fn any_end() -> impl Strategy<Value = End> {
    let exited = |exit, interrupted, told: bool| End::Exited {
        exit,
        interrupted,
        stood_down: told.then_some(Reason::RunMismatch),
        tree_unverified: false,
        oom: false,
    };
    let code = prop_oneof![4 => Just(0), 3 => Just(1), 1 => Just(75), 1 => Just(79)];
    prop_oneof![
        6 => (code, prop::bool::weighted(0.1), any::<bool>())
            .prop_map(move |(code, interrupted, told)| exited(Exit::Code(code), interrupted, told)),
        1 => Just(exited(Exit::Signal(9), false, false)),
        1 => Just(exited(Exit::Unobserved, false, false)),
        1 => Just(End::NeverStarted { reason: "us".into() }),
        1 => Just(End::StoodDown { reason: Reason::MissingRunId }),
        1 => Just(End::Unseen { reason: "boot".into(), tree_unverified: false }),
        1 => Just(End::SpawnFailed { path: "/no".into(), errno: 2, message: "none".into() }),
    ]
}

fn any_wish() -> impl Strategy<Value = Wish> {
    let profile = || prop::sample::select(&PROFILES[..]).prop_map(str::to_owned);
    prop_oneof![
        1 => Just(Wish::Cancel),
        1 => Just(Wish::Stop),
        1 => Just(Wish::Reclaim),
        1 => Just(Wish::Block { kind: BlockKind::Operator }),
        3 => Just(Wish::Unblock),
        3 => Just(Wish::Retry),
        1 => Just(Wish::Complete { summary: None, metadata: None, artifacts: Vec::new() }),
        2 => any::<bool>().prop_map(|force| Wish::Promote { force }),
        1 => Just(Wish::Archive),
        2 => (profile(), any::<bool>())
            .prop_map(|(profile, reclaim)| Wish::Reassign { profile, reclaim }),
    ]
}

fn any_mends() -> impl Strategy<Value = Vec<Mend>> {
    let all = [Mend::ClearSkills, Mend::ResetFailures, Mend::ClearClaim];
    prop::sample::subsequence(all.to_vec(), 1..=3)
}

fn any_what() -> impl Strategy<Value = What> {
    prop_oneof![
        1 => Just(What::Store),
        1 => prop::sample::select(&PROFILES[..]).prop_map(What::Profile),
        2 => (0..12_usize).prop_map(What::Task),
    ]
}
