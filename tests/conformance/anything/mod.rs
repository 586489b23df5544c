//! Whatever people, workers, kernels and clocks do, in whatever order: the invariants hold after each
//! step, and no task comes to where no verb leads on.
//!
//! `model` holds the store and the pure core together for what runs do; here nothing is foretold. Each
//! step is taken on a real store, and the picture after it is compared with the one before: what may
//! not change did not, and what changed was allowed to and is told of. At the end everything that was
//! left standing anywhere is brought to its end by verbs alone.

mod check;
mod lease;
mod series;
mod stage;
mod step;
mod way_out;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, TestRunner};

use crate::world::{World, on_both};
use stage::Stage;
use step::{Step, any_life};

async fn go(world: World, steps: Vec<Step>) {
    let mut stage = Stage::empty(world).await;
    for step in steps {
        let before = stage.picture().await;
        let taken = stage.take(&step).await;
        let after = stage.picture().await;
        let told = format!("{step:?} came to {taken:?}");
        check::nothing_is_broken(&stage, &step, &taken, &before, &after, &told);
        check::sums_are_right(&stage.world, &told).await;
        way_out::each_task_that_moved_can_be_moved_on(&stage, &before, &after, &told).await;
    }
    way_out::everything_comes_to_its_end(&mut stage).await;
}

/// So many lives of any kind, each on a store of its own; where there is no server none.
fn any_lives(cases: u32, open: impl AsyncFn() -> Option<World>) {
    let config = Config {
        cases,
        // On a slow machine a life takes half a minute.
        max_shrink_iters: 40,
        failure_persistence: None,
        ..Config::default()
    };
    let run = |steps| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            if let Some(world) = open().await {
                go(world, steps).await;
            }
        });
        Ok(())
    };
    TestRunner::new(config).run(&any_life(10..70), run).unwrap();
}

#[test]
fn whatever_is_done_in_whatever_order_the_promises_hold_and_there_is_a_way_out() {
    any_lives(16, async || Some(World::sqlite().await));
}

#[test]
fn whatever_is_done_on_several_hosts_the_promises_hold_and_there_is_a_way_out() {
    any_lives(4, World::postgres);
}

on_both!(a_long_life_full_of_verbs_keeps_every_promise);

/// One fixed long sequence, on both databases.
async fn a_long_life_full_of_verbs_keeps_every_promise(world: World) {
    let mut runner = TestRunner::deterministic();
    let steps = any_life(120);
    let steps = steps.new_tree(&mut runner).unwrap().current();
    go(world, steps).await;
}
