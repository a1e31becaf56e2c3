//! `labctl run`: something of the course, in a guest of its own, without a verdict.

use crate::cli::args::{FactsFormat, Shape};
use crate::cli::check::{Bench, from_reference, observe};
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::{course, lab, output};
use crate::grade::evidence::{Evidence, StepStatus};
use crate::grade::survey::answer;
use crate::report::facts;
use crate::spec::course::Module;
use crate::spec::exercise::LESSON_SEED;
use crate::spec::suggest::did_you_mean;
use crate::spec::survey::Survey;

pub(super) async fn run(
    context: &Context,
    what: &str,
    shape: &Shape,
    format: FactsFormat,
) -> Result<Exit, Failure> {
    context.reap()?;
    let loaded = course::load(context)?;
    let (module, survey) = find(&loaded.course.modules, what)?;
    let exercise = &survey.experiment;
    let host = lab::host(context, shape).await?;
    let mut ready = lab::ready(
        context,
        &loaded,
        module,
        shape.kernel.as_deref(),
        &exercise.layers,
    )
    .await?;
    lab::refuse_unfit(exercise, &ready.kernel.kernel)?;
    let compiler = lab::equip(&mut ready, &loaded.course.tool_modules).await?;
    let bench = Bench {
        context,
        host: &host,
        ready: &ready,
        compiler: &compiler,
        submission: &from_reference(module, LESSON_SEED)?,
    };
    let (evidence, run_dir) = observe(&bench, exercise).await?;
    if let Some(failure) = incomplete(&evidence) {
        return Err(failure.logs(run_dir.path()).rerun(format!("labctl run {what}")));
    }
    let claims = answer(survey, &evidence)?;
    context.ui.clear();
    let kernel = &ready.kernel.kernel.release;
    let settings = &context.settings;
    let text = match format {
        FactsFormat::Human => facts::human(kernel, &claims, settings.width, settings.colour),
        FactsFormat::Markdown => facts::markdown(kernel, &claims),
        FactsFormat::Json => facts::json(kernel, module.id.as_str(), &claims)?,
    };
    output::result(&text)?;
    Ok(Exit::Done)
}

/// `facts`, of the only module that has some, or `module7/facts`.
fn find<'a>(modules: &'a [Module], what: &str) -> Result<(&'a Module, &'a Survey), Failure> {
    let all = || {
        modules
            .iter()
            .filter_map(|module| Some((module, module.survey.as_ref()?)))
    };
    let mut found: Vec<_> = all()
        .filter(|(_, survey)| survey.experiment.id.as_str() == what || survey.experiment.full_name() == what)
        .collect();
    if found.len() > 1 {
        let names: Vec<_> = found
            .iter()
            .map(|(_, survey)| survey.experiment.full_name())
            .collect();
        return Err(
            Failure::new(Exit::Usage, format!("several modules have `{what}`"))
                .hint(format!("one of: {}", names.join(", "))),
        );
    }
    found.pop().ok_or_else(|| {
        let names: Vec<_> = all().map(|(_, survey)| survey.experiment.full_name()).collect();
        let hint = did_you_mean(what, names.iter().map(String::as_str));
        Failure::new(
            Exit::Usage,
            format!("nothing that can be run is called `{what}`{hint}"),
        )
        .hint(
            "`labctl run facts` asks the kernel about the lesson's claims; exercises are for `labctl check`",
        )
    })
}

/// The part of the experiment that did not come about; without it the answers would be guesses.
fn incomplete(evidence: &Evidence) -> Option<Failure> {
    if let Some(lost) = &evidence.guest_lost {
        return Some(Failure::new(
            Exit::Inconclusive,
            format!("the guest was lost: {}", lost.reason),
        ));
    }
    let step = evidence
        .steps
        .iter()
        .find(|step| !matches!(step.status, StepStatus::Exited(0) | StepStatus::Started))?;
    let why = step.stderr.lines().rfind(|line| !line.trim().is_empty());
    let what = format!(
        "the step `{}` failed{}",
        step.id,
        why.map(|why| format!(": {why}")).unwrap_or_default()
    );
    Some(Failure::new(Exit::Inconclusive, what))
}
