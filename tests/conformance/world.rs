//! A store to try things on, its clock, and short ways to say what most cases begin with.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sqlx::{Connection, PgConnection, Row, SqlSafeStr, SqliteConnection};
use tempfile::TempDir;
use tenure_guard::{Reason, Report, ReportId, RunId, TaskId, Tenure};
use tenure_store::claim::{Claimed, Offer, Wanted};
use tenure_store::end::Ended;
use tenure_store::event::EventKind;
use tenure_store::life::{End, Exit, LimitsLayer, LinkKind, Protocol, TaskStatus};
use tenure_store::process::ProcessId;
use tenure_store::read::{RunView, TaskRow};
use tenure_store::start::{Start, Started};
use tenure_store::task::{NewTask, Parent, SHELL, Work};
use tenure_store::{Clock, DispatcherId, Error, Store, StoreUrl};

/// How long the leases of these tests are.
pub const LEASE: Duration = Duration::from_mins(1);

/// Runs each named case on both databases, as `sqlite::…` and `postgres::…`.
macro_rules! on_both {
    ($($case:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $case() {
                super::$case($crate::world::World::sqlite().await).await;
            })+
        }
        mod postgres {
            $(#[tokio::test]
            async fn $case() {
                if let Some(world) = $crate::world::World::postgres().await {
                    super::$case(world).await;
                }
            })+
        }
    };
}
pub(crate) use on_both;

/// A new store whose time stands still until the test moves it.
pub struct World {
    pub store: Store,
    pub clock: Clock,
    pub url: StoreUrl,
    pub dispatcher: DispatcherId,
    folder: TempDir,
}

impl World {
    pub async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = StoreUrl::Sqlite(folder.path().join("tenure.db"));
        Self::open(url, folder).await
    }

    pub async fn postgres() -> Option<Self> {
        let url = StoreUrl::Postgres(tenure_tests::postgres::database()?);
        Some(Self::open(url, tempfile::tempdir().unwrap()).await)
    }

    async fn open(url: StoreUrl, folder: TempDir) -> Self {
        let clock = Clock::manual();
        let store = Store::open_with(&url, clock.clone()).await.unwrap();
        Self {
            store,
            clock,
            url,
            dispatcher: DispatcherId::random(),
            folder,
        }
    }

    /// Another process's view of the same store.
    pub async fn another(&self) -> Store {
        Store::open_with(&self.url, self.clock.clone())
            .await
            .unwrap()
    }

    /// What time the test says it is.
    pub fn now(&self) -> i64 {
        match &self.clock {
            Clock::Manual(millis) => millis.load(Ordering::SeqCst),
            Clock::Database => panic!("a test tells the time"),
        }
    }

    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// Whether leases count here after the start too.
    pub fn is_shared(&self) -> bool {
        matches!(self.url, StoreUrl::Postgres(_))
    }

    pub async fn add(&self, task: NewTask) -> TaskId {
        self.store.add(task).await.unwrap().id
    }

    /// Adds a task and claims it.
    pub async fn claimed(&self, task: NewTask) -> Claimed {
        let id = self.add(task).await;
        let claimed = self.claim_one().await;
        assert_eq!(claimed.tenure.task, id);
        claimed
    }

    /// Adds a task, claims it, and starts its run.
    pub async fn running(&self, task: NewTask) -> Tenure {
        let tenure = self.claimed(task).await.tenure;
        self.start(&tenure).await.unwrap();
        tenure
    }

    pub fn wanted(&self, room: u32) -> Wanted {
        Wanted {
            dispatcher: self.dispatcher,
            room,
            offers: vec![offer(SHELL)],
            labels: Vec::new(),
            batch: None,
            lease: LEASE,
        }
    }

    pub async fn claim_one(&self) -> Claimed {
        let mut claims = self.store.claim(self.wanted(1)).await.unwrap();
        claims.claimed.pop().expect("a task is ready")
    }

    /// Claims whatever there is, as ids in the order of the claims.
    pub async fn claim_all(&self, wanted: Wanted) -> Vec<TaskId> {
        let claims = self.store.claim(wanted).await.unwrap();
        claims
            .claimed
            .iter()
            .map(|claimed| claimed.tenure.task)
            .collect()
    }

    pub async fn start(&self, tenure: &Tenure) -> Result<Started, Error> {
        self.store.start(start(tenure)).await
    }

    pub async fn end(&self, tenure: &Tenure, end: End) -> Ended {
        self.store.end(tenure.clone(), end).await.unwrap()
    }

    /// Claims what is there and starts its run.
    pub async fn running_again(&self) -> Tenure {
        let tenure = self.claim_one().await.tenure;
        self.start(&tenure).await.unwrap();
        tenure
    }

    /// The run of a claim that goes all the way: start, exit, end.
    pub async fn run_to(&self, end: End) -> Ended {
        let tenure = self.claim_one().await.tenure;
        self.start(&tenure).await.unwrap();
        self.end(&tenure, end).await
    }

    pub async fn task(&self, id: TaskId) -> TaskRow {
        self.store.show(id).await.unwrap().task
    }

    pub async fn status(&self, id: TaskId) -> TaskStatus {
        self.task(id).await.status
    }

    pub async fn run(&self, id: RunId) -> RunView {
        self.store.run(id).await.unwrap()
    }

    /// The kinds of a task's events, oldest first.
    pub async fn events(&self, id: TaskId) -> Vec<EventKind> {
        let detail = self.store.show(id).await.unwrap();
        let kinds = detail.events.iter().map(|event| event.kind.known());
        kinds.map(|kind| *kind.unwrap()).collect()
    }

    /// A statement past the store, for what it has no verb for.
    pub async fn execute(&self, statement: &str) {
        let statement = sqlx::AssertSqlSafe(statement.to_owned());
        match &self.url {
            StoreUrl::Sqlite(path) => {
                let url = format!("sqlite://{}", path.display());
                let mut connection = SqliteConnection::connect(&url).await.unwrap();
                sqlx::query(statement)
                    .execute(&mut connection)
                    .await
                    .unwrap();
            }
            StoreUrl::Postgres(url) => {
                let mut connection = PgConnection::connect(url).await.unwrap();
                sqlx::query(statement)
                    .execute(&mut connection)
                    .await
                    .unwrap();
            }
        }
    }

    /// A great many that wait for a parent, past the store: adding them one by one takes long.
    pub async fn many_children(&self, parent: TaskId, kind: LinkKind, count: usize) {
        let tasks = format!(
            "INSERT INTO tasks (title, body, assignee, command, cwd, env, skills, limits, priority,
                                status, pending_parents, created_at, updated_at)
             SELECT 'child of {parent}', '', 'shell', '[\"true\"]', '/', '{{}}', '[]', '{{}}', 0,
                    'todo', 1, 0, 0
             FROM (WITH RECURSIVE count (n) AS
                   (SELECT 1 UNION ALL SELECT n + 1 FROM count WHERE n < {count})
                   SELECT n FROM count) AS counted"
        );
        let links = format!(
            "INSERT INTO task_links (parent_id, child_id, kind)
             SELECT {parent}, id, '{kind}' FROM tasks WHERE title = 'child of {parent}'"
        );
        for statement in [tasks, links] {
            self.execute(&statement).await;
        }
    }

    /// How many rows there are of `what`: a table, and which of its rows.
    pub async fn count(&self, what: &str) -> i64 {
        let statement = format!("SELECT count(*) FROM {what}");
        self.number(sqlx::AssertSqlSafe(statement)).await
    }

    /// One number, by a statement past the store.
    pub async fn number(&self, statement: impl SqlSafeStr) -> i64 {
        match &self.url {
            StoreUrl::Sqlite(path) => {
                let url = format!("sqlite://{}", path.display());
                let mut connection = SqliteConnection::connect(&url).await.unwrap();
                let row = sqlx::query(statement).fetch_one(&mut connection).await;
                row.unwrap().get(0)
            }
            StoreUrl::Postgres(url) => {
                let mut connection = PgConnection::connect(url).await.unwrap();
                let row = sqlx::query(statement).fetch_one(&mut connection).await;
                row.unwrap().get(0)
            }
        }
    }
}

/// Says it again where the machine was too slow for the deadline of a call: nothing of it was written
/// then. What can never be in time fails.
pub async fn insist<T, F: Future<Output = Result<T, Error>>>(said: impl Fn() -> F) -> T {
    const OFTEN: u32 = 20;
    for _ in 0..OFTEN {
        match said().await {
            Ok(answer) => return answer,
            Err(Error::Unavailable(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
    panic!("{OFTEN} times it was not in time");
}

/// A task that runs `true`.
pub fn task() -> NewTask {
    NewTask::new(Work::Command(vec!["true".into()]), "/".into())
}

pub fn after(parents: &[TaskId]) -> NewTask {
    NewTask {
        after: parents.iter().copied().map(Parent::Task).collect(),
        ..task()
    }
}

pub fn limited(limits: LimitsLayer) -> NewTask {
    NewTask { limits, ..task() }
}

/// A task whose worker must report.
pub fn reporting() -> NewTask {
    limited(LimitsLayer {
        protocol: Some(Protocol::Report),
        ..LimitsLayer::default()
    })
}

pub fn offer(profile: &str) -> Offer {
    Offer {
        profile: profile.into(),
        skills: Vec::new(),
        limits: LimitsLayer::default(),
        max_running: None,
    }
}

pub fn warden() -> ProcessId {
    ProcessId {
        host_id: "host".into(),
        boot_id: "boot".into(),
        pid_namespace: 4_026_531_836,
        pid: 4242,
        start_ticks: 77,
        inode: u64::MAX,
    }
}

pub fn start(tenure: &Tenure) -> Start {
    Start {
        tenure: tenure.clone(),
        warden: warden(),
        socket: "/run/socket".into(),
        log: Some("/run/log".into()),
        lease: LEASE,
    }
}

pub fn exited(exit: Exit) -> End {
    End::Exited {
        exit,
        interrupted: false,
        stood_down: None,
        tree_unverified: false,
        oom: false,
        core: None,
    }
}

pub fn exit(code: i32) -> End {
    exited(Exit::Code(code))
}

pub fn complete() -> Report {
    Report::Complete {
        summary: Some("well".into()),
        metadata: None,
        artifacts: Vec::new(),
    }
}

pub fn report_id(text: &str) -> ReportId {
    ReportId(text.into())
}

/// The reason of a refusal that must be "not the owner".
#[track_caller]
pub fn reason<T: std::fmt::Debug>(result: Result<T, Error>) -> Reason {
    match result {
        Err(Error::NotOwner { reason }) => reason,
        other => panic!("not owner was expected, and this came: {other:?}"),
    }
}
