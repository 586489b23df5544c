//! A real store with one claimed task, and what a dispatcher would do there.

use std::path::PathBuf;
use std::time::Duration;

use tenure_guard::{Tenure, Verdict};
use tenure_store::claim::{Offer, Wanted};
use tenure_store::life::{End, LimitsLayer, Protocol, RunStatus, TaskStatus};
use tenure_store::person::Wish;
use tenure_store::process::ProcessId;
use tenure_store::read::{Detail, RunView};
use tenure_store::start::Start;
use tenure_store::task::{NewTask, Work};
use tenure_store::{DispatcherId, Store, StoreUrl};

use super::post::{Post, wait_for};

/// A store of its own.
pub struct Records {
    runtime: tokio::runtime::Runtime,
    pub store: Store,
    pub url: StoreUrl,
    _folder: tempfile::TempDir,
}

impl Records {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = StoreUrl::Sqlite(folder.path().join("tenure.db"));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let store = runtime.block_on(Store::open(&url)).unwrap();
        Self {
            runtime,
            store,
            url,
            _folder: folder,
        }
    }

    pub fn path(&self) -> PathBuf {
        match &self.url {
            StoreUrl::Sqlite(path) => path.clone(),
            StoreUrl::Postgres(_) => panic!("a file was made"),
        }
    }

    /// Adds a task and claims it, as a dispatcher would.
    pub fn claim(&self, lease: Duration, limits: LimitsLayer) -> Tenure {
        let task = NewTask {
            limits,
            ..NewTask::new(Work::Command(vec!["true".into()]), "/".into())
        };
        self.runtime.block_on(self.store.add(task)).unwrap();
        self.claim_again(lease)
    }

    pub fn claim_again(&self, lease: Duration) -> Tenure {
        let wanted = Wanted {
            dispatcher: DispatcherId::random(),
            room: 1,
            offers: vec![Offer {
                profile: "shell".into(),
                skills: Vec::new(),
                limits: LimitsLayer::default(),
                max_running: None,
            }],
            labels: Vec::new(),
            batch: None,
            lease,
        };
        let mut claims = self.runtime.block_on(self.store.claim(wanted)).unwrap();
        claims.claimed.pop().unwrap().tenure
    }

    /// A claimed task of protocol `report`.
    pub fn claim_report(&self) -> Tenure {
        let limits = LimitsLayer {
            protocol: Some(Protocol::Report),
            ..LimitsLayer::default()
        };
        self.claim(super::post::FOR_EVER, limits)
    }

    /// Commits the start of a warden.
    pub fn start(&self, post: &Post) {
        let start = Start {
            tenure: post.brief.tenure.clone(),
            warden: ProcessId {
                host_id: "host".into(),
                boot_id: "boot".into(),
                pid_namespace: 1,
                pid: post.warden_pid(),
                start_ticks: 1,
                inode: 1,
            },
            socket: post.brief.socket.clone(),
            log: None,
            lease: post.brief.lease,
        };
        self.runtime.block_on(self.store.start(start)).unwrap();
    }

    pub fn wish(&self, tenure: &Tenure, wish: Wish) {
        let granted = self.store.wish(tenure.task, wish, "a person".into(), None);
        self.runtime.block_on(granted).unwrap();
    }

    /// Somebody closes the run behind its warden's back, and leaves the task ready.
    pub fn close(&self, tenure: &Tenure) {
        let end = End::NeverStarted {
            reason: "taken for dead".into(),
        };
        let ended = self.store.end(tenure.clone(), end);
        self.runtime.block_on(ended).unwrap();
    }

    pub fn check(&self, tenure: &Tenure) -> Verdict {
        self.runtime.block_on(self.store.check(tenure)).unwrap()
    }

    pub fn run(&self, tenure: &Tenure) -> RunView {
        self.runtime.block_on(self.store.run(tenure.run)).unwrap()
    }

    pub fn show(&self, tenure: &Tenure) -> Detail {
        self.runtime.block_on(self.store.show(tenure.task)).unwrap()
    }

    pub fn status(&self, tenure: &Tenure) -> TaskStatus {
        self.show(tenure).task.status
    }

    /// The run, once it is closed.
    pub fn closed(&self, tenure: &Tenure) -> RunView {
        wait_for("the end of the run", || {
            let run = self.run(tenure);
            (run.status == RunStatus::Ended).then_some(run)
        })
    }
}
