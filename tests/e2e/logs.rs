//! A run's output: how much of it is kept, and how it is shown.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::Value;
use tenure_tests::home::runs;
use tenure_tests::{Database, Home, Said, wait_until};

on_both!(
    of_a_flood_the_newest_output_is_kept_and_a_reader_is_told_of_the_rest,
    a_flood_is_cut_while_it_flows,
    a_follower_goes_on_after_a_cut_and_sees_the_last_line,
    nothing_that_a_stranger_wrote_speaks_to_a_terminal_in_any_view,
    what_a_dispatcher_logs_of_a_stranger_is_written_out,
    a_line_of_a_hundred_megabytes_is_no_burden_to_a_summary,
);

const LIMIT: u64 = 1 << 20;

const SMALL: &str = "[dispatcher]\nlog_max_bytes = '1MiB'\n[defaults]\nmax_failures = 1";

/// What a terminal would obey, or a reader would be misled by.
const POISON: &str = "\u{1b}[31mred\u{9b}2J \u{202e}turned\u{2066} un\u{200b}seen\u{feff}";

fn sh(home: &Home, flags: &[&str], script: &str) -> i64 {
    let mut words = vec!["add", "--json"];
    words.extend(flags);
    words.extend(["--", "sh", "-c", script]);
    home.tenure(&words).ok().json()["id"].as_i64().unwrap()
}

fn log_of(shown: &Value) -> PathBuf {
    PathBuf::from(runs(shown)[0]["log"].as_str().unwrap())
}

/// How many bytes of the disk it takes.
fn on_disk(path: &std::path::Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.blocks() * 512)
}

fn of_a_flood_the_newest_output_is_kept_and_a_reader_is_told_of_the_rest(on: Database) {
    let home = on.home_with(SMALL);
    let _dispatcher = home.serve();
    let script = "timeout 2 yes 'one of many lines'; echo; echo the very last line";
    let task = sh(&home, &[], script);
    let shown = home.until(task, "done");
    let log = log_of(&shown);
    let (size, held) = (fs::metadata(&log).unwrap().len(), on_disk(&log));
    assert!(size > 8 * LIMIT, "that was no flood: {size} bytes");
    assert!(held <= LIMIT + LIMIT / 8 + 65536, "{held} bytes are kept");
    assert!(held >= LIMIT, "only {held} bytes are kept");

    let said = home.tenure(&["log", &task.to_string()]).ok();
    let kept = u64::try_from(said.out.len()).unwrap();
    assert!(kept + 100 >= LIMIT, "only {kept} bytes are shown");
    assert!(
        said.out.starts_with("one of many lines\n"),
        "{:?}",
        &said.out[..40]
    );
    assert!(said.out.ends_with("\nthe very last line\n"));
    let told = format!("{} older bytes were cut (log_max_bytes)", size - kept);
    assert!(said.err.contains(&told), "{told:?} in {:?}", said.err);
    let told = home.show(task);
    let cut = runs(&told)[0]["log_cut"].as_u64().unwrap();
    // The rest of a line is not shown either.
    assert!((size - kept - 64..=size - kept).contains(&cut), "{cut}");
}

fn a_flood_is_cut_while_it_flows(on: Database) {
    let home = on.home_with(SMALL);
    let _dispatcher = home.serve();
    let task = sh(&home, &[], "exec yes");
    let shown = wait_until("the worker writes", || {
        let shown = home.show(task);
        let log = runs(&shown).first()?["log"].as_str()?;
        (fs::metadata(log).ok()?.len() > 64 * LIMIT).then_some(shown)
    });
    let log = log_of(&shown);
    wait_until("old output is given back while new output comes", || {
        let (size, held) = (fs::metadata(&log).ok()?.len(), on_disk(&log));
        (held < size / 4).then_some(())
    });
    let _ = home.tenure(&["cancel", &task.to_string()]).ok();
    assert!(on_disk(&log) <= LIMIT + LIMIT / 8 + 65536);
}

fn a_follower_goes_on_after_a_cut_and_sees_the_last_line(on: Database) {
    let home = on.home_with(SMALL);
    let _dispatcher = home.serve();
    let go = home.at("go");
    let script = format!(
        "echo the first line; until [ -e {go} ]; do sleep 0.05; done; \
         seq 1000000; echo the very last line"
    );
    let task = sh(&home, &[], &script);
    home.until(task, "running");
    let mut command = home.command(&["log", "-f", &task.to_string()]);
    let follower = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    home.touch("go");
    let said = Said::to_its_end(follower, "tenure log -f".to_owned()).ok();
    assert!(!said.out.contains('\0'), "a hole was shown");
    assert!(said.out.ends_with("\nthe very last line\n"));
    for line in said
        .out
        .lines()
        .skip(1)
        .filter(|line| !line.starts_with("the "))
    {
        assert!(line.parse::<u32>().is_ok(), "{line:?} is no whole line");
    }
}

fn nothing_that_a_stranger_wrote_speaks_to_a_terminal_in_any_view(on: Database) {
    let home = on.home_with(SMALL);
    let title = format!("title {POISON}");
    let file = home.write(
        "work/batch.toml",
        &format!(
            "[[task]]\nname = 'one'\ntitle = {0}\nbody = {0}\ncommand = ['sh', '-c', {1}]\n",
            toml::Value::from(title.as_str()),
            toml::Value::from(format!("printf '%s\\n' \"{POISON}\"; printf 'bad \\377 \\000\\n'; \"$TENURE_BIN\" comment \"{POISON}\"; \"$TENURE_BIN\" fail --reason \"{POISON}\"; exit 1")),
        ),
    );
    let ran = home.tenure(&["run", file.to_str().unwrap()]).with_code(1);
    assert!(ran.out.contains("title \\u{1b}[31mred"), "{ran}");
    assert!(ran.out.contains("  | bad \u{fffd} \\u{0}"), "{ran}");
    let id = home.tenure(&["list", "--all", "--json"]).ok().json()[0]["id"].to_string();
    let views: [&[&str]; 6] = [
        &["list", "--all"],
        &["show", &id],
        &["runs", &id],
        &["events", &id],
        &["wait", &id],
        &["add", "--assignee", POISON],
    ];
    let mut all: Vec<Said> = views.iter().map(|words| home.tenure(words)).collect();
    all.push(ran);
    for said in &all {
        for character in [
            '\u{1b}', '\u{9b}', '\u{202e}', '\u{2066}', '\u{200b}', '\u{feff}',
        ] {
            for text in [&said.out, &said.err] {
                assert!(
                    !text.contains(character),
                    "{character:?} in what was said by {said:?}"
                );
            }
        }
    }
    // Not on a terminal a log is data.
    let log = home.tenure(&["log", &id]).ok();
    assert!(log.out.contains(POISON), "{log:?}");
}

fn what_a_dispatcher_logs_of_a_stranger_is_written_out(on: Database) {
    let home = on.home_with("[defaults]\nmax_failures = 1");
    let dispatcher = home.serve();
    let task = sh(
        &home,
        &["--title", POISON],
        &format!("\"$TENURE_BIN\" fail --reason \"{POISON}\""),
    );
    home.until(task, "blocked");
    let log = dispatcher.log();
    assert!(log.contains("turned"), "{log}");
    for character in [
        '\u{1b}', '\u{9b}', '\u{202e}', '\u{2066}', '\u{200b}', '\u{feff}',
    ] {
        assert!(!log.contains(character), "{character:?} in {log:?}");
    }
}

fn a_line_of_a_hundred_megabytes_is_no_burden_to_a_summary(on: Database) {
    let home = on.home_with("[defaults]\nmax_failures = 1");
    let script = "head -c 100000000 /dev/zero | tr '\\0' x; echo; echo the reason; exit 1";
    let file = home.write(
        "work/batch.toml",
        &format!(
            "[[task]]\ncommand = ['sh', '-c', {}]\n",
            toml::Value::from(script)
        ),
    );
    let ran = home.tenure(&["run", file.to_str().unwrap()]).with_code(1);
    assert!(ran.out.contains("  | the reason\n"), "{ran}");
    assert!(ran.out.len() < 64 * 1024);
}
