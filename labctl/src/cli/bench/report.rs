//! Figures as a table for people and as JSON. Pure.

use std::fmt::Write as _;

use serde_json::{Value, json as value};

use super::figures::{Figure, Figures, Unit, median, minimum};

/// What all figures have in common.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    pub(crate) module: String,
    pub(crate) exercise: String,
    /// `uname -r`.
    pub(crate) kernel: String,
    pub(crate) kernel_id: String,
    pub(crate) image_id: String,
    pub(crate) qemu: String,
    /// Of the host.
    pub(crate) processors: usize,
    /// MiB, of a guest.
    pub(crate) memory: u32,
    pub(crate) runs: u32,
    pub(crate) clones: usize,
}

/// One accelerator: its figures, or why there are none.
#[derive(Debug, Clone)]
pub(crate) struct Measured {
    pub(crate) accel: String,
    pub(crate) figures: Result<Figures, String>,
}

const ALL: [Figure; 8] = [
    Figure::Boot,
    Figure::Restore,
    Figure::RestoreAndCommand,
    Figure::CheckCold,
    Figure::CheckWarm,
    Figure::Clones,
    Figure::Private,
    Figure::Proportional,
];

pub(crate) fn human(around: &Surroundings, measured: &[Measured]) -> String {
    let mut text = format!(
        "{} on {}, QEMU {}, {} processor{}, {} run{}\n\n",
        around.module,
        around.kernel,
        around.qemu,
        around.processors,
        if around.processors == 1 { "" } else { "s" },
        around.runs,
        if around.runs == 1 { "" } else { "s" },
    );
    let columns: Vec<(&str, &Figures)> = measured
        .iter()
        .filter_map(|one| Some((one.accel.as_str(), one.figures.as_ref().ok()?)))
        .collect();
    let mut line = format!("{:<46}", "minimum / median");
    for (accel, _) in &columns {
        line.push_str(&format!("{accel:>20}"));
    }
    // Writing to a `String` cannot fail.
    let _ = writeln!(text, "{}", line.trim_end());
    for figure in ALL {
        let mut line = format!("{:<46}", what(figure, around));
        for (_, figures) in &columns {
            line.push_str(&format!("{:>20}", cell(figure, figures.of(figure))));
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    for one in measured {
        if let Err(why) = &one.figures {
            let _ = writeln!(text, "\n{} was not measured: {why}", one.accel);
        }
    }
    text
}

fn what(figure: Figure, around: &Surroundings) -> String {
    match figure {
        Figure::Boot => "cold boot".to_owned(),
        Figure::Restore => "restore".to_owned(),
        Figure::RestoreAndCommand => "restore and one command over SSH".to_owned(),
        Figure::CheckCold => format!("check {}, sources edited", around.exercise),
        Figure::CheckWarm => format!("check {}, nothing changed", around.exercise),
        Figure::Clones => format!("{} clones at once, a command in each", around.clones),
        Figure::Private => format!("a clone's private memory, of {} MiB", around.memory),
        Figure::Proportional => "a clone's memory with its share (PSS)".to_owned(),
    }
}

fn cell(figure: Figure, values: &[u64]) -> String {
    let (Some(minimum), Some(median)) = (minimum(values), median(values)) else {
        return "-".to_owned();
    };
    let show = |number| shown(figure.unit(), number);
    let unit = match figure.unit() {
        Unit::Time => "s",
        Unit::Memory => "MiB",
    };
    format!("{} / {} {unit}", show(minimum), show(median))
}

/// Seconds with two digits after the point; whole MiB.
fn shown(unit: Unit, number: u64) -> String {
    match unit {
        Unit::Time => {
            let hundredths = number.saturating_add(5_000) / 10_000;
            format!("{}.{:02}", hundredths / 100, hundredths % 100)
        }
        Unit::Memory => (number.saturating_add(1 << 19) >> 20).to_string(),
    }
}

pub(crate) fn json(around: &Surroundings, measured: &[Measured]) -> Value {
    let accelerators: Vec<Value> = measured
        .iter()
        .map(|one| match &one.figures {
            Ok(figures) => {
                let figures: Vec<Value> = figures
                    .iter()
                    .map(|(figure, values)| told(figure, values))
                    .collect();
                value!({ "accel": one.accel, "figures": figures })
            }
            Err(why) => value!({ "accel": one.accel, "figures": null, "why": why }),
        })
        .collect();
    value!({
        "schema": "labctl/bench/v1",
        "labctl": env!("CARGO_PKG_VERSION"),
        "module": around.module,
        "exercise": around.exercise,
        "kernel": around.kernel,
        "kernel_id": around.kernel_id,
        "image_id": around.image_id,
        "qemu": around.qemu,
        "processors": around.processors,
        "guest_memory_mib": around.memory,
        "runs": around.runs,
        "clones": around.clones,
        "accelerators": accelerators,
    })
}

fn told(figure: Figure, values: &[u64]) -> Value {
    let unit = match figure.unit() {
        Unit::Time => "us",
        Unit::Memory => "bytes",
    };
    value!({
        "id": figure.id(), "unit": unit,
        "minimum": minimum(values), "median": median(values), "values": values,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn sample() -> (Surroundings, Vec<Measured>) {
        let around = Surroundings {
            module: "module0".to_owned(),
            exercise: "hello-kprobe".to_owned(),
            kernel: "6.12.107-lab".to_owned(),
            kernel_id: "sha256:00".to_owned(),
            image_id: "sha256:11".to_owned(),
            qemu: "7.2.22".to_owned(),
            processors: 2,
            memory: 384,
            runs: 2,
            clones: 8,
        };
        let mut figures = Figures::default();
        for milliseconds in [2104, 2306] {
            figures.time(Figure::Boot, Duration::from_millis(milliseconds));
        }
        figures.time(Figure::Restore, Duration::from_micros(204_999));
        figures.add(Figure::Private, 47 << 20);
        let measured = vec![
            Measured {
                accel: "tcg".to_owned(),
                figures: Ok(figures),
            },
            Measured {
                accel: "kvm".to_owned(),
                figures: Err("there is no /dev/kvm".to_owned()),
            },
        ];
        (around, measured)
    }

    #[test]
    fn the_table_has_a_column_for_what_was_measured() {
        let (around, measured) = sample();
        insta::assert_snapshot!(human(&around, &measured));
    }

    #[test]
    fn json_has_every_value() {
        let (around, measured) = sample();
        let told = json(&around, &measured);
        let boot = &told["accelerators"][0]["figures"][0];
        assert_eq!(boot["values"], value!([2_104_000, 2_306_000]));
        assert_eq!(boot["median"], 2_205_000);
        assert_eq!(told["accelerators"][1]["why"], "there is no /dev/kvm");
    }
}
