//! From the shape of an exercise file to a checked [`Exercise`]; every mistake is found in one go.

use std::collections::BTreeMap;

use super::catalogue::PREDICTION;
use super::error::{SpecError, SpecErrors};
use super::exercise::{Artefact, ArtefactKind, Draw, DrawKind, Exercise, Witness};
use super::expr::Expr;
use super::ids::{ExerciseId, MistakeId, ModuleId, is_name, is_variable};
use super::order::by_needs;
use super::raw::{RawDraw, RawExercise};
use super::suggest::did_you_mean;
use super::text::Text;
use super::yaml::{Mapping, Origin, Source, Spanned};
use super::{figure, validate_checks, validate_run, validate_worksheet};

/// What an exercise may refer to outside of its own file.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// Kernel modules of `guest-tools/`.
    pub tool_modules: Vec<String>,
    /// Programs of `guest-tools/`.
    pub tool_programs: Vec<String>,
    /// Sources that every workspace of the module has.
    pub workspace: Vec<String>,
    /// Ids in the module's catalogue of mistakes.
    pub mistakes: Vec<String>,
}

/// Reads and checks `exercises/<id>.yaml`.
///
/// # Errors
/// Every mistake in the file, each with its place.
pub fn exercise(source: &Source, module: &ModuleId, around: &Surroundings) -> Result<Exercise, SpecErrors> {
    let raw: RawExercise = source.read()?;
    let mut checker = Checker::new(source, &around.mistakes);
    let id = raw.id.clone();
    let exercise = checker.exercise(raw, module, around);
    if exercise
        .as_ref()
        .is_some_and(|exercise| exercise.max_points() == 0)
    {
        checker.error(&id, "no blank and no check gives points");
    }
    let errors = checker.errors;
    match exercise {
        Some(exercise) => SpecErrors::check(errors, exercise),
        None => match SpecErrors::check(errors, ()) {
            Err(errors) => Err(errors),
            Ok(()) => Err(source.error(1, 1, "cannot be used").into()),
        },
    }
}

/// Collects mistakes while a file is checked.
pub(super) struct Checker<'a> {
    pub(super) source: &'a Source,
    pub(super) errors: Vec<SpecError>,
    /// Every variable's name and where it was introduced.
    variables: BTreeMap<String, Origin>,
    /// Ids in the module's catalogue of mistakes.
    catalogue: &'a [String],
}

/// Names that expressions may use, by where they come from.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    pub(super) givens: Vec<String>,
    pub(super) keys: Vec<String>,
    pub(super) vars: Vec<String>,
    pub(super) facts: Vec<String>,
}

impl Names {
    pub(super) fn of(raw: &RawExercise) -> Self {
        let vars = raw
            .draw
            .0
            .iter()
            .map(|(name, _)| name)
            .chain(raw.vars.0.iter().map(|(name, _)| name));
        Self {
            givens: raw.givens.0.iter().map(|(name, _)| name.value.clone()).collect(),
            keys: raw.worksheet.iter().map(|blank| blank.id.value.clone()).collect(),
            vars: vars.map(|name| name.value.clone()).collect(),
            facts: raw.facts.0.iter().map(|(name, _)| name.value.clone()).collect(),
        }
    }
}

/// Names that checks and facts have in every exercise.
pub(super) const ALWAYS: &[&str] = &["steps", "near", "log_lost", "witness_lost", "answers"];

impl<'a> Checker<'a> {
    pub(super) fn new(source: &'a Source, catalogue: &'a [String]) -> Self {
        Self {
            source,
            errors: Vec::new(),
            variables: BTreeMap::new(),
            catalogue,
        }
    }

    pub(super) fn exercise(
        &mut self,
        raw: RawExercise,
        module: &ModuleId,
        around: &Surroundings,
    ) -> Option<Exercise> {
        let id = ExerciseId::new(&raw.id.value);
        if id.is_none() {
            self.error(
                &raw.id,
                format!("`{}` is not a name for an exercise", raw.id.value),
            );
        }
        let expected = self
            .source
            .file()
            .rsplit('/')
            .next()
            .and_then(|name| name.strip_suffix(".yaml"));
        if expected.is_some_and(|expected| expected != raw.id.value) {
            self.error(
                &raw.id,
                format!("the id has to be the file's name, not `{}`", raw.id.value),
            );
        }
        let names = Names::of(&raw);

        let hints = raw
            .hints
            .iter()
            .filter_map(|text| self.text(text, &[&names.givens], &[]))
            .collect();
        let givens = self.givens(raw.givens);
        let require = raw
            .require
            .iter()
            .filter_map(|text| self.expr(text, &[&names.givens], &[]))
            .collect();
        let worksheet = self.worksheet(raw.worksheet, &names);
        let draws = self.draws(raw.draw);
        let vars = self.vars(raw.vars, &names);
        let build = self.build(raw.build, around);
        let has_tools = around.tool_modules.iter().any(|tool| tool == "witness")
            && around.tool_programs.iter().any(|tool| tool == "tracer");
        if raw.witness.is_some() && !has_tools {
            self.error(&raw.id, "a witness needs the guest tools `witness` and `tracer`");
        }
        let witness = raw.witness.map(|witness| {
            for comm in witness
                .comms
                .iter()
                .filter(|comm| comm.value.is_empty() || comm.value.len() > 15)
            {
                self.error(comm, "a process name has 1 to 15 bytes");
            }
            Witness {
                comms: witness.comms.into_iter().map(|comm| comm.value).collect(),
                stacks: witness.stacks,
                skbs: witness.skbs,
            }
        });
        for need in raw.needs.iter().filter(|need| !is_name(&need.value)) {
            self.error(
                need,
                "a needed kernel feature is a name like kprobes, from a kernel.yaml",
            );
        }
        let mut layers = Vec::new();
        for layer in raw.layers {
            if !is_name(&layer.value) {
                self.error(
                    &layer,
                    "a layer is a name like trace, from the module's image.yaml",
                );
            }
            if layers.contains(&layer.value) {
                self.error(&layer, format!("the layer `{}` is named twice", layer.value));
            }
            layers.push(layer.value);
        }
        // The order of the disks is part of the initramfs: the same layers give the same one.
        layers.sort();
        let run = validate_run::run(self, raw.run, &build, around, &names);
        let facts = validate_run::facts(self, raw.facts, &run, &names, witness.as_ref());
        let mut exercise = Exercise {
            id: id?,
            module: module.clone(),
            title: raw.title,
            summary: raw.summary,
            hints,
            needs: raw.needs.into_iter().map(|need| need.value).collect(),
            layers,
            givens,
            require,
            worksheet,
            draws,
            vars,
            build,
            witness,
            run,
            facts,
            checks: Vec::new(),
            figures: Vec::new(),
        };
        exercise.checks = validate_checks::checks(self, raw.checks, &exercise, &names);
        exercise.figures = figure::figures(self, raw.figures, &exercise.checks, &names);
        Some(exercise)
    }

    fn givens(&mut self, raw: Mapping<super::raw::RawGiven>) -> Vec<super::givens::Given> {
        let mut givens = Vec::new();
        for (name, given) in raw.0 {
            self.introduce(&name);
            givens.extend(validate_worksheet::given(self, &name, &given));
        }
        givens
    }

    fn worksheet(&mut self, raw: Vec<super::raw::RawBlank>, names: &Names) -> Vec<super::answers::Blank> {
        let mut blanks = Vec::new();
        for blank in raw {
            self.introduce(&blank.id);
            blanks.extend(validate_worksheet::blank(self, blank, names));
        }
        let find = |name: &String| {
            blanks
                .iter()
                .position(|blank: &super::answers::Blank| blank.id.as_str() == name)
        };
        if let Err(index) = by_needs(blanks.len(), |index| {
            blanks[index].key.free().iter().filter_map(find).collect()
        }) {
            let error = blanks[index]
                .key
                .origin()
                .error(format!("the key of `{}` needs itself", blanks[index].id));
            self.errors.push(error);
        }
        blanks
    }

    fn draws(&mut self, raw: Mapping<Spanned<RawDraw>>) -> Vec<Draw> {
        let mut draws = Vec::new();
        for (name, draw) in raw.0 {
            self.introduce(&name);
            let kind = match draw.value {
                RawDraw::Hex(digits) if (1..=64).contains(&digits) => DrawKind::Hex(digits),
                RawDraw::Integer(low, high) if low <= high => DrawKind::Integer(low, high),
                RawDraw::Port => DrawKind::Port,
                RawDraw::Hex(_) => {
                    self.error(&draw, "1 to 64 hex digits can be drawn");
                    continue;
                }
                RawDraw::Integer(..) => {
                    self.error(&draw, "the range is empty");
                    continue;
                }
            };
            draws.push(Draw {
                name: name.value,
                kind,
            });
        }
        draws
    }

    fn vars(&mut self, raw: Mapping<Spanned<String>>, names: &Names) -> Vec<(String, Expr)> {
        let mut vars = Vec::new();
        for (name, text) in raw.0 {
            self.introduce(&name);
            if let Some(expr) = self.expr(&text, &[&names.givens, &names.vars], &[]) {
                vars.push((name.value, expr));
            }
        }
        self.sorted(vars, |(name, _)| name.clone(), |(_, expr)| Some(expr))
    }

    /// Sorts named expressions so that each comes after those it uses.
    pub(super) fn sorted<T: Clone>(
        &mut self,
        items: Vec<T>,
        name: impl Fn(&T) -> String,
        expr: impl Fn(&T) -> Option<&Expr>,
    ) -> Vec<T> {
        let names: Vec<String> = items.iter().map(&name).collect();
        let needs = |index: usize| -> Vec<usize> {
            let free = expr(&items[index])
                .map(|expr| expr.free().clone())
                .unwrap_or_default();
            free.iter()
                .filter_map(|free| names.iter().position(|name| name == free))
                .collect()
        };
        match by_needs(items.len(), needs) {
            Ok(order) => order.into_iter().map(|index| items[index].clone()).collect(),
            Err(index) => {
                if let Some(expr) = expr(&items[index]) {
                    let error = expr.origin().error(format!("`{}` needs itself", names[index]));
                    self.errors.push(error);
                }
                items
            }
        }
    }

    fn build(&mut self, raw: super::raw::RawBuild, around: &Surroundings) -> Vec<Artefact> {
        let modules = raw
            .modules
            .0
            .into_iter()
            .map(|entry| (ArtefactKind::Module, entry));
        let programs = raw
            .programs
            .0
            .into_iter()
            .map(|entry| (ArtefactKind::Program, entry));
        let mut artefacts: Vec<Artefact> = Vec::new();
        for (kind, (name, sources)) in modules.chain(programs) {
            if !is_name(&name.value) || name.value.len() > 15 {
                self.error(
                    &name,
                    format!("`{}` is not a name for a program or module", name.value),
                );
            }
            if artefacts.iter().any(|artefact| artefact.name == name.value) {
                self.error(&name, format!("`{}` is built twice", name.value));
            }
            if sources.is_empty() {
                self.error(&name, format!("`{}` has no sources", name.value));
            }
            for source in &sources {
                let path = &source.value;
                if !around.workspace.contains(path) {
                    self.unknown(
                        source,
                        "source in the module:",
                        around.workspace.iter().map(String::as_str),
                    );
                }
            }
            let sources = sources.into_iter().map(|source| source.value).collect();
            artefacts.push(Artefact {
                name: name.value,
                kind,
                sources,
            });
        }
        artefacts
    }

    /// Registers a variable; its name must be new.
    pub(super) fn introduce(&mut self, name: &Spanned<String>) {
        if !is_variable(&name.value) {
            let why = "is not a name for a variable (lower-case letters, digits and `_`, not reserved)";
            self.error(name, format!("`{}` {why}", name.value));
            return;
        }
        let origin = self.source.origin(name);
        if let Some(first) = self.variables.get(&name.value) {
            let what = format!("`{}` is already used at line {}", name.value, first.line);
            self.error(name, what);
            return;
        }
        self.variables.insert(name.value.clone(), origin);
    }

    /// Records a mistake.
    pub(super) fn error<T>(&mut self, at: &Spanned<T>, what: impl Into<String>) {
        let error = self.source.at(at, what);
        self.errors.push(error);
    }

    /// Compiles an expression and checks its names.
    pub(super) fn expr(
        &mut self,
        text: &Spanned<String>,
        lists: &[&[String]],
        more: &[&str],
    ) -> Option<Expr> {
        match Expr::compile(self.source, text) {
            Ok(expr) => {
                self.errors.extend(expr.check_names(|| known(lists, more)));
                Some(expr)
            }
            Err(errors) => {
                self.errors.extend(errors);
                None
            }
        }
    }

    /// Compiles a text and checks the names in its holes.
    pub(super) fn text(
        &mut self,
        text: &Spanned<String>,
        lists: &[&[String]],
        more: &[&str],
    ) -> Option<Text> {
        match Text::compile(self.source, text) {
            Ok(compiled) => {
                for hole in compiled.holes() {
                    self.errors.extend(hole.check_names(|| known(lists, more)));
                }
                Some(compiled)
            }
            Err(errors) => {
                self.errors.extend(errors);
                None
            }
        }
    }

    /// A mistake's id.
    pub(super) fn mistake_id(&mut self, id: &Spanned<String>) -> Option<MistakeId> {
        let checked = MistakeId::new(&id.value);
        if checked.is_none() {
            self.error(id, format!("`{}` is not a name for a mistake", id.value));
        }
        if id.value.starts_with(PREDICTION) && !self.catalogue.contains(&id.value) {
            let catalogue = self.catalogue;
            self.unknown(
                id,
                "mistake in the module's mistakes.yaml:",
                catalogue.iter().map(String::as_str),
            );
        }
        checked
    }

    /// A mistake about a name that is not among `known`.
    pub(super) fn unknown<'k>(
        &mut self,
        at: &Spanned<String>,
        what: &str,
        known: impl IntoIterator<Item = &'k str>,
    ) {
        let hint = did_you_mean(&at.value, known);
        self.error(at, format!("no {what} `{}`{hint}", at.value));
    }
}

fn known<'k>(lists: &[&'k [String]], more: &[&'k str]) -> Vec<&'k str> {
    lists
        .iter()
        .flat_map(|list| list.iter().map(String::as_str))
        .chain(more.iter().copied())
        .collect()
}
