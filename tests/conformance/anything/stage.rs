//! Where the steps are taken: a store, the claims that were made on it, and what is paused.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tenure_guard::{Report, RunId, TaskId, Tenure, Verdict};
use tenure_store::claim::{Offer, Wanted};
use tenure_store::dispatcher::Dispatcher;
use tenure_store::life::{Backoff, LimitsLayer, LinkKind, Protocol, Recurrence, Times};
use tenure_store::orphan::Orphan;
use tenure_store::pause::Pausable;
use tenure_store::person::Earnest;
use tenure_store::process::ProcessId;
use tenure_store::read::{Detail, TaskFilter};
use tenure_store::start::Start;
use tenure_store::task::{KeyLimit, NewTask, NotBefore, Parent, SHELL, Work};
use tenure_store::{DispatcherId, Error};

use super::step::{Act, Addition, DISPATCHERS, Deed, Hands, PROFILES, Step, What};
use crate::world::{LEASE, World, offer, report_id, start, task, warden};

/// How often each kind of end is tolerated here.
pub const LIMIT: u32 = 2;

/// How many of the first profile may run.
pub const CAP: u32 = 2;

/// The skill that only the first profile has.
pub const SKILL: &str = "rust";

/// The one limit key.
pub const KEY: &str = "one";

/// Every task and all about it, as `show` tells it.
pub type Picture = BTreeMap<TaskId, Detail>;

/// The store and those who act on it.
pub struct Stage {
    pub world: World,
    /// Every claim that was ever made.
    pub tenures: Vec<Tenure>,
    /// The store and profiles, where they are paused.
    pub paused: BTreeSet<&'static str>,
    pub dispatchers: Vec<DispatcherId>,
    /// Who claimed each run; its warden is on that host.
    pub claimed_by: BTreeMap<RunId, Hands>,
    /// Open runs as somebody once saw them.
    seen: Vec<Orphan>,
    /// Which of them changed hands, at which epoch.
    adopted: BTreeSet<(RunId, u64)>,
    reports: usize,
}

/// What the pause of the store is called among [`Stage::paused`].
pub const STORE: &str = "the store";

impl Stage {
    pub async fn empty(world: World) -> Self {
        let mut dispatchers = Vec::new();
        for hands in 0..DISPATCHERS {
            let dispatcher = dispatcher(hands);
            dispatchers.push(dispatcher.id);
            world.store.publish(dispatcher).await.unwrap();
        }
        Self {
            world,
            tenures: Vec::new(),
            paused: BTreeSet::new(),
            dispatchers,
            claimed_by: BTreeMap::new(),
            seen: Vec::new(),
            adopted: BTreeSet::new(),
            reports: 0,
        }
    }

    pub async fn picture(&self) -> Picture {
        let all = TaskFilter {
            all: true,
            ..TaskFilter::default()
        };
        let rows = self.world.store.list(&all).await.unwrap().rows;
        let mut picture = Picture::new();
        for row in rows {
            let detail = self.world.store.show(row.id).await.unwrap();
            picture.insert(row.id, detail);
        }
        picture
    }

    /// Which profiles a dispatcher of this stage offers.
    pub fn offers() -> Vec<Offer> {
        let able = Offer {
            skills: vec![SKILL.to_owned()],
            max_running: Some(CAP),
            ..offer(PROFILES[0])
        };
        vec![offer(SHELL), able, offer(PROFILES[1])]
    }

    /// Takes a step; the store's refusal, where it refuses. A step about a task or a run that is not
    /// there yet does nothing.
    pub async fn take(&mut self, step: &Step) -> Result<(), Error> {
        match step {
            Step::Add(addition) => self.add(addition).await,
            Step::Claim { by, room } => self.claim(*by, *room).await,
            Step::Look { by } => self.look(*by).await,
            Step::Adopt { by, seen } => self.adopt(*by, *seen).await,
            Step::TakeBack { by } => self.take_back(*by).await,
            Step::Advance { seconds } => {
                self.world.clock.advance(Duration::from_secs(*seconds));
                Ok(())
            }
            Step::Lapse { late } => self.lapse(*late).await,
            Step::Holder { act, .. } => match self.tenure_of(step) {
                Some(tenure) => self.holder(act, tenure).await,
                None => Ok(()),
            },
            Step::Person { task, deed } => self.person(*task, deed).await,
            Step::Pause(what) => self.pause(*what, true).await,
            Step::Resume(what) => self.pause(*what, false).await,
        }
    }

    /// The claim that a holder's step is about: one of the newest.
    pub fn tenure_of(&self, step: &Step) -> Option<Tenure> {
        let Step::Holder { run, .. } = step else {
            return None;
        };
        let count = self.tenures.len();
        (count > 0).then(|| self.tenures[count - 1 - run % count.min(8)].clone())
    }

    /// The task that a number means.
    async fn task(&self, place: usize) -> Option<TaskId> {
        let all = TaskFilter {
            all: true,
            ..TaskFilter::default()
        };
        let rows = self.world.store.list(&all).await.unwrap().rows;
        (!rows.is_empty()).then(|| rows[place % rows.len()].id)
    }

    async fn add(&mut self, addition: &Addition) -> Result<(), Error> {
        let mut parents = BTreeMap::new();
        for (place, kind) in &addition.parents {
            if let Some(parent) = self.task(*place).await {
                parents.insert(parent, *kind);
            }
        }
        let of = |wanted: LinkKind| {
            let found = parents.iter().filter(|(_, kind)| **kind == wanted);
            found.map(|(parent, _)| Parent::Task(*parent)).collect()
        };
        let work = match addition.profile {
            Some(profile) => Work::Assignee(profile.to_owned()),
            None => Work::Command(vec!["true".into()]),
        };
        let new = NewTask {
            after: of(LinkKind::Success),
            after_any_end: of(LinkKind::AnyEnd),
            after_failure: of(LinkKind::Failure),
            work,
            priority: addition.priority,
            skills: if addition.skilled && addition.profile.is_some() {
                vec![SKILL.to_owned()]
            } else {
                Vec::new()
            },
            limit_key: addition.limit.map(|limit| KeyLimit {
                key: KEY.into(),
                limit,
            }),
            not_before: addition
                .later
                .map(|seconds| NotBefore::In(Duration::from_secs(seconds))),
            limits: limits(addition.reports),
            recurrence: addition.series.map(|series| Recurrence {
                times: Times::Every(Duration::from_secs(series.every)),
                overlap: series.overlap,
                catch_up: series.catch_up,
            }),
            ..task()
        };
        self.world.store.add(new).await.map(drop)
    }

    async fn claim(&mut self, by: Hands, room: u32) -> Result<(), Error> {
        let wanted = Wanted {
            dispatcher: self.dispatchers[by],
            room,
            offers: Self::offers(),
            labels: Vec::new(),
            batch: None,
            lease: LEASE,
        };
        let claims = self.world.store.claim(wanted).await?;
        for claimed in claims.claimed {
            self.claimed_by.insert(claimed.tenure.run, by);
            self.tenures.push(claimed.tenure);
        }
        Ok(())
    }

    /// The open runs that are in other hands.
    async fn elsewhere(&self, by: Hands) -> Result<Vec<Orphan>, Error> {
        let mut runs = self.world.store.open_runs().await?;
        runs.retain(|run| run.dispatcher != self.dispatchers[by]);
        Ok(runs)
    }

    /// Time never goes back.
    async fn lapse(&self, late: i64) -> Result<(), Error> {
        let open = self.world.store.open_runs().await?;
        let last = open.iter().map(|run| run.lease_until).max();
        let wait = last.map_or(0, |until| until.as_millisecond() + late - self.world.now());
        let wait = u64::try_from(wait).unwrap_or_default();
        self.world.clock.advance(Duration::from_millis(wait));
        Ok(())
    }

    async fn look(&mut self, by: Hands) -> Result<(), Error> {
        let mut seen = self.elsewhere(by).await?;
        self.seen.append(&mut seen);
        Ok(())
    }

    /// What was seen may be over since, or in the hands of a third.
    async fn adopt(&mut self, by: Hands, seen: usize) -> Result<(), Error> {
        let place = seen % self.seen.len().max(1);
        let Some(orphan) = self.seen.iter().rev().nth(place).cloned() else {
            return Ok(());
        };
        let by = self.dispatchers[by];
        let adopted = self.world.store.adopt(&orphan, by).await?;
        assert_eq!(adopted.epoch, orphan.epoch + 1, "{orphan:?}");
        assert!(
            self.adopted.insert((orphan.tenure.run, orphan.epoch)),
            "it changed hands twice as it was seen once: {orphan:?}"
        );
        Ok(())
    }

    /// As a dispatcher does that has nothing else to do.
    async fn take_back(&mut self, by: Hands) -> Result<(), Error> {
        let store = &self.world.store;
        for lapsed in store.lapses(&host(by)).await?.over {
            let ended = store.take_back(&lapsed, "another host".into()).await?;
            assert!(ended.is_some(), "nobody renewed it since: {lapsed:?}");
        }
        Ok(())
    }

    async fn holder(&mut self, act: &Act, tenure: Tenure) -> Result<(), Error> {
        let store = &self.world.store;
        self.reports += 1;
        let id = report_id(&self.reports.to_string());
        match act {
            Act::Start => {
                let warden = ProcessId {
                    host_id: host(self.claimed_by[&tenure.run]),
                    ..warden()
                };
                let start = Start {
                    warden,
                    ..start(&tenure)
                };
                store.start(start).await.map(drop)
            }
            Act::Renew => {
                let renewed = store.renew(vec![tenure], LEASE).await?;
                renewed.into_iter().try_for_each(|one| one.map(drop))
            }
            Act::Check => match store.check(&tenure).await? {
                Verdict::Owned => Ok(()),
                Verdict::StandDown { reason } => Err(Error::NotOwner { reason }),
            },
            Act::Heartbeat => store.heartbeat(tenure, None).await,
            Act::Comment => store.comment_as_worker(tenure, "so far".into()).await,
            Act::Report(report) => store.report(tenure, id, report.clone()).await,
            Act::Wait { after } => {
                let after = self.task(*after).await.unwrap_or(tenure.task);
                let report = Report::Wait {
                    after,
                    reason: None,
                };
                store.report(tenure, id, report).await
            }
            Act::Ask(ask) => store.ask_as_holder(tenure, *ask, "warden".into()).await,
            Act::End(end) => store.end(tenure, end.clone()).await.map(drop),
        }
    }

    async fn person(&self, place: usize, deed: &Deed) -> Result<(), Error> {
        let Some(task) = self.task(place).await else {
            return Ok(());
        };
        let store = &self.world.store;
        let (by, why) = ("ann".to_owned(), Some("because".to_owned()));
        match deed {
            Deed::Wish(wish) => store.wish(task, wish.clone(), by, why).await.map(drop),
            Deed::Mend(mends) => {
                let edited = store.edit(task, mends.clone(), None, by, why);
                edited.await.map(drop)
            }
            Deed::CancelTree => {
                let felled = store.cancel_tree(Earnest::Do, task, by, why);
                felled.await.map(drop)
            }
        }
    }

    async fn pause(&mut self, what: What, stops: bool) -> Result<(), Error> {
        let (pausable, name) = match what {
            What::Store => (Pausable::Store, Some(STORE)),
            What::Profile(profile) => (Pausable::Profile(profile.to_owned()), Some(profile)),
            What::Task(place) => match self.task(place).await {
                Some(task) => (Pausable::Task(task), None),
                None => return Ok(()),
            },
        };
        self.stop_or_go(pausable, name, stops).await
    }

    async fn stop_or_go(
        &mut self,
        what: Pausable,
        name: Option<&'static str>,
        stops: bool,
    ) -> Result<(), Error> {
        let (store, by) = (&self.world.store, "ann".to_owned());
        if stops {
            store.pause(what, by, None).await?;
            self.paused.extend(name);
        } else {
            store.resume(what, by, None).await?;
            if let Some(name) = name {
                self.paused.remove(name);
            }
        }
        Ok(())
    }

    /// Nothing is paused any more.
    pub async fn resume_everything(&mut self, picture: &Picture) {
        self.pause(What::Store, false).await.unwrap();
        for profile in PROFILES {
            self.pause(What::Profile(profile), false).await.unwrap();
        }
        for task in picture.keys() {
            let resumed = self.stop_or_go(Pausable::Task(*task), None, false).await;
            resumed.unwrap();
        }
    }
}

/// The host of a dispatcher, its own where hosts share a store.
fn host(hands: Hands) -> String {
    format!("host {hands}")
}

fn dispatcher(hands: Hands) -> Dispatcher {
    Dispatcher {
        id: DispatcherId::random(),
        process: ProcessId {
            host_id: host(hands),
            ..warden()
        },
        host_name: host(hands),
        socket: "/run/tenure.sock".into(),
        version: "0.1.0".into(),
        knows: tenure_store::known_schema(),
        slots: 4,
        labels: Vec::new(),
        profiles: Vec::new(),
        batch: None,
        drain_at: None,
        held: Vec::new(),
    }
}

fn limits(reports: bool) -> LimitsLayer {
    LimitsLayer {
        protocol: reports.then_some(Protocol::Report),
        max_failures: Some(LIMIT),
        violation_limit: Some(LIMIT),
        max_defers: Some(LIMIT),
        max_benign: Some(LIMIT),
        max_lost: Some(LIMIT),
        max_blocks: Some(LIMIT),
        defer_for: Some(Duration::from_secs(7)),
        backoff: Some(Backoff {
            base: Duration::from_secs(4),
            max: Duration::from_secs(9),
        }),
        ..LimitsLayer::default()
    }
}
