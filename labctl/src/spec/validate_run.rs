//! Checking steps and facts.

use super::exercise::{
    Artefact, ArtefactKind, Fact, FactKind, ModuleRef, Program, Step, StepKind, StopSignal, Until, Witness,
};
use super::expr::Expr;
use super::ids::is_name;
use super::pattern::Pattern;
use super::raw::{RawFact, RawProgram, RawStep, RawUntil};
use super::text::Text;
use super::validate::{ALWAYS, Checker, Names, Surroundings};
use super::yaml::{Mapping, Spanned};

/// Seconds for a step that does not say: plenty for anything that is not a benchmark, short enough for a student who waits.
const WITHIN: u32 = 10;

/// Where facts are read.
pub(super) const FACT_SOURCES: &[&str] = &[
    "dmesg", "stdout", "stderr", "witness", "events", "probes", "btf", "bugs",
];

pub(super) fn run(
    checker: &mut Checker<'_>,
    raw: Vec<Spanned<RawStep>>,
    build: &[Artefact],
    around: &Surroundings,
    names: &Names,
) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for step in raw {
        let within = step.value.within.as_ref().map_or(WITHIN, |within| within.value);
        if let Some(written) = step
            .value
            .within
            .as_ref()
            .filter(|within| !(1..=600).contains(&within.value))
        {
            checker.error(written, "a step's time limit is 1 to 600 seconds");
        }
        let before = steps.len();
        let mut context = Steps {
            checker,
            build,
            around,
            names,
            steps: &mut steps,
            within,
        };
        context.add(&step);
        for index in before..steps.len() {
            let id = steps[index].id.clone();
            if steps[..index].iter().any(|other| other.id == id) {
                checker.error(&step, format!("two steps are called `{id}`; give one an `id`"));
            }
        }
    }
    steps
}

struct Steps<'c, 's> {
    checker: &'c mut Checker<'s>,
    build: &'c [Artefact],
    around: &'c Surroundings,
    names: &'c Names,
    steps: &'c mut Vec<Step>,
    within: u32,
}

impl Steps<'_, '_> {
    fn add(&mut self, at: &Spanned<RawStep>) {
        let step = &at.value;
        let given = [
            step.load.is_some(),
            step.unload.is_some(),
            step.start.is_some(),
            step.exec.is_some(),
            step.wait.is_some(),
            step.stop.is_some(),
        ];
        if given.iter().filter(|given| **given).count() != 1 {
            self.checker
                .error(at, "a step is one of load, unload, start, exec, wait, stop");
            return;
        }
        if let Some(id) = step
            .id
            .as_ref()
            .filter(|id| !is_name(&id.value) || id.value.contains('-'))
        {
            self.checker
                .error(id, "a step's id has lower-case letters, digits and `_`");
        }
        let signal = self.signal(step);
        let id = step.id.as_ref().map(|id| id.value.clone());
        if let Some(modules) = &step.load {
            let params: Vec<Text> = step.params.iter().filter_map(|text| self.text(text)).collect();
            for name in modules {
                if let Some(module) = self.module(name) {
                    let kind = StepKind::Load {
                        module,
                        params: params.clone(),
                    };
                    self.push(format!("load_{}", name.value), kind);
                }
            }
        } else if let Some(modules) = &step.unload {
            for name in modules {
                let Some(module) = self.module(name) else { continue };
                let loaded = self.steps.iter().any(
                    |step| matches!(&step.kind, StepKind::Load { module: loaded, .. } if *loaded == module),
                );
                if !loaded {
                    self.checker
                        .error(name, format!("`{}` is not loaded before", name.value));
                }
                self.push(format!("unload_{}", name.value), StepKind::Unload { module });
            }
        } else if let Some(raw) = &step.start {
            let Some(program) = self.program(at, raw) else {
                return;
            };
            let args = raw.args.iter().filter_map(|text| self.text(text)).collect();
            let until = match raw.until.as_ref().map(|until| &until.value) {
                None | Some(RawUntil::Started) => Some(Until::Started),
                Some(RawUntil::Output(text)) => self.text(text).map(Until::Output),
                Some(RawUntil::UdpBound(text)) => self.text(text).map(Until::UdpBound),
                Some(RawUntil::TcpListening(text)) => self.text(text).map(Until::TcpListening),
                Some(RawUntil::Probed(names)) => self.probed(names),
            };
            if let Some(stdin) = &raw.stdin {
                self.checker
                    .error(stdin, "a started program has no standard input");
            }
            let Some(until) = until else { return };
            self.push(
                id.unwrap_or_else(|| default_id(&program)),
                StepKind::Start { program, args, until },
            );
        } else if let Some(raw) = &step.exec {
            let Some(program) = self.program(at, raw) else {
                return;
            };
            let args = raw.args.iter().filter_map(|text| self.text(text)).collect();
            let stdin = raw.stdin.as_ref().and_then(|text| self.text(text));
            if let Some(until) = &raw.until {
                self.checker.error(until, "only a started program has `until`");
            }
            self.push(
                id.unwrap_or_else(|| default_id(&program)),
                StepKind::Exec { program, args, stdin },
            );
        } else if let Some(name) = &step.wait {
            self.started(name);
            let kind = StepKind::Wait {
                step: name.value.clone(),
            };
            self.push(id.unwrap_or_else(|| format!("wait_{}", name.value)), kind);
        } else if let Some(name) = &step.stop {
            self.started(name);
            let kind = StepKind::Stop {
                step: name.value.clone(),
                signal,
            };
            self.push(id.unwrap_or_else(|| format!("stop_{}", name.value)), kind);
        }
    }

    fn push(&mut self, id: String, kind: StepKind) {
        self.steps.push(Step {
            id,
            kind,
            within: self.within,
        });
    }

    fn signal(&mut self, step: &RawStep) -> StopSignal {
        let Some(name) = &step.signal else {
            return StopSignal::Term;
        };
        if step.stop.is_none() {
            self.checker.error(name, "only `stop` has a `signal`");
        }
        match name.value.as_str() {
            "TERM" => StopSignal::Term,
            "INT" => StopSignal::Int,
            _ => {
                self.checker.unknown(name, "signal to stop with", ["TERM", "INT"]);
                StopSignal::Term
            }
        }
    }

    fn probed(&mut self, names: &[Spanned<String>]) -> Option<Until> {
        let is_symbol = |name: &str| {
            !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'))
        };
        for name in names.iter().filter(|name| !is_symbol(&name.value)) {
            self.checker
                .error(name, format!("`{}` is not a function of the kernel", name.value));
            return None;
        }
        Some(Until::Probed(
            names.iter().map(|name| name.value.clone()).collect(),
        ))
    }

    fn text(&mut self, text: &Spanned<String>) -> Option<Text> {
        self.checker
            .text(text, &[&self.names.givens, &self.names.vars], &[])
    }

    fn module(&mut self, name: &Spanned<String>) -> Option<ModuleRef> {
        if self
            .build
            .iter()
            .any(|built| built.name == name.value && built.kind == ArtefactKind::Module)
        {
            return Some(ModuleRef::Student(name.value.clone()));
        }
        if self.around.tool_modules.contains(&name.value) {
            return Some(ModuleRef::Tool(name.value.clone()));
        }
        let built = self
            .build
            .iter()
            .filter(|built| built.kind == ArtefactKind::Module)
            .map(|built| built.name.as_str());
        let known: Vec<&str> = built
            .chain(self.around.tool_modules.iter().map(String::as_str))
            .collect();
        self.checker
            .unknown(name, "kernel module is built or is a guest tool:", known);
        None
    }

    fn program(&mut self, at: &Spanned<RawStep>, raw: &RawProgram) -> Option<Program> {
        match (&raw.program, &raw.command, &raw.script) {
            (Some(name), None, None) => {
                if self
                    .build
                    .iter()
                    .any(|built| built.name == name.value && built.kind == ArtefactKind::Program)
                {
                    return Some(Program::Student(name.value.clone()));
                }
                if self.around.tool_programs.contains(&name.value) {
                    return Some(Program::Tool(name.value.clone()));
                }
                let built = self
                    .build
                    .iter()
                    .filter(|built| built.kind == ArtefactKind::Program)
                    .map(|built| built.name.as_str());
                let known: Vec<&str> = built
                    .chain(self.around.tool_programs.iter().map(String::as_str))
                    .collect();
                self.checker
                    .unknown(name, "program is built or is a guest tool:", known);
                None
            }
            (None, Some(name), None) => Some(Program::Command(name.value.clone())),
            (None, None, Some(path)) => {
                let scripts: Vec<&str> = self
                    .around
                    .workspace
                    .iter()
                    .map(String::as_str)
                    .filter(|known| known.starts_with("commands/"))
                    .collect();
                if !scripts.contains(&path.value.as_str()) {
                    self.checker.unknown(path, "script in the module:", scripts);
                }
                Some(Program::Script(path.value.clone()))
            }
            _ => {
                self.checker
                    .error(at, "a program is one of program, command, script");
                None
            }
        }
    }

    fn started(&mut self, name: &Spanned<String>) {
        let started: Vec<String> = self
            .steps
            .iter()
            .filter(|step| matches!(step.kind, StepKind::Start { .. }))
            .map(|step| step.id.clone())
            .collect();
        if !started.contains(&name.value) {
            self.checker.unknown(
                name,
                "program was started before:",
                started.iter().map(String::as_str),
            );
        }
    }
}

fn default_id(program: &Program) -> String {
    let name = program.name().rsplit('/').next().unwrap_or_default();
    name.split('.').next().unwrap_or_default().replace('-', "_")
}

pub(super) fn facts(
    checker: &mut Checker<'_>,
    raw: Mapping<Spanned<RawFact>>,
    steps: &[Step],
    names: &Names,
    witness: Option<&Witness>,
) -> Vec<Fact> {
    let mut facts = Vec::new();
    for (name, fact) in raw.0 {
        checker.introduce(&name);
        if let Some(kind) = fact_kind(checker, &fact, steps, names, witness) {
            facts.push(Fact {
                name: name.value,
                kind,
            });
        }
    }
    checker.sorted(facts, |fact| fact.name.clone(), |fact| fact.kind.expr())
}

impl FactKind {
    /// The expression that may refer to other facts.
    #[must_use]
    pub fn expr(&self) -> Option<&Expr> {
        match self {
            Self::Dmesg { filter, .. } | Self::Output { filter, .. } => filter.as_ref(),
            Self::Witness(expr) | Self::Events(expr) | Self::Probes(expr) | Self::Value(expr) => Some(expr),
            Self::Struct(_) | Self::Origin(_) => None,
        }
    }
}

/// A source of facts, the name by which a filter calls one of its records, and what such a fact is.
type Testimony = (&'static str, &'static str, fn(Expr) -> FactKind);

/// What the witness tells.
const TESTIMONY: &[Testimony] = &[
    ("witness", "w", FactKind::Witness),
    ("events", "e", FactKind::Events),
    ("probes", "p", FactKind::Probes),
];

fn fact_kind(
    checker: &mut Checker<'_>,
    fact: &Spanned<RawFact>,
    steps: &[Step],
    names: &Names,
    witness: Option<&Witness>,
) -> Option<FactKind> {
    let raw = &fact.value;
    let lists: &[&[String]] = &[&names.givens, &names.keys, &names.vars, &names.facts];
    let with = |more: &'static str| -> Vec<&'static str> { ALWAYS.iter().copied().chain([more]).collect() };
    if let Some(text) = &raw.value {
        if raw.from.is_some() || raw.r#match.is_some() || raw.r#where.is_some() || raw.step.is_some() {
            checker.error(text, "a fact with a `value` has nothing else");
        }
        return checker.expr(text, lists, ALWAYS).map(FactKind::Value);
    }
    let Some(from) = &raw.from else {
        checker.error(fact, "a fact has `from` or `value`");
        return None;
    };
    if let Some((_, variable, kind)) = TESTIMONY.iter().find(|(name, ..)| *name == from.value) {
        match witness {
            None => checker.error(from, "this exercise has no `witness`"),
            Some(witness) if from.value == "events" && !witness.skbs => {
                checker.error(from, "the witness follows no packets without `skbs: true`");
            }
            Some(_) => {}
        }
        let Some(text) = &raw.r#where else {
            checker.error(from, format!("a fact from {} needs `where`", from.value));
            return None;
        };
        return checker.expr(text, lists, &with(variable)).map(*kind);
    }
    if from.value == "btf" {
        let Some(name) = &raw.r#struct else {
            checker.error(from, "a fact from BTF needs the `struct` it is about");
            return None;
        };
        if raw.r#match.is_some() || raw.r#where.is_some() || raw.step.is_some() {
            checker.error(from, "a fact from BTF has `struct` and nothing else");
        }
        return Some(FactKind::Struct(name.value.clone()));
    }
    if from.value == "bugs" {
        let Some(name) = &raw.function else {
            checker.error(from, "a fact from the bug table needs the `function` it is about");
            return None;
        };
        if raw.r#match.is_some() || raw.r#where.is_some() || raw.step.is_some() {
            checker.error(from, "a fact from the bug table has `function` and nothing else");
        }
        return Some(FactKind::Origin(name.value.clone()));
    }
    let filter = match &raw.r#where {
        Some(text) => Some(checker.expr(text, lists, &with("f"))?),
        None => None,
    };
    let pattern = match &raw.r#match {
        None => {
            checker.error(from, format!("a fact from {} needs `match`", from.value));
            return None;
        }
        Some(text) => match Pattern::parse(&text.value) {
            Ok(pattern) => pattern,
            Err(what) => {
                checker.error(text, what);
                return None;
            }
        },
    };
    match from.value.as_str() {
        "dmesg" => {
            if let Some(step) = &raw.step {
                checker.error(step, "the kernel log belongs to no step");
            }
            Some(FactKind::Dmesg {
                pattern,
                prefix: raw.prefix.as_ref().map(|prefix| prefix.value.clone()),
                filter,
            })
        }
        "stdout" | "stderr" => {
            let Some(step) = &raw.step else {
                checker.error(from, "output needs the `step` it comes from");
                return None;
            };
            if !steps.iter().any(|known| known.id == step.value) {
                checker.unknown(step, "step", steps.iter().map(|known| known.id.as_str()));
            }
            Some(FactKind::Output {
                step: step.value.clone(),
                stderr: from.value == "stderr",
                squeeze: raw.squeeze,
                pattern,
                filter,
            })
        }
        _ => {
            checker.unknown(from, "source of facts", FACT_SOURCES.iter().copied());
            None
        }
    }
}
