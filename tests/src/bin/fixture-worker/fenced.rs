//! Work on something outside that takes effects only from the highest run it has seen.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::unistd::getpid;
use tenure_guard::{Acceptance, Error, Guard, Report, env};
use tenure_tests::beat::Beating;

use super::Steps;

/// How often it says that it lives.
const BEAT: Duration = Duration::from_millis(10);

/// How many beats there are to an effect.
const BEATS_PER_EFFECT: u32 = 10;

impl Steps {
    /// Works for some milliseconds whatever it is answered, so that it ends in time only where somebody
    /// ends it. Then, as the last word says: nothing (`haunt`), or the finishing effect, and after it
    /// nothing (`exit`) or the report that it is done (`report`). Where a run before this one finished
    /// and died before it could say so, only the saying is left.
    pub(super) fn fenced(&mut self) {
        let (socket, folder, millis) = (self.word(), self.word(), self.number());
        let end = self.word();
        let mut outside = Outside::reach(&socket);
        let mut beating = Beating::begin(Path::new(&folder), &outside.run, getpid().as_raw());
        let is_finished = outside.tell("begin") == "finished";
        let work = if is_finished { 0 } else { millis };
        let until = Instant::now() + Duration::from_millis(work);
        for beat in 0.. {
            beating.beat();
            if beat % BEATS_PER_EFFECT == 0 {
                let _ = outside.tell("effect");
            }
            if Instant::now() >= until {
                break;
            }
            thread::sleep(BEAT);
        }
        if end != "haunt" && !is_finished {
            let _ = outside.tell("finish");
        }
        if end == "report" {
            let _ = outside.tell(report());
        }
        beating.beat();
    }
}

/// Reports, and says what came of it.
fn report() -> &'static str {
    let done = Report::Complete {
        summary: None,
        metadata: None,
        artifacts: Vec::new(),
    };
    match Guard::from_env().and_then(|guard| guard.report(&done)) {
        Ok(Acceptance::Recorded) => "recorded",
        Ok(Acceptance::Kept) => "kept",
        Err(Error::NotOwner { .. }) => "not_owner",
        Err(_) => "unanswered",
    }
}

struct Outside {
    stream: BufReader<UnixStream>,
    task: String,
    run: String,
}

impl Outside {
    fn reach(socket: &str) -> Self {
        let stream = UnixStream::connect(socket).expect("what is outside is there");
        let of = |name| std::env::var(name).expect("a worker has an identity");
        Self {
            stream: BufReader::new(stream),
            task: of(env::TASK_ID),
            run: of(env::RUN_ID),
        }
    }

    /// Says something, and what was answered.
    fn tell(&mut self, what: &str) -> String {
        let line = format!("{what} {} {}\n", self.task, self.run);
        let told = self.stream.get_mut().write_all(line.as_bytes());
        told.expect("what is outside listens");
        let mut answer = String::new();
        self.stream
            .read_line(&mut answer)
            .expect("what is outside answers");
        answer.trim_end().to_owned()
    }
}
