//! Which dispatchers there are, on which hosts: who is seen where, who is asked to leave, and who is known
//! to be dead.

use serde_json::Value;
use tenure_tests::home::Home;
use tenure_tests::process::Signal;
use tenure_tests::slot::Turn;
use tenure_tests::{Dispatcher, wait_until};

/// Two hosts on one server, each with a label, and the turn of a test that has so many.
fn two_hosts() -> Option<(Turn, Home, Home)> {
    let url = tenure_tests::postgres::database()?;
    let labelled = |label: &str| Home::on(&url, &format!("[dispatcher]\nlabels = ['{label}']"));
    Some((Turn::take(), labelled("cpu"), labelled("gpu")))
}

/// The id of a dispatcher, as its log says it.
#[track_caller]
fn id_of(dispatcher: &Dispatcher, home: &Home) -> String {
    let stats = home.tenure(&["stats", "--json"]).ok().json();
    let living = stats["dispatchers"].as_array().unwrap();
    let ids = living.iter().map(|one| one["id"].as_str().unwrap());
    let log = dispatcher.log();
    let mut own = ids.filter(|id| log.contains(id));
    own.next().expect("it is published").to_owned()
}

/// Calls the host of a dispatcher something else than the machine's name, which all tests share.
fn call(home: &Home, dispatcher: &str, name: &str) {
    home.forge(format!(
        "UPDATE dispatchers SET host_name = '{name}' WHERE id = '{dispatcher}'"
    ));
}

#[test]
fn every_host_is_shown_with_its_labels_and_when_it_was_seen() {
    let Some((_turn, one, two)) = two_hosts() else {
        return;
    };
    let first = one.serve();
    let second = two.serve();
    call(&one, &id_of(&first, &one), "red");
    call(&one, &id_of(&second, &one), "blue");
    let stats = one.tenure(&["stats", "--json"]).ok().json();
    let of = |host: &str| {
        let mut all = stats["dispatchers"].as_array().unwrap().iter();
        let found = all.find(|one| one["host"] == host);
        found.unwrap_or_else(|| panic!("{stats:#}"))
    };
    assert_eq!(of("red")["labels"], serde_json::json!(["cpu"]));
    assert_eq!(of("blue")["labels"], serde_json::json!(["gpu"]));
    for host in ["red", "blue"] {
        let seen = of(host)["seen_at"].as_str().expect("a time");
        seen.parse::<jiff::Timestamp>().expect("a time");
    }
    let said = one.tenure(&["stats"]).ok();
    for words in ["on red", "on blue", "labels gpu", "last seen"] {
        assert!(said.out.contains(words), "{words}: {said}");
    }
    let found = one.tenure(&["doctor", "--json"]).json();
    for words in ["on red serves it", "on blue serves it", "labels gpu"] {
        assert!(found.to_string().contains(words), "{words}: {found:#}");
    }
}

#[test]
fn a_host_is_drained_by_its_name_and_the_others_go_on() {
    let Some((_turn, one, two)) = two_hosts() else {
        return;
    };
    let mut first = one.serve();
    let mut second = two.serve();
    let both_ids = [id_of(&first, &one), id_of(&second, &one)];
    let ids: Vec<&str> = both_ids.iter().map(String::as_str).collect();
    call(&one, ids[0], "twin");
    call(&one, ids[1], "twin");
    let _ = one.tenure(&["drain"]).with_code(2).mentions(&ids);
    let _ = one.tenure(&["drain", "twin"]).with_code(2).mentions(&ids);
    call(&one, ids[1], "blue");
    let _ = one
        .tenure(&["drain", "green"])
        .with_code(3)
        .mentions(&["green", "on twin", "on blue"]);
    let began = two.at("began");
    let go = two.at("go");
    let going = one.add(
        &["--require", "gpu"],
        &["append", &began, "x", "wait-for", &go],
    );
    two.until_written("began");
    let _ = one
        .tenure(&["drain", "blue", "--timeout", "300ms"])
        .with_code(75)
        .mentions(&[ids[1]]);
    let waiting = one.add(&["--require", "gpu"], &["exit", "0"]);
    let taken = one.add(&[], &["exit", "0"]);
    one.until(taken, "done");
    two.touch("go");
    let _ = one.tenure(&["drain", "blue"]);
    assert_eq!(second.ended(), Some(0));
    one.until(going, "done");
    assert_eq!(one.show(waiting)["task"]["status"], "ready");
    assert!(first.process().lives(), "the other host goes on");
    first.signal(Signal::TERM);
    assert_eq!(first.ended(), Some(0));
}

#[test]
fn a_killed_dispatcher_is_known_to_be_dead_on_its_own_host_at_once() {
    let Some((_turn, one, two)) = two_hosts() else {
        return;
    };
    // A host that served before knows what is its own.
    let mut before = two.serve();
    before.signal(Signal::TERM);
    assert_eq!(before.ended(), Some(0));
    let mut first = one.serve();
    let began = one.at("began");
    let go = one.at("go");
    let task = one.add(&[], &["append", &began, "x", "wait-for", &go]);
    one.until_written("began");
    first.crash();
    // However slow all of this is, its last sign of life is not old.
    one.forge("UPDATE dispatchers SET seen_at = seen_at + 600000 WHERE retired_at IS NULL".into());
    let stats = |home: &Home| home.tenure(&["stats", "--json"]).ok().json();
    let here = stats(&one);
    assert_eq!(here["dispatchers"], Value::Array(Vec::new()), "{here:#}");
    assert_eq!(here["gone"][0]["runs"], 1, "{here:#}");
    let said = one.tenure(&["stats"]).ok();
    for words in ["no dispatcher lives", "is gone", "1 of its runs"] {
        assert!(said.out.contains(words), "{words}: {said}");
    }
    let _ = one.tenure(&["drain"]).with_code(4);
    // Elsewhere nothing but time can tell.
    let there = stats(&two);
    let living = there["dispatchers"].as_array().unwrap();
    assert_eq!(living.len(), 1, "{there:#}");
    assert_eq!(living[0]["labels"], serde_json::json!(["cpu"]));
    one.touch("go");
    let _next = one.serve();
    wait_until("the run is seen to its end", || {
        (one.show(task)["task"]["status"] == "done").then_some(())
    });
}
