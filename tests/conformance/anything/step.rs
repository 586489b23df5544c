//! What is done at random. Numbers choose among what there is.

use proptest::prelude::*;
use tenure_guard::{BlockKind, Reason, Report};
use tenure_store::edit::Mend;
use tenure_store::life::{Ask, CatchUp, End, Exit, LinkKind, Overlap};
use tenure_store::person::Wish;

/// One step.
#[derive(Clone, Debug)]
pub enum Step {
    Add(Addition),
    Claim {
        by: Hands,
        room: u32,
    },
    /// What a dispatcher sees of the runs in other hands.
    Look {
        by: Hands,
    },
    /// It takes one of those that anybody ever saw.
    Adopt {
        by: Hands,
        seen: usize,
    },
    /// It takes back what other hosts left unrenewed.
    TakeBack {
        by: Hands,
    },
    Holder {
        run: usize,
        act: Act,
    },
    Person {
        task: usize,
        deed: Deed,
    },
    Pause(What),
    Resume(What),
    Advance {
        seconds: u64,
    },
    /// So many milliseconds after the end of the last lease.
    Lapse {
        late: i64,
    },
}

/// Which of the dispatchers.
pub type Hands = usize;

/// What a run's holder's side does, its worker included.
#[derive(Clone, Debug)]
pub enum Act {
    Start,
    Renew,
    Check,
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
    pub series: Option<Series>,
}

/// A task that recurs.
#[derive(Clone, Copy, Debug)]
pub struct Series {
    /// In seconds.
    pub every: u64,
    pub overlap: Overlap,
    pub catch_up: CatchUp,
}

/// The profiles: the first can do what asks for a skill, and has a cap.
pub const PROFILES: [&str; 2] = ["able", "plain"];

/// How many dispatchers there are: each on a host of its own where hosts share a store.
pub const DISPATCHERS: usize = 2;

/// Numbers of tasks; those of series make many.
const TASKS: usize = 18;

/// A life of so many steps, after some tasks were added.
pub fn any_life(steps: impl Into<prop::collection::SizeRange>) -> impl Strategy<Value = Vec<Step>> {
    let first = prop::collection::vec(any_addition().prop_map(Step::Add), 3..7);
    let one = prop_oneof![
        20 => any_step().prop_map(|step| vec![step]),
        1 => any_lapse(),
    ];
    let then = prop::collection::vec(one, steps);
    (first, then).prop_map(|(first, then)| [first, then.concat()].concat())
}

/// Time stands where leases end or have just ended, and somebody acts on that.
fn any_lapse() -> impl Strategy<Value = Vec<Step>> {
    let late = prop::sample::select(&[-1, 0, 1, 1999, 2000, 2001][..]);
    let act = prop_oneof![
        3 => Just(Act::Check),
        1 => Just(Act::Start),
        1 => Just(Act::Renew),
        1 => any_report().prop_map(Act::Report),
    ];
    let then = prop_oneof![
        2 => (0..DISPATCHERS).prop_map(|by| Step::TakeBack { by }),
        3 => (0..8_usize, act).prop_map(|(run, act)| Step::Holder { run, act }),
    ];
    let then = prop::collection::vec(then, 1..5);
    (late, then).prop_map(|(late, then)| [vec![Step::Lapse { late }], then].concat())
}

fn any_step() -> impl Strategy<Value = Step> {
    let task = || 0..TASKS;
    let by = || 0..DISPATCHERS;
    prop_oneof![
        6 => any_addition().prop_map(Step::Add),
        9 => (by(), 1..4_u32).prop_map(|(by, room)| Step::Claim { by, room }),
        1 => by().prop_map(|by| Step::Look { by }),
        1 => (by(), 0..6_usize).prop_map(|(by, seen)| Step::Adopt { by, seen }),
        2 => by().prop_map(|by| Step::TakeBack { by }),
        24 => (0..8_usize, any_act()).prop_map(|(run, act)| Step::Holder { run, act }),
        15 => (task(), any_deed()).prop_map(|(task, deed)| Step::Person { task, deed }),
        2 => any_what().prop_map(Step::Pause),
        2 => any_what().prop_map(Step::Resume),
        5 => (1..40_u64).prop_map(|seconds| Step::Advance { seconds }),
    ]
}

fn any_act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => Just(Act::Start),
        2 => Just(Act::Renew),
        2 => Just(Act::Check),
        1 => Just(Act::Heartbeat),
        1 => Just(Act::Comment),
        3 => any_report().prop_map(Act::Report),
        2 => (0..TASKS).prop_map(|after| Act::Wait { after }),
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
        prop::collection::vec((0..TASKS, kind), 0..3),
        prop::option::of(prop::sample::select(&PROFILES[..])),
        any::<bool>(),
        prop::bool::weighted(0.2),
        prop::option::weighted(0.5, 1..3_u32),
        prop::option::weighted(0.2, 1..60_u64),
        -2..3_i32,
        prop::option::weighted(0.2, any_series()),
    )
        .prop_map(
            |(parents, profile, reports, skilled, limit, later, priority, series)| Addition {
                parents,
                profile,
                reports,
                skilled,
                limit,
                later,
                priority,
                series,
            },
        )
}

fn any_series() -> impl Strategy<Value = Series> {
    let overlap = [Overlap::Skip, Overlap::Queue, Overlap::Replace];
    let catch_up = [CatchUp::Skip, CatchUp::One, CatchUp::All];
    (
        prop::sample::select(&[15, 40, 90][..]),
        prop::sample::select(overlap.to_vec()),
        prop::sample::select(catch_up.to_vec()),
    )
        .prop_map(|(every, overlap, catch_up)| Series {
            every,
            overlap,
            catch_up,
        })
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
        core: None,
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
        2 => (0..TASKS).prop_map(What::Task),
    ]
}
