//! Holds the tables and the pure core together: random operations on a real store, beside a model
//! that is made of `life` alone; after every step the rows must say what the model says, and the
//! invariants must hold by SQL.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tenure_guard::{BlockKind, Reason, Report, TaskId, Tenure};
use tenure_store::Error;
use tenure_store::claim::Claimed;
use tenure_store::life::{
    Ask, Asked, Awaited, Backoff, End, Ending, Evidence, Exit, ExitKey, ExitRule, Limits,
    LimitsLayer, LinkKind, Move, Next, OnExit, Protocol, Rest, Streaks, TaskEnd, TaskStatus, Told,
    classify,
};
use tenure_store::person::{Granted, Wish};
use tenure_store::task::{NewTask, Parent};

use crate::world::{LEASE, World, on_both, report_id, task};

/// What is done at random. Numbers choose among what there is.
#[derive(Clone, Debug)]
enum Step {
    Add {
        parents: Vec<(usize, LinkKind)>,
        reports: bool,
    },
    Claim {
        room: u32,
    },
    Start {
        run: usize,
    },
    Report {
        run: usize,
        report: Report,
    },
    Wait {
        run: usize,
        after: usize,
    },
    AskAsHolder {
        run: usize,
        ask: Ask,
    },
    Wish {
        task: usize,
        wish: Wish,
    },
    End {
        run: usize,
        end: End,
    },
    Advance {
        seconds: u64,
    },
}

fn any_report() -> impl Strategy<Value = Report> {
    prop_oneof![
        3 => Just(Report::Complete { summary: None, metadata: None, artifacts: Vec::new() }),
        1 => Just(Report::Fail { reason: "no".into() }),
        1 => Just(Report::Defer { for_ms: Some(5000), reason: None }),
        1 => Just(Report::Block { kind: BlockKind::NeedsInput, reason: "which?".into() }),
    ]
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
    // For 2 to 4 there are rules.
    let code = prop_oneof![4 => Just(0), 2 => Just(1), 1 => Just(75), 1 => Just(79), 1 => 2..5];
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

fn any_step() -> impl Strategy<Value = Step> {
    let wish = prop_oneof![
        1 => Just(Wish::Cancel),
        1 => Just(Wish::Stop),
        1 => Just(Wish::Reclaim),
        1 => Just(Wish::Block { kind: BlockKind::Operator }),
        2 => Just(Wish::Unblock),
        2 => Just(Wish::Retry),
    ];
    let ask = prop_oneof![Just(Ask::Timeout), Just(Ask::Silence), Just(Ask::Shutdown)];
    let kind = prop_oneof![
        2 => Just(LinkKind::Success),
        1 => Just(LinkKind::AnyEnd),
        1 => Just(LinkKind::Failure),
    ];
    let run = 0..8_usize;
    prop_oneof![
        3 => (prop::collection::vec((0..8_usize, kind), 0..3), any::<bool>())
            .prop_map(|(parents, reports)| Step::Add { parents, reports }),
        4 => (1..4_u32).prop_map(|room| Step::Claim { room }),
        4 => run.clone().prop_map(|run| Step::Start { run }),
        2 => (run.clone(), any_report()).prop_map(|(run, report)| Step::Report { run, report }),
        1 => (run.clone(), 0..8_usize).prop_map(|(run, after)| Step::Wait { run, after }),
        1 => (run.clone(), ask).prop_map(|(run, ask)| Step::AskAsHolder { run, ask }),
        2 => (0..8_usize, wish).prop_map(|(task, wish)| Step::Wish { task, wish }),
        6 => (run, any_end()).prop_map(|(run, end)| Step::End { run, end }),
        2 => (1..30_u64).prop_map(|seconds| Step::Advance { seconds }),
    ]
}

/// A task as the pure core sees it.
#[derive(Clone, Debug)]
struct ModelTask {
    status: TaskStatus,
    block: Option<BlockKind>,
    /// Its parents, how it waits for each, and whether the link was met.
    links: BTreeMap<TaskId, (LinkKind, bool)>,
    streaks: Streaks,
    /// Later than this it is not scheduled for; the store's jitter is taken over after an end.
    not_before: Option<i64>,
    /// From when its place in the order counts: since it was added, or begun anew after it was over.
    queued_at: i64,
    attempts: u32,
}

/// A run as the pure core sees it.
#[derive(Clone, Debug)]
struct ModelRun {
    tenure: Tenure,
    limits: Limits,
    started: bool,
    lease_until: i64,
    ask: Option<Ask>,
    block: Option<BlockKind>,
    report: Option<Report>,
    open: bool,
}

#[derive(Default)]
struct Model {
    now: i64,
    tasks: BTreeMap<TaskId, ModelTask>,
    runs: Vec<ModelRun>,
    reports: usize,
}

fn limits(reports: bool) -> LimitsLayer {
    let rules = [
        (ExitKey::Code(2), ExitRule::Block(BlockKind::Capability)),
        (ExitKey::Code(3), ExitRule::GiveUp),
        (ExitKey::Code(4), ExitRule::Defer(None)),
    ];
    LimitsLayer {
        protocol: reports.then_some(Protocol::Report),
        max_failures: Some(2),
        violation_limit: Some(2),
        max_defers: Some(2),
        max_benign: Some(2),
        max_lost: Some(2),
        max_blocks: Some(2),
        on_exit: Some(OnExit(rules.into())),
        defer_for: Some(Duration::from_secs(7)),
        backoff: Some(Backoff {
            base: Duration::from_secs(4),
            max: Duration::from_secs(9),
        }),
        ..LimitsLayer::default()
    }
}

impl Model {
    fn rest(&self, id: TaskId) -> Rest {
        let not_before = self.tasks[&id].not_before;
        Rest {
            waits_for_parents: self.waits_beside(id, &[]),
            waits_for_time: not_before.is_some_and(|time| time > self.now),
        }
    }

    /// Whether a task waits for a parent besides these.
    fn waits_beside(&self, id: TaskId, these: &[TaskId]) -> bool {
        let mut links = self.tasks[&id].links.iter();
        links.any(|(parent, (_, met))| !met && !these.contains(parent))
    }

    /// The parents whose failure a task waits for, and that will not fail any more.
    fn vain_parents(&self, id: TaskId) -> Vec<TaskId> {
        let links = self.tasks[&id].links.iter();
        let vain = links.filter(|(parent, (kind, met))| {
            !met && *kind == LinkKind::Failure && self.tasks[parent].status.is_finished()
        });
        vain.map(|(parent, _)| *parent).collect()
    }

    fn id(&self, place: usize) -> Option<TaskId> {
        let count = self.tasks.len();
        (count > 0).then(|| *self.tasks.keys().nth(place % count).unwrap())
    }

    async fn apply(&mut self, world: &World, step: Step) {
        match step {
            Step::Add { parents, reports } => self.add(world, &parents, reports).await,
            Step::Claim { room } => self.claim(world, room).await,
            Step::Advance { seconds } => {
                world.clock.advance(Duration::from_secs(seconds));
                self.now = world.now();
            }
            Step::Wish { task, wish } => {
                if let Some(id) = self.id(task) {
                    self.wish(world, id, wish).await;
                }
            }
            Step::Start { run } => {
                if let Some(place) = self.place(run) {
                    self.start(world, place).await;
                }
            }
            Step::Report { run, report } => {
                if let Some(place) = self.place(run) {
                    self.report(world, place, report).await;
                }
            }
            Step::Wait { run, after } => {
                if let (Some(place), Some(after)) = (self.place(run), self.id(after)) {
                    let reason = None;
                    self.report(world, place, Report::Wait { after, reason })
                        .await;
                }
            }
            Step::AskAsHolder { run, ask } => {
                if let Some(place) = self.place(run) {
                    self.ask_as_holder(world, place, ask).await;
                }
            }
            Step::End { run, end } => {
                if let Some(place) = self.place(run) {
                    self.end(world, place, end).await;
                }
            }
        }
    }

    /// One of the newest runs, open or closed.
    fn place(&self, run: usize) -> Option<usize> {
        let count = self.runs.len();
        (count > 0).then(|| count - 1 - run % count.min(8))
    }

    async fn add(&mut self, world: &World, parents: &[(usize, LinkKind)], reports: bool) {
        let mut links = BTreeMap::new();
        for (place, kind) in parents {
            if let Some(id) = self.id(*place) {
                links.insert(id, *kind);
            }
        }
        let of_kind = |wanted| {
            let parents = links.iter().filter(|(_, kind)| **kind == wanted);
            parents.map(|(id, _)| Parent::Task(*id)).collect()
        };
        let new = NewTask {
            after: of_kind(LinkKind::Success),
            after_any_end: of_kind(LinkKind::AnyEnd),
            after_failure: of_kind(LinkKind::Failure),
            limits: limits(reports),
            ..task()
        };
        let told = |(id, kind): (&TaskId, &LinkKind)| {
            let end = TaskEnd::of(self.tasks[id].status, self.tasks[id].block);
            end.map(|end| kind.told(end))
        };
        let is_needed = !links.iter().any(|link| told(link) == Some(Told::NotNeeded));
        let links = links
            .iter()
            .map(|link| (*link.0, (*link.1, told(link) == Some(Told::Met))))
            .collect();
        let added = match world.store.add(new).await {
            Ok(added) if is_needed => added.id,
            Err(Error::Refused { .. }) if !is_needed => return,
            other => panic!("add after {links:?}: {other:?}"),
        };
        let model = ModelTask {
            status: TaskStatus::Ready,
            block: None,
            links,
            streaks: Streaks::default(),
            not_before: None,
            queued_at: self.now,
            attempts: 0,
        };
        self.tasks.insert(added, model);
        let status = self.rest(added).status();
        self.tasks.get_mut(&added).unwrap().status = status;
    }

    fn promote(&mut self) {
        let due: Vec<TaskId> = self
            .tasks
            .iter()
            .filter(|(id, task)| {
                task.status == TaskStatus::Scheduled && !self.rest(**id).waits_for_time
            })
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            let status = TaskStatus::Scheduled
                .after(Move::Due, self.rest(id))
                .unwrap();
            self.tasks.get_mut(&id).unwrap().status = status;
        }
    }

    async fn claim(&mut self, world: &World, room: u32) {
        self.promote();
        let ready = self.tasks.iter();
        let mut expected: Vec<TaskId> = ready
            .filter(|(_, task)| task.status == TaskStatus::Ready)
            .map(|(id, _)| *id)
            .collect();
        expected.sort_by_key(|id| (self.tasks[id].queued_at, *id));
        expected.truncate(room as usize);
        let claims = world.store.claim(world.wanted(room)).await.unwrap();
        let found: Vec<TaskId> = claims
            .claimed
            .iter()
            .map(|claim| claim.tenure.task)
            .collect();
        assert_eq!(found, expected, "claimed");
        for claimed in claims.claimed {
            let Claimed {
                tenure,
                attempt,
                limits,
                ..
            } = claimed;
            let task = self.tasks.get_mut(&tenure.task).unwrap();
            task.attempts += 1;
            assert_eq!(attempt, task.attempts);
            let rest = Rest {
                waits_for_parents: false,
                waits_for_time: false,
            };
            task.status = task.status.after(Move::Claimed, rest).unwrap();
            self.runs.push(ModelRun {
                tenure,
                limits,
                started: false,
                lease_until: self.now + i64::try_from(LEASE.as_millis()).unwrap(),
                ask: None,
                block: None,
                report: None,
                open: true,
            });
        }
    }

    async fn start(&mut self, world: &World, place: usize) {
        let run = &self.runs[place];
        let legal = run.open && (run.started || run.ask.is_none() && run.lease_until > self.now);
        let started = world.start(&run.tenure).await;
        assert_eq!(started.is_ok(), legal, "start: {started:?} of {run:?}");
        if legal && !run.started {
            let lease_until = self.now + i64::try_from(LEASE.as_millis()).unwrap();
            let run = &mut self.runs[place];
            (run.started, run.lease_until) = (true, lease_until);
        }
    }

    async fn report(&mut self, world: &World, place: usize, report: Report) {
        self.reports += 1;
        let id = report_id(&self.reports.to_string());
        let awaited = self.awaited(self.runs[place].tenure.task, Some(&report));
        let run = &mut self.runs[place];
        let is_free = run.open && run.report.is_none() && run.ask.is_none_or(Ask::takes_reports);
        let legal = is_free && awaited.is_none_or(|awaited| awaited != Awaited::Circle);
        let reported = world
            .store
            .report(run.tenure.clone(), id, report.clone())
            .await;
        assert_eq!(reported.is_ok(), legal, "report: {reported:?} of {run:?}");
        if legal {
            run.report = Some(report);
        }
    }

    /// How the task stands for which a worker says that its own waits.
    fn awaited(&self, task: TaskId, report: Option<&Report>) -> Option<Awaited> {
        let Some(Report::Wait { after, .. }) = report else {
            return None;
        };
        if *after != task && self.tasks[after].status == TaskStatus::Done {
            return Some(Awaited::Done);
        }
        let mut walk = vec![*after];
        let mut visited = BTreeSet::new();
        while let Some(above) = walk.pop() {
            if above == task {
                return Some(Awaited::Circle);
            }
            if visited.insert(above) {
                let links = self.tasks[&above].links.iter();
                walk.extend(links.filter(|(_, (_, met))| !met).map(|(id, _)| *id));
            }
        }
        Some(Awaited::Open)
    }

    async fn ask_as_holder(&mut self, world: &World, place: usize, ask: Ask) {
        let run = &mut self.runs[place];
        let asked = world
            .store
            .ask_as_holder(run.tenure.clone(), ask, "warden".into())
            .await;
        assert_eq!(asked.is_ok(), run.open, "ask: {asked:?} of {run:?}");
        if run.open {
            run.ask = run.ask.or(Some(ask));
        }
    }

    async fn wish(&mut self, world: &World, id: TaskId, wish: Wish) {
        let reason = Some("because".to_owned());
        let granted = world
            .store
            .wish(id, wish.clone(), "ann".into(), reason)
            .await;
        let vain = if wish == Wish::Retry {
            self.vain_parents(id)
        } else {
            Vec::new()
        };
        let rest = Rest {
            waits_for_parents: self.waits_beside(id, &vain),
            ..self.rest(id)
        };
        let status = self.tasks[&id].status;
        let (by, ask) = means(&wish);
        let open = self
            .runs
            .iter_mut()
            .find(|run| run.open && run.tenure.task == id);
        if let Some(run) = open {
            match (granted, ask) {
                (Ok(Granted::Asked { ask: stands, .. }), Some(ask)) => {
                    if run.ask.is_none_or(Ask::takes_reports) {
                        run.ask = Some(ask);
                        run.block = if let Wish::Block { kind } = wish {
                            Some(kind)
                        } else {
                            None
                        };
                    }
                    assert!(run.report.is_none() && run.ask == Some(stands), "{run:?}");
                }
                (Err(Error::Refused { .. }), Some(_)) => assert!(run.report.is_some()),
                (Err(Error::Illegal { .. }), None) => {}
                (other, _) => panic!("{wish:?} of {run:?}: {other:?}"),
            }
            return;
        }
        let task = self.tasks.get_mut(&id).unwrap();
        match (granted, by) {
            (Ok(Granted::Moved(to)), Some(by)) => {
                if by == Move::Unblocked {
                    task.streaks = task.streaks.after_unblock(task.block);
                } else if by == Move::Retried {
                    task.streaks = Streaks::default();
                    if status.is_finished() {
                        task.queued_at = self.now;
                    }
                    for parent in vain {
                        task.links.entry(parent).and_modify(|(_, met)| *met = true);
                    }
                }
                task.status = status.after(by, rest).unwrap();
                assert_eq!(task.status, to);
                task.block = if let Wish::Block { kind } = wish {
                    Some(kind)
                } else {
                    None
                };
                self.tell_children(id);
            }
            (Err(Error::Illegal { .. }), Some(by)) => assert!(status.after(by, rest).is_err()),
            (Err(Error::Refused { .. }), None) => {}
            (other, _) => panic!("{wish:?} of {task:?}: {other:?}"),
        }
    }

    async fn end(&mut self, world: &World, place: usize, end: End) {
        let run = self.runs[place].clone();
        let ended = world
            .store
            .end(run.tenure.clone(), end.clone())
            .await
            .unwrap();
        if !run.open {
            assert!(ended.promoted.is_empty());
            return;
        }
        self.runs[place].open = false;
        let conclusion = classify(&Evidence {
            protocol: run.limits.protocol,
            tempfail: run.limits.tempfail_exit,
            report: run.report.as_ref(),
            ask: run.ask,
            end: &end,
            on_exit: &run.limits.on_exit,
        });
        assert_eq!(
            (&ended.outcome, &ended.reason),
            (&conclusion.outcome, &conclusion.reason)
        );
        let id = run.tenure.task;
        let awaited = self.awaited(id, run.report.as_ref());
        let task = self.tasks.get_mut(&id).unwrap();
        task.streaks = task.streaks.after(conclusion.outcome, run.ask);
        let next = task.streaks.next(
            &Ending {
                outcome: conclusion.outcome,
                reason: &conclusion.reason,
                report: run.report.as_ref(),
                asked: run.ask.map(|ask| Asked {
                    ask,
                    kind: run.block,
                    reason: (!ask.takes_reports()).then_some("because"),
                }),
                rule: conclusion.rule,
                awaited,
                story: &[],
                // The most that chance can draw: the store may have drawn less.
                jitter: u32::MAX,
            },
            &run.limits,
        );
        let longest = longest_wait(&next);
        let row = world.task(id).await;
        task.not_before = row.not_before.map(jiff::Timestamp::as_millisecond);
        let wait = task.not_before.map_or(0, |time| time - self.now);
        assert!(
            (0..=longest).contains(&wait),
            "waits {wait} of {longest} ms"
        );
        let rest = Rest {
            waits_for_parents: false,
            waits_for_time: wait > 0,
        };
        task.block = match &next {
            Next::Blocked { kind, .. } => Some(*kind),
            Next::Again { .. } | Next::Done | Next::Behind { .. } | Next::Cancelled { .. } => None,
        };
        if let Next::Behind { parent } = &next {
            task.links.insert(*parent, (LinkKind::Success, false));
        }
        task.status = task.status.after(Move::Ended(next), rest).unwrap();
        assert_eq!(ended.status, task.status);
        assert_eq!(ended.promoted, self.tell_children(id), "promoted");
    }

    /// Tells the children of a task that may have ended, and theirs; answers those let go.
    fn tell_children(&mut self, id: TaskId) -> Vec<TaskId> {
        let Some(end) = TaskEnd::of(self.tasks[&id].status, self.tasks[&id].block) else {
            return Vec::new();
        };
        let mut freed = Vec::new();
        let mut ended = vec![(id, end)];
        while let Some((parent, end)) = ended.pop() {
            let children: Vec<TaskId> = self.tasks.keys().copied().collect();
            for child in children {
                let task = self.tasks.get_mut(&child).unwrap();
                let Some((kind, met @ false)) = task.links.get_mut(&parent) else {
                    continue;
                };
                match kind.told(end) {
                    Told::Met => {
                        *met = true;
                        let rest = self.rest(child);
                        let task = self.tasks.get_mut(&child).unwrap();
                        if let Ok(status) = task.status.after(Move::ParentsDone, rest) {
                            task.status = status;
                            freed.push(child);
                        }
                    }
                    Told::NotNeeded => {
                        let rest = self.rest(child);
                        let task = self.tasks.get_mut(&child).unwrap();
                        if let Ok(status) = task.status.after(Move::NotNeeded, rest) {
                            (task.status, task.block) = (status, None);
                            ended.push((child, TaskEnd::Cancelled));
                        }
                    }
                    Told::Waiting => {}
                }
            }
        }
        freed.sort_unstable();
        freed
    }

    /// The rows say what the model says.
    async fn compare(&self, world: &World) {
        let ids: Vec<TaskId> = self.tasks.keys().copied().collect();
        for row in world.store.tasks(&ids).await.unwrap() {
            let task = &self.tasks[&row.id];
            let streaks = Streaks {
                failures: row.failures,
                violations: row.violations,
                defers: row.defers,
                benign: row.benign,
                lost: row.lost,
                blocks: row.blocks,
            };
            assert_eq!(
                (row.status, row.block_kind, streaks),
                (task.status, task.block, task.streaks),
                "{row:?}"
            );
            assert_eq!(row.attempts, task.attempts);
        }
    }
}

/// The longest that a task waits after its end, in milliseconds.
fn longest_wait(next: &Next) -> i64 {
    match next {
        Next::Again { after } => i64::try_from(after.as_millis()).unwrap(),
        Next::Done | Next::Behind { .. } | Next::Blocked { .. } | Next::Cancelled { .. } => 0,
    }
}

/// What must be zero whatever happened.
const VIOLATIONS: [&str; 5] = [
    "SELECT count(*) FROM (SELECT task_id FROM runs WHERE ended_at IS NULL
         GROUP BY task_id HAVING count(*) > 1) AS twice",
    "SELECT count(*) FROM tasks t LEFT JOIN runs r ON r.run_id = t.current_run_id
     WHERE t.current_run_id IS NOT NULL AND (r.task_id <> t.id OR r.ended_at IS NOT NULL)",
    "SELECT count(*) FROM runs r JOIN tasks t ON t.id = r.task_id
     WHERE r.ended_at IS NULL AND (t.current_run_id IS NULL OR t.current_run_id <> r.run_id)",
    "SELECT count(*) FROM tasks t WHERE t.pending_parents <>
         (SELECT count(*) FROM task_links l WHERE l.child_id = t.id AND l.met_at IS NULL)",
    "SELECT count(*) FROM runs r WHERE r.ended_at IS NOT NULL AND
         (SELECT count(*) FROM events e WHERE e.run_id = r.run_id AND e.kind = 'ended') <> 1",
];

/// All closed runs in one number: what has closed must not change any more.
async fn closed(world: &World) -> BTreeMap<i64, String> {
    let mut closed = BTreeMap::new();
    let newest = world
        .number("SELECT coalesce(max(run_id), 0) FROM runs")
        .await;
    for run in 1..=newest {
        let view = world.run(tenure_guard::RunId(run)).await;
        if view.ended_at.is_some() {
            closed.insert(run, format!("{view:?}"));
        }
    }
    closed
}

async fn go(world: World, steps: Vec<Step>) {
    let mut model = Model {
        now: world.now(),
        ..Model::default()
    };
    let mut before = BTreeMap::new();
    for step in steps {
        model.apply(&world, step).await;
        model.compare(&world).await;
        for violation in VIOLATIONS {
            assert_eq!(world.number(violation).await, 0, "{violation}");
        }
        let after = closed(&world).await;
        for (run, view) in &before {
            assert_eq!(after.get(run), Some(view), "a closed run changed");
        }
        before = after;
    }
}

/// What a wish does to a task that no run has, and what it asks of a run.
fn means(wish: &Wish) -> (Option<Move>, Option<Ask>) {
    match wish {
        Wish::Cancel => (Some(Move::Cancelled), Some(Ask::Cancel)),
        Wish::Stop => (None, Some(Ask::Stop)),
        Wish::Reclaim => (None, Some(Ask::Reclaim)),
        Wish::Block { .. } => (Some(Move::Blocked), Some(Ask::Block)),
        Wish::Unblock => (Some(Move::Unblocked), None),
        Wish::Retry => (Some(Move::Retried), None),
        Wish::Complete { .. } => (Some(Move::Completed), None),
        Wish::Archive => (Some(Move::Archived), Some(Ask::Archive)),
        Wish::Promote { .. } | Wish::Reassign { .. } => panic!("{wish:?} is not among the steps"),
    }
}

#[test]
fn whatever_happens_the_store_does_what_the_pure_core_says() {
    let config = Config {
        cases: 12,
        max_shrink_iters: 60,
        failure_persistence: None,
        ..Config::default()
    };
    let steps = prop::collection::vec(any_step(), 10..60);
    let run = |steps| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async { go(World::sqlite().await, steps).await });
        Ok(())
    };
    TestRunner::new(config).run(&steps, run).unwrap();
}

on_both!(a_long_life_does_what_the_pure_core_says);

/// One fixed long sequence, on both databases.
async fn a_long_life_does_what_the_pure_core_says(world: World) {
    use proptest::strategy::ValueTree;
    let mut runner = TestRunner::deterministic();
    let steps = prop::collection::vec(any_step(), 150);
    let steps = steps.new_tree(&mut runner).unwrap().current();
    go(world, steps).await;
}
