//! Every expression of an exercise, typed by what the exercise itself declares.

use super::report::{Item, Problem};
use crate::spec::answers::BlankKind;
use crate::spec::exercise::{DrawKind, Exercise, FactKind, StepKind, Until};
use crate::spec::expr::Expr;
use crate::spec::givens::GivenKind;
use crate::spec::pattern::{HoleKind, Pattern};
use crate::spec::text::Text;
use crate::spec::types::{Type, Types};

pub(super) fn of(exercise: &Exercise) -> Item {
    let mut checker = Checker {
        types: givens(exercise),
        problems: Vec::new(),
        count: 0,
    };
    for condition in &exercise.require {
        checker.condition(condition);
    }
    checker.blanks(exercise);
    checker.drawn(exercise);
    checker.arguments(exercise);
    checker.evidence(exercise);
    for check in &exercise.checks {
        checker.condition(&check.pass);
        let texts = [Some(&check.passed), Some(&check.message), Some(&check.help)];
        let more = [check.expected.as_ref(), check.actual.as_ref()];
        for text in texts.into_iter().chain(more).flatten() {
            checker.text(text);
        }
        for mistake in &check.explain {
            checker.condition(&mistake.when);
            checker.text(&mistake.help);
            mistake.message.iter().for_each(|text| checker.text(text));
        }
    }
    for figure in &exercise.figures {
        let found = checker.expr(&figure.rows);
        if !matches!(found, Type::List(_) | Type::Any) {
            let what = format!("`{}` is no list of rows", figure.rows.as_str().trim());
            let help = "a row is a list with a value for each column";
            checker
                .problems
                .push(Problem::with(figure.rows.origin(), what, help));
        }
    }
    let detail = format!("{} expressions fit their values", checker.count);
    Item::judged("types", exercise.full_name(), detail, checker.problems)
}

struct Checker {
    types: Types,
    problems: Vec<Problem>,
    count: usize,
}

const HELP: &str = "it would fail, or never hold, whatever the evidence";

impl Checker {
    fn expr(&mut self, expr: &Expr) -> Type {
        self.count += 1;
        let (found, wrong) = expr.infer(&self.types);
        for what in wrong {
            let what = format!("`{}`: {what}", expr.as_str().trim());
            self.problems.push(Problem::with(expr.origin(), what, HELP));
        }
        found
    }

    fn condition(&mut self, expr: &Expr) {
        let found = self.expr(expr);
        if !matches!(found, Type::Bool | Type::Any | Type::Nothing) {
            let what = format!("`{}` is no condition", expr.as_str().trim());
            self.problems
                .push(Problem::with(expr.origin(), what, "a rule is true or false"));
        }
    }

    fn text(&mut self, text: &Text) {
        for hole in text.holes() {
            self.expr(hole);
        }
    }

    /// Keys may use each other in any order: those that are not typed yet are open.
    fn blanks(&mut self, exercise: &Exercise) {
        let answers = exercise
            .worksheet
            .iter()
            .map(|blank| (blank.id.as_str(), Type::Any));
        self.types.insert("answers".to_owned(), Type::record(answers));
        for blank in &exercise.worksheet {
            let found = self.expr(&blank.key);
            self.types.insert(blank.id.to_string(), found);
        }
        for blank in &exercise.worksheet {
            self.types.insert("answer".to_owned(), answer(&blank.kind));
            self.text(&blank.ask);
            self.text(&blank.help);
            for mistake in &blank.mistakes {
                self.condition(&mistake.when);
                self.text(&mistake.help);
                mistake.message.iter().for_each(|text| self.text(text));
            }
        }
        self.types.remove("answer");
    }

    fn drawn(&mut self, exercise: &Exercise) {
        for draw in &exercise.draws {
            let drawn = match draw.kind {
                DrawKind::Hex(_) => Type::Text,
                DrawKind::Integer(..) | DrawKind::Port => Type::Int,
            };
            self.types.insert(draw.name.clone(), drawn);
        }
        for (name, expr) in &exercise.vars {
            let found = self.expr(expr);
            self.types.insert(name.clone(), found);
        }
    }

    fn arguments(&mut self, exercise: &Exercise) {
        for step in &exercise.run {
            match &step.kind {
                StepKind::Load { params, .. } => params.iter().for_each(|text| self.text(text)),
                StepKind::Start { args, until, .. } => {
                    args.iter().for_each(|text| self.text(text));
                    if let Until::Output(text) | Until::UdpBound(text) | Until::TcpListening(text) = until {
                        self.text(text);
                    }
                }
                StepKind::Exec { args, stdin, .. } => {
                    args.iter().chain(stdin).for_each(|text| self.text(text));
                }
                StepKind::Unload { .. } | StepKind::Wait { .. } | StepKind::Stop { .. } => {}
            }
        }
    }

    fn evidence(&mut self, exercise: &Exercise) {
        let step = Type::record([
            ("status", Type::Text),
            ("code", Type::Any),
            ("signal", Type::Any),
            ("stdout", Type::Text),
            ("stderr", Type::Text),
            ("pid", Type::Any),
            ("started_us", Type::Any),
            ("ended_us", Type::Any),
        ]);
        let steps = exercise.run.iter().map(|one| (one.id.as_str(), step.clone()));
        self.types.insert("steps".to_owned(), Type::record(steps));
        self.types.insert("log_lost".to_owned(), Type::Int);
        let miss = Type::list(Type::record([("text", Type::Text), ("why", Type::Text)]));
        let lines = exercise
            .facts
            .iter()
            .filter(|fact| matches!(fact.kind, FactKind::Dmesg { .. } | FactKind::Output { .. }));
        let near = lines.map(|fact| (fact.name.as_str(), miss.clone()));
        self.types.insert("near".to_owned(), Type::record(near));
        for fact in &exercise.facts {
            let found = match &fact.kind {
                FactKind::Dmesg { pattern, filter, .. } => {
                    let more = [("us", Type::Int), ("seq", Type::Int), ("level", Type::Int)];
                    self.lines(pattern, &more, filter.as_ref())
                }
                FactKind::Output { pattern, filter, .. } => self.lines(pattern, &[], filter.as_ref()),
                FactKind::Value(expr) => self.expr(expr),
                // Records as whoever tells them says: open.
                other => {
                    if let Some(filter) = other.expr() {
                        self.condition(filter);
                    }
                    Type::Any
                }
            };
            self.types.insert(fact.name.clone(), found);
        }
    }

    fn lines(&mut self, pattern: &Pattern, more: &[(&str, Type)], filter: Option<&Expr>) -> Type {
        let holes = pattern.holes().map(|(name, kind)| {
            let found = match kind {
                HoleKind::Int => Type::Whole,
                HoleKind::Number => Type::Fraction,
                HoleKind::Address => Type::Address,
                HoleKind::Word | HoleKind::Text => Type::Text,
            };
            (name, found)
        });
        let line = Type::record(holes.chain([("text", Type::Text)]).chain(more.iter().cloned()));
        if let Some(filter) = filter {
            self.types.insert("f".to_owned(), line.clone());
            self.condition(filter);
            self.types.remove("f");
        }
        Type::list(line)
    }
}

fn givens(exercise: &Exercise) -> Types {
    let given = |given: &crate::spec::givens::Given| {
        let found = match given.kind {
            GivenKind::Integer { .. } | GivenKind::Pid => Type::Int,
            GivenKind::KernelAddress { .. } | GivenKind::UserAddress { .. } => Type::Address,
            // The value says; and it may be a word in one choice and a number in another.
            _ => Type::Any,
        };
        (given.name.clone(), found)
    };
    exercise.givens.iter().map(given).collect()
}

fn answer(kind: &BlankKind) -> Type {
    match kind {
        BlankKind::Integer => Type::Whole,
        BlankKind::Address => Type::Address,
        BlankKind::Register | BlankKind::Choice(_) => Type::Text,
        BlankKind::YesNo => Type::Bool,
        // A whole number of bytes, or a fraction.
        BlankKind::Bytes(_) | BlankKind::Seconds(_) => Type::Fraction,
    }
}
