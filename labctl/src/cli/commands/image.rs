//! `labctl image`.

use std::fmt::Write as _;

use crate::cli::args::{Format, ImageCommand};
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::{course, lab, output};
use crate::session::{ImageRecipe, recipe_names};

pub(super) async fn run(context: &Context, command: ImageCommand) -> Result<Exit, Failure> {
    match command {
        ImageCommand::Build { name, verify } => build(context, &name, verify).await,
        ImageCommand::Ls { format } => list(context, format),
    }
}

async fn build(context: &Context, name: &str, verify: bool) -> Result<Exit, Failure> {
    let loaded = course::load_modules(context, None)?;
    let recipe = ImageRecipe::read(&loaded.files, name)?;
    let lock = recipe.lock(&loaded.files)?;
    let preparation = lab::preparation(context)?;
    let lines = lab::blocking(move || Ok(preparation.image(&recipe, &lock, verify)?)).await?;
    context.ui.clear();
    let mut text = String::new();
    for built in &lines {
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "{built}");
    }
    output::result(&text)?;
    let differs = lines.iter().any(|built| built.reproduced == Some(false));
    Ok(if differs { Exit::NotPassed } else { Exit::Done })
}

fn list(context: &Context, format: Format) -> Result<Exit, Failure> {
    let loaded = course::load_modules(context, None)?;
    let mut images = Vec::new();
    for name in recipe_names(&loaded.files, "images", "image.yaml") {
        let recipe = ImageRecipe::read(&loaded.files, &name)?;
        let layers: Vec<_> = recipe.spec.layers.keys().cloned().collect();
        images.push(serde_json::json!({"name": name, "about": recipe.spec.about, "layers": layers}));
    }
    let text = match format {
        Format::Json => {
            serde_json::to_string_pretty(
                &serde_json::json!({"schema": "labctl/images/v1", "images": images}),
            )? + "\n"
        }
        Format::Human => images.iter().fold(String::new(), |mut text, image| {
            let field = |name: &str| image[name].as_str().unwrap_or_default().to_owned();
            let _ = writeln!(text, "{:<14} {}", field("name"), field("about"));
            text
        }),
    };
    output::result(&text)?;
    Ok(Exit::Done)
}
