//! One script, told to Tenure and to the pattern that most queues on PostgreSQL share: a worker's claim is
//! taken away because its host is silent, another worker has the job, and then the first one comes back
//! and finishes.

use sqlx::{Connection, PgConnection};
use tenure_guard::Tenure;
use tenure_tests::home::{OpenStore, outcomes};
use tenure_tests::{Home, Said, postgres};
use tokio::runtime::Runtime;

use crate::claimed;

/// A queue with one job, as its workers see it.
trait Queue {
    type Claim;

    /// Takes the job.
    fn take(&mut self) -> Self::Claim;

    /// Takes the job away from a worker of which nothing was heard for too long.
    fn take_away(&mut self, from: &Self::Claim);

    /// Says that the job is done; why not, where that is refused.
    fn finish(&mut self, claim: &Self::Claim) -> Result<(), String>;

    /// Whether everybody is told that the job is done.
    fn is_done(&mut self) -> bool;
}

/// How the script went.
#[derive(Debug)]
struct Told {
    /// What the worker heard whose claim was taken away.
    late: Result<(), String>,
    /// Whether the job was done then, although its worker was still at it.
    was_done_by_the_late_one: bool,
    /// What the worker heard who had the job.
    holder: Result<(), String>,
}

fn script<Q: Queue>(queue: &mut Q) -> Told {
    let first = queue.take();
    queue.take_away(&first);
    let second = queue.take();
    let late = queue.finish(&first);
    let was_done_by_the_late_one = queue.is_done();
    let holder = queue.finish(&second);
    Told {
        late,
        was_done_by_the_late_one,
        holder,
    }
}

/// The pattern: a row a job, a claim by `FOR UPDATE SKIP LOCKED`, a sweep that rescues what runs for too
/// long, and an end that asks for the job's id alone.
struct Common {
    runtime: Runtime,
    connection: PgConnection,
}

impl Common {
    fn on(url: &str) -> Self {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().build().unwrap();
        let connection = runtime.block_on(PgConnection::connect(url)).unwrap();
        let mut queue = Self {
            runtime,
            connection,
        };
        queue.say(
            "CREATE TABLE jobs (
                id           BIGINT PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
                state        TEXT NOT NULL DEFAULT 'available',
                attempt      INT NOT NULL DEFAULT 0,
                attempted_at TIMESTAMPTZ
             )",
        );
        queue.say("INSERT INTO jobs DEFAULT VALUES");
        queue
    }

    fn say(&mut self, statement: &'static str) {
        let said = sqlx::query(statement).execute(&mut self.connection);
        self.runtime.block_on(said).unwrap();
    }
}

impl Queue for Common {
    type Claim = i64;

    fn take(&mut self) -> i64 {
        let taken = sqlx::query_scalar(
            "UPDATE jobs SET state = 'running', attempt = attempt + 1, attempted_at = now()
             WHERE id = (SELECT id FROM jobs WHERE state = 'available' ORDER BY id
                         LIMIT 1 FOR UPDATE SKIP LOCKED)
             RETURNING id",
        )
        .fetch_one(&mut self.connection);
        self.runtime.block_on(taken).unwrap()
    }

    fn take_away(&mut self, _: &i64) {
        // An hour has passed.
        self.say("UPDATE jobs SET attempted_at = attempted_at - interval '1 hour'");
        self.say(
            "UPDATE jobs SET state = 'available'
             WHERE state = 'running' AND attempted_at < now() - interval '30 minutes'",
        );
    }

    fn finish(&mut self, id: &i64) -> Result<(), String> {
        let finished = sqlx::query("UPDATE jobs SET state = 'completed' WHERE id = $1")
            .bind(id)
            .execute(&mut self.connection);
        match self.runtime.block_on(finished).unwrap().rows_affected() {
            0 => Err("there is no such job".to_owned()),
            _ => Ok(()),
        }
    }

    fn is_done(&mut self) -> bool {
        let done = sqlx::query_scalar("SELECT state = 'completed' FROM jobs")
            .fetch_one(&mut self.connection);
        self.runtime.block_on(done).unwrap()
    }
}

/// Tenure, as the same worker's program meets it: `tenure complete`.
struct Ours<'a> {
    home: &'a Home,
    open: OpenStore,
    task: i64,
}

impl Queue for Ours<'_> {
    type Claim = Tenure;

    fn take(&mut self) -> Tenure {
        claimed::claim(&self.open).tenure
    }

    fn take_away(&mut self, from: &Tenure) {
        claimed::take_back(&self.open, from);
    }

    fn finish(&mut self, tenure: &Tenure) -> Result<(), String> {
        let url = self.home.store_url().expose();
        let words = ["--db", &url, "complete", "--summary", "done"];
        let said = Said::by(&mut claimed::as_worker(self.home, tenure, &words));
        match said.code {
            0 => Ok(()),
            79 => Err(said.err),
            _ => panic!("{said}"),
        }
    }

    fn is_done(&mut self) -> bool {
        self.home.show(self.task)["task"]["status"] == "done"
    }
}

#[test]
fn a_late_finish_is_accepted_by_the_common_pattern_and_refused_here_with_the_reason() {
    let (Some(theirs), Some(ours)) = (postgres::database(), postgres::database()) else {
        return;
    };
    let told = script(&mut Common::on(&theirs));
    assert_eq!(told.late, Ok(()), "{told:?}");
    assert!(told.was_done_by_the_late_one, "{told:?}");

    let home = Home::on(&ours, "");
    let task = home.add(&[], &[]);
    let told = script(&mut Ours {
        home: &home,
        open: home.store(),
        task,
    });
    let refusal = told.late.as_ref().unwrap_err();
    assert!(refusal.contains("run_mismatch"), "{told:?}");
    assert!(!told.was_done_by_the_late_one, "{told:?}");
    assert_eq!(told.holder, Ok(()), "{told:?}");
    // Its report stands; the run closes once somebody saw its worker's end.
    assert_eq!(outcomes(&home.show(task)), ["reclaimed", "open"]);
}
