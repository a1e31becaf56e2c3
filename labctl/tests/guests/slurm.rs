//! A class graded by a real Slurm, whose only node dies in the middle.

use std::path::Path;

use fs_err as fs;

use super::bed::{bed, explain};
use super::cluster::{Cluster, until};

const STUDENTS: [&str; 6] = ["ada", "ben", "cleo", "dan", "eve", "fay"];

#[test]
fn a_class_survives_the_death_of_a_node() {
    let Some(bed) = bed() else { return };
    let mut cluster = match Cluster::start() {
        Ok(cluster) => cluster,
        Err(missing) => return crate::skip(&format!("this host has no {missing}")),
    };
    let dir = bed.dir.path();
    fs::create_dir(dir.join("hand ins")).unwrap();
    for student in STUDENTS {
        bed.ok(&["init", "module7", &format!("hand ins/{student}")]);
    }
    let class = ["grade", "hand ins", "--exercise", "exercise-b"];
    let whole = bed.ok(&[&class[..], &["--output", "whole", "--format", "csv"]].concat());

    let engine = ["--engine", "slurm", "--parts", "2", "--format", "csv"];
    let mut job = bed
        .command(&[&class[..], &engine].concat())
        .env("SLURM_CONF", cluster.configuration())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let done = |part: usize| units(&dir.join("grades.parts").join(part.to_string()));
    until("a student is graded, or the job has ended", || {
        done(1) + done(2) > 0 || job.try_wait().unwrap().is_some()
    });
    if job.try_wait().unwrap().is_some() {
        panic!("{}", explain(&job.wait_with_output().unwrap()));
    }
    cluster.power_failure();
    let output = job.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", explain(&output));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), whole);
    assert_eq!(fs::read_to_string(dir.join("grades/results.csv")).unwrap(), whole);
    assert!(cluster.restarts() > 0);
    drop(cluster);
    bed.assert_nothing_left();
}

/// Units of work that are finished in a folder of results.
fn units(folder: &Path) -> usize {
    let Ok(students) = fs::read_dir(folder.join("students")) else {
        return 0;
    };
    let unit = |student: std::io::Result<fs::DirEntry>| {
        let unit = student.unwrap().path().join("exercises/exercise-b/unit.json");
        unit.exists()
    };
    students.map(unit).filter(|there| *there).count()
}
