//! What the program must reach.

use serde::Serialize;

use super::Task;
use super::report::Row;

/// The fleets that the bars are about: the large one, and the one that it must not be slower than
/// for each image.
pub(super) const SIZES: [usize; 2] = [SMALL, LARGE];
const SMALL: usize = 1_000;
const LARGE: usize = 10_000;

/// Seconds of the processor beyond which `synth` of the large fleet is too slow.
const SYNTH_SECONDS: f64 = 3.0;
/// Megabytes that no run may need.
const MEMORY: f64 = 300.0;
/// How much more an image may cost in the large fleet than in the small one.
const GROWTH: f64 = 1.3;

/// A limit and what was measured.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Bar {
    pub(super) name: String,
    pub(super) limit: f64,
    pub(super) value: f64,
    pub(super) met: bool,
}

/// The bars that the measured fleets allow to judge.
pub(super) fn judge(rows: &[Row]) -> Vec<Bar> {
    let find = |task: Task, images: usize| {
        rows.iter()
            .find(|row| row.task == task.name() && row.images == images)
    };
    let mut bars = Vec::new();
    let mut at_most = |name: String, limit: f64, value: f64| {
        bars.push(Bar {
            name,
            limit,
            value,
            met: value <= limit,
        });
    };
    for task in Task::ALL {
        let Some(large) = find(task, LARGE) else {
            continue;
        };
        let name = |what: &str| format!("{}: {what}", task.name());
        match task {
            Task::Fresh => at_most(name("times the floor"), 10.0, large.ratio_to_floor),
            Task::Unchanged => {
                at_most(name("times the floor"), 6.0, large.ratio_to_floor);
                at_most(name("files written"), 0.0, large.files_written as f64);
            }
            Task::Synth => at_most(name("seconds"), SYNTH_SECONDS, large.cpu_seconds),
        }
        at_most(name("MB"), MEMORY, large.memory_bytes as f64 / 1e6);
        if let Some(small) = find(task, SMALL) {
            at_most(
                name("growth for each image"),
                GROWTH,
                large.cpu_microseconds_per_image / small.cpu_microseconds_per_image,
            );
        }
    }
    bars
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(task: Task, images: usize, per_image: f64, ratio: f64) -> Row {
        Row {
            task: task.name(),
            images,
            cpu_seconds: per_image * images as f64 / 1e6,
            wall_seconds: 0.0,
            memory_bytes: 20_000_000,
            files_written: usize::from(task != Task::Unchanged),
            floor_cpu_seconds: 0.1,
            ratio_to_floor: ratio,
            cpu_microseconds_per_image: per_image,
        }
    }

    fn missed(rows: &[Row]) -> Vec<String> {
        let bars = judge(rows).into_iter();
        bars.filter(|bar| !bar.met).map(|bar| bar.name).collect()
    }

    #[test]
    fn a_bar_is_missed_by_what_lies_above_it() {
        let good: Vec<Row> = Task::ALL
            .into_iter()
            .flat_map(|task| [row(task, 1_000, 50.0, 9.0), row(task, 10_000, 60.0, 5.0)])
            .collect();
        assert_eq!(judge(&good).len(), 10);
        assert_eq!(missed(&good), [""; 0]);

        let mut bad = good;
        for row in bad.iter_mut().filter(|row| row.images == LARGE) {
            row.ratio_to_floor = 10.5;
            row.cpu_microseconds_per_image = 66.0;
            row.cpu_seconds = 3.1;
            row.memory_bytes = 301_000_000;
            row.files_written = 1;
        }
        assert_eq!(missed(&bad).len(), 10);
        assert!(judge(&[row(Task::Synth, 100, 50.0, 9.0)]).is_empty());
    }
}
