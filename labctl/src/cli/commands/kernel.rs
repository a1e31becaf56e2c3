//! `labctl kernel`.

use std::fmt::Write as _;

use serde::Serialize;

use crate::cli::args::{Format, KernelCommand};
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::{course, lab, output};
use crate::session::{Comparison, KernelRecipe, Preparation, recipe_names};
use crate::store::Bucket;

#[derive(Serialize)]
struct Listed {
    name: String,
    about: String,
    built: bool,
    features: Vec<String>,
}

pub(super) async fn run(context: &Context, command: KernelCommand) -> Result<Exit, Failure> {
    match command {
        KernelCommand::Build { name, verify } => build(context, &name, verify).await,
        KernelCommand::Ls { format } => list(context, format),
    }
}

async fn build(context: &Context, name: &str, verify: bool) -> Result<Exit, Failure> {
    let loaded = course::load_modules(context, None)?;
    let recipe = KernelRecipe::read(&loaded.files, name)?;
    let lock = recipe.lock(&loaded.files)?;
    let preparation = lab::preparation(context)?;
    let name = name.to_owned();
    if verify {
        let compared: Comparison = lab::blocking(move || {
            let elsewhere = preparation.store.stage("verify")?;
            Ok(preparation.verify_kernel(&recipe, &lock, elsewhere.path())?)
        })
        .await?;
        let mut text = String::new();
        for path in &compared.differing {
            // Writing to a `String` cannot fail.
            let _ = writeln!(text, "{:<9} {path}", "DIFFERS");
        }
        let same = compared.paths - compared.differing.len();
        let _ = writeln!(text, "{:<9} {same} of {} paths", "same", compared.paths);
        context.ui.clear();
        output::result(&text)?;
        return Ok(if compared.differing.is_empty() {
            Exit::Done
        } else {
            Exit::NotPassed
        });
    }
    let kernel = lab::blocking(move || Ok(preparation.kernel(&recipe, &lock)?))
        .await?
        .kernel;
    context.ui.clear();
    output::result(&format!("{name} {} sha256:{}\n", kernel.release, kernel.id))?;
    Ok(Exit::Done)
}

fn list(context: &Context, format: Format) -> Result<Exit, Failure> {
    let loaded = course::load_modules(context, None)?;
    let store = context.store()?;
    let mut listed = Vec::new();
    for name in recipe_names(&loaded.files, "kernels", "kernel.yaml") {
        let recipe = KernelRecipe::read(&loaded.files, &name)?;
        let id = recipe
            .lock(&loaded.files)
            .ok()
            .map(|lock| Preparation::kernel_id(&recipe, &lock, &store));
        let built = match id {
            Some(id) => store
                .get(Bucket::Kernels, &id.to_string())
                .is_ok_and(|entry| entry.is_some()),
            None => false,
        };
        let features = recipe.spec.features.keys().cloned().collect();
        listed.push(Listed {
            name,
            about: recipe.spec.about,
            built,
            features,
        });
    }
    let text = match format {
        Format::Json => {
            serde_json::to_string_pretty(
                &serde_json::json!({"schema": "labctl/kernels/v1", "kernels": listed}),
            )? + "\n"
        }
        Format::Human => listed.iter().fold(String::new(), |mut text, kernel| {
            let state = if kernel.built { "built" } else { "-" };
            let _ = writeln!(text, "{:<14} {state:<6} {}", kernel.name, kernel.about);
            text
        }),
    };
    output::result(&text)?;
    Ok(Exit::Done)
}
