//! A factory played through in time: how long images wait, and how many are rebuilt a day.
//!
//! `docs/rebuild.md` says what is simulated.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use clap::Args;
use imgfac_model::{Criticality, Delay};
use imgfac_rebuild::simulation::{Event, Scenario, Watcher, World};
use imgfac_rebuild::{Caps, Outcome, Policy};
use jiff::SignedDuration;

#[derive(Debug, Args)]
pub(crate) struct SimulateArgs {
    /// Managed images
    #[arg(long, value_name = "N", default_value_t = 200)]
    images: usize,
    /// Bases upstream that they stand on
    #[arg(long, value_name = "N", default_value_t = 20)]
    bases: usize,
    /// How long
    #[arg(long, value_name = "N", default_value_t = 365)]
    days: u32,
    /// How often the factory looks
    #[arg(long, value_name = "DELAY", default_value = "1h")]
    tick: Delay,
    /// Another number is another world
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Of a hundred builds, so many fail
    #[arg(long, value_name = "N", default_value_t = 3)]
    failures: u64,
    /// Rebuilds at the same time
    #[arg(long, value_name = "N")]
    cap: Option<usize>,
    /// Rebuilds at the same time from one source repository
    #[arg(long, value_name = "N")]
    cap_repository: Option<usize>,
    /// Rebuilds at the same time to one registry
    #[arg(long, value_name = "N")]
    cap_registry: Option<usize>,
}

/// What was measured.
#[derive(Default)]
struct Measured {
    /// From the first sight of the oldest update to the start of its rebuild, in minutes.
    age: Vec<i64>,
    /// From when time allowed a rebuild to its start, in minutes.
    late: BTreeMap<Criticality, Vec<i64>>,
    /// Rebuilds started on each day.
    days: Vec<i64>,
    failed: usize,
    running: usize,
    most_running: usize,
}

/// Plays, and prints what was measured.
pub(crate) fn run(args: &SimulateArgs) -> Result<()> {
    ensure!(args.tick.as_millis() > 0, "--tick must be longer than 0");
    let tick = SignedDuration::from_millis(i64::try_from(args.tick.as_millis())?);
    let mut world = Scenario {
        images: args.images,
        bases: args.bases,
        tick,
        seed: args.seed,
        failures: args.failures,
        policy: Policy {
            caps: Caps {
                total: args.cap,
                per_repository: args.cap_repository,
                per_registry: args.cap_registry,
            },
            ..Policy::default()
        },
    }
    .world();
    let mut watcher = Watcher::new(&world);
    let mut measured = Measured::default();
    let start = world.now;
    let end = SignedDuration::from_hours(24 * i64::from(args.days));
    while world.now.duration_since(start) < end {
        let day = usize::try_from(world.now.duration_since(start).as_hours() / 24)?;
        measured.days.resize(day + 1, 0);
        let events = world.step();
        watcher.see(&world, &events)?;
        for event in events {
            match event {
                Event::Moved(..) => {}
                Event::Started(it) => {
                    measured.days[day] += 1;
                    measured.running += 1;
                    let minutes = |since| world.now.duration_since(since).as_mins();
                    let oldest = it.causes.iter().map(|cause| cause.first_seen).min();
                    measured.age.extend(oldest.map(minutes));
                    let criticality = world.fleet.images[&it.name].schedule.criticality;
                    let late = measured.late.entry(criticality).or_default();
                    late.extend(it.eligible_at.map(minutes));
                }
                Event::Ended(_, outcome) => {
                    measured.running -= 1;
                    measured.failed += usize::from(matches!(outcome, Outcome::Failed { .. }));
                }
            }
        }
        measured.most_running = measured.most_running.max(measured.running);
    }
    print(measured);
    come_to_rest(&mut world, &mut watcher)?;
    println!("\nNo rebuild was too early, too late, twice, out of order or missing.");
    Ok(())
}

/// Lets everything that was begun come to its end, and asks whether any rebuild is missing.
fn come_to_rest(world: &mut World, watcher: &mut Watcher) -> Result<()> {
    world.moving = false;
    let patience = SignedDuration::from_hours(24 * 365);
    let end = world.now + patience;
    while !world.is_quiet() {
        ensure!(world.now < end, "rebuilds go on though nothing moves");
        let events = world.step();
        watcher.see(world, &events)?;
    }
    Ok(watcher.all_is_done(world)?)
}

fn print(mut measured: Measured) {
    let rebuilds: i64 = measured.days.iter().sum();
    println!(
        "{rebuilds} rebuilds, {} of them failed, at most {} at the same time\n",
        measured.failed, measured.most_running
    );
    println!(
        "{:<28}{:>10}{:>10}{:>10}{:>10}{:>10}",
        "", "least", "median", "90 %", "99 %", "most"
    );
    row("rebuilds a day", &mut measured.days, |it| it.to_string());
    row("from first sight to start", &mut measured.age, length);
    for (criticality, late) in &mut measured.late {
        row(&format!("from allowed, {criticality}"), late, length);
    }
}

fn row(name: &str, values: &mut [i64], show: impl Fn(i64) -> String) {
    values.sort_unstable();
    let Some(last) = values.len().checked_sub(1) else {
        return;
    };
    let cells = [0, 50, 90, 99, 100].map(|percent| show(values[last * percent / 100]));
    let cells: String = cells.iter().map(|cell| format!("{cell:>10}")).collect();
    println!("{name:<28}{cells}");
}

/// Minutes, in the two largest units.
fn length(minutes: i64) -> String {
    let (days, hours, minutes) = (minutes / 1_440, minutes / 60 % 24, minutes % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes}m"),
        (0, _) => format!("{hours}h{minutes}m"),
        _ => format!("{days}d{hours}h"),
    }
}
