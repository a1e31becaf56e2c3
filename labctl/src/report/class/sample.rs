//! A class of every kind of student, for the tests of all formats.

use super::super::sample;
use crate::class::{ClassExercise, ClassResults, Row, Standing};
use crate::grade::results::Results;

fn row(id: &str, name: &str, results: Option<Results>) -> Row {
    Row {
        id: id.to_owned(),
        name: name.to_owned(),
        email: format!("{id}@example.org"),
        section: "a".to_owned(),
        standing: if results.is_some() {
            Standing::Graded
        } else {
            Standing::Missing
        },
        listed: true,
        notes: Vec::new(),
        results,
    }
}

pub(super) fn class() -> ClassResults {
    let partial = sample::partial();
    let exercises = partial.exercises.iter().map(|exercise| ClassExercise {
        id: exercise.result.id.clone(),
        title: exercise.result.title.clone(),
        max_points: exercise.result.max_points,
    });
    let exercises = exercises.collect();
    let mut refused = row("carol", "Carol \"C\", junior", None);
    refused.standing = Standing::Refused;
    refused
        .notes
        .push("it unpacks to more than 67108864 bytes".to_owned());
    let mut stranger = row("=cmd|'/C calc'!A0", "@SUM(1+1)*cmd", Some(partial.clone()));
    stranger.listed = false;
    stranger.section = "\t=1+1".to_owned();
    stranger
        .notes
        .push("+1\r\n<script>alert(1)</script> | `x` \u{202e}".to_owned());
    ClassResults {
        course: partial.course.clone(),
        module: partial.module.clone(),
        exercises,
        rows: vec![
            row("alice", "Alice", Some(sample::partial())),
            row("bob", "", Some(sample::inconclusive())),
            refused,
            row("dora", "-2+3", None),
            stranger,
        ],
    }
}
