//! The store while guests run from it, and what `bench` makes of them.

use serde_json::Value;

use crate::bed::explain;
use crate::clones::{KERNEL, bed_without_templates, templates};

#[test]
fn a_template_stays_while_a_guest_maps_it() {
    let Some(bed) = bed_without_templates() else {
        return;
    };
    bed.ok(&["up", "module7", KERNEL[0], KERNEL[1]]);
    assert_eq!(templates(&bed).len(), 1);
    // Nothing but templates: the other parts are the user's own.
    let gc = ["cache", "gc", "--bucket", "templates", "--older-than", "0s"];
    let said = bed.ok(&gc);
    assert!(
        said.contains("removing 0 of 1; kept 0 that this course needs, 1 in use"),
        "{said}"
    );
    assert_eq!(templates(&bed).len(), 1);
    assert_eq!(bed.ok(&["exec", "--", "echo", "still here"]), "still here\n");
    bed.ok(&["down"]);
    let said = bed.ok(&gc);
    assert!(said.contains("removing 1 of 1"), "{said}");
    assert!(templates(&bed).is_empty());
    bed.assert_nothing_left();
}

#[test]
fn bench_measures_everything_and_leaves_nothing() {
    let Some(bed) = bed_without_templates() else {
        return;
    };
    let mut args = vec!["bench", "--runs", "1", "--clones", "2", "--format", "json"];
    args.extend(KERNEL);
    let output = bed.labctl(&args);
    assert!(output.status.success(), "{}", explain(&output));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let measured: Vec<&Value> = told["accelerators"].as_array().unwrap().iter().collect();
    let figures = measured[0]["figures"].as_array().unwrap();
    let counts: Vec<(&str, usize)> = figures
        .iter()
        .map(|figure| {
            let values = figure["values"].as_array().unwrap();
            assert!(values.iter().all(|value| value.as_u64() > Some(0)), "{figure}");
            (figure["id"].as_str().unwrap(), values.len())
        })
        .collect();
    let expected = [
        ("boot", 1),
        ("restore", 1),
        ("restore-and-command", 1),
        ("check-cold", 1),
        ("check-warm", 1),
        ("clones", 1),
        ("clone-private", 2),
        ("clone-proportional", 2),
    ];
    assert_eq!(counts, expected);
    for other in &measured[1..] {
        assert!(other["figures"].is_array() || other["why"].is_string(), "{other}");
    }
    assert!(!bed.state().join("runs").exists(), "its runs are nobody's");
    bed.assert_nothing_left();
}
