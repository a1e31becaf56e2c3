//! Results in which every string is what a student would least be trusted with, for the property tests of every format.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::sample;
use crate::grade::results::{GradedExercise, Results};
use crate::grade::verdict::{CheckResult, ExerciseResult, Finding, FindingSource, Verdict};

/// What means something to a terminal, a spreadsheet, a document, a test protocol or a CI server.
const PIECES: &[&str] = &[
    "\u{1b}[2J",
    "\u{9b}31m",
    "\u{202e}",
    "\u{200b}",
    "\0",
    "\r\n",
    "\n",
    "\r",
    "\t",
    " ",
    "\n::error::forged",
    "\r::set-output name=x::y",
    "\n::add-mask::a",
    "\n::stop-commands::x",
    "::notice file=a,line=1::b",
    "##[error]x",
    "##vso[task.complete]x",
    "%0A::error::x",
    "%25",
    "\nok 1 forged",
    "\nnot ok 1 x",
    "1..0",
    " # SKIP",
    "# Subtest: x",
    "\nKTAP version 1",
    "=1+1",
    "+1",
    "-1",
    "@x",
    ";=1",
    "\",=1",
    "\"",
    ",",
    "'",
    "|",
    "\\",
    "\\|",
    "`",
    "```",
    "\n```\n",
    "<b>",
    "</details>",
    "<script>alert(1)</script>",
    "<!--",
    "-->",
    "]]>",
    "&amp;",
    "&#60;b&#62;",
    "[a](http://x.example)",
    "![a](http://x.example/y.png)",
    "[a]: http://x.example",
    "https://x.example/a",
    "www.x.example",
    "a@x.example",
    "@octocat",
    "#1",
    "**a**",
    "_a_",
    "~~a~~",
    "$x$",
    ":+1:",
    "# h",
    "- l",
    "1. l",
    "> q",
    "---",
    "{{ x }}",
    "${{ github.token }}",
    "größe",
    "日本",
    "a",
    "0xffff888004d7c4ac",
    "_copy_from_iter",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => vec(select(PIECES), 0..6).prop_map(|pieces| pieces.concat()),
        1 => any::<String>(),
        1 => Just("x".repeat(700)),
    ]
}

fn verdict() -> impl Strategy<Value = Verdict> {
    select(
        &[
            Verdict::Passed,
            Verdict::Partial,
            Verdict::Failed,
            Verdict::Blocked,
            Verdict::Invalid,
            Verdict::Inconclusive,
        ][..],
    )
}

fn check() -> impl Strategy<Value = CheckResult> {
    let words = (text(), text(), text());
    let perhaps = || option::of(text());
    let more = (perhaps(), perhaps(), perhaps(), perhaps(), perhaps());
    (words, more, verdict(), 0u32..9, 0u32..9).prop_map(
        |((id, title, message), (expected, actual, mistake, help, blocked_by), verdict, points, rest)| {
            CheckResult {
                id,
                position: 0,
                title,
                verdict,
                points,
                max_points: points + rest,
                message,
                expected,
                actual,
                mistake,
                help,
                blocked_by,
            }
        },
    )
}

fn finding() -> impl Strategy<Value = Finding> {
    let source = (text(), 1u32..99).prop_map(|(file, line)| FindingSource { file, line });
    (text(), text(), option::of(text()), option::of(source), text()).prop_map(
        |(kind, title, symbol, source, text)| Finding {
            kind,
            title,
            module: symbol.clone(),
            symbol,
            source,
            text,
        },
    )
}

fn exercise() -> impl Strategy<Value = GradedExercise> {
    let lists = (vec(check(), 0..4), vec(finding(), 0..3));
    (text(), text(), verdict(), lists, option::of(text())).prop_map(
        |(id, title, verdict, (mut checks, findings), run_dir)| {
            for (position, check) in checks.iter_mut().rev().enumerate() {
                check.position = position;
            }
            GradedExercise {
                result: ExerciseResult {
                    // An id is never empty.
                    id: format!("x{id}"),
                    title: title.clone(),
                    verdict,
                    points: checks.iter().map(|check| check.points).sum(),
                    max_points: checks.iter().map(|check| check.max_points).sum(),
                    checks,
                    findings,
                    figures: vec![sample::figure(&title)],
                },
                duration_ms: 2310,
                run_dir,
            }
        },
    )
}

/// One to three exercises, each with up to three checks.
pub(super) fn results() -> impl Strategy<Value = Results> {
    (text(), text(), text(), vec(exercise(), 1..4)).prop_map(|(course, module, seed, exercises)| Results {
        course,
        module,
        seed,
        exercises,
        ..sample::partial()
    })
}
