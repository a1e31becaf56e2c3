//! `labctl lock`: the only writer of lock files.

use fs_err as fs;

use crate::apt::{LockRequest, resolve, signed_index};
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::{course, lab, output};
use crate::session::{ImageRecipe, KernelRecipe, recipe_names};

pub(super) async fn run(context: &Context, what: &[String]) -> Result<Exit, Failure> {
    let loaded = course::load(context)?;
    let Some(dir) = loaded.dir.clone() else {
        return Err(
            Failure::new(Exit::Usage, "the course built into labctl cannot be locked anew")
                .hint("run this in the folder of a course, or name it with --course DIR"),
        );
    };
    let mut wanted: Vec<(String, LockRequest)> = Vec::new();
    for name in recipe_names(&loaded.files, "kernels", "kernel.yaml") {
        let recipe = KernelRecipe::read(&loaded.files, &name)?;
        wanted.push((recipe.lock_file(), recipe.request()));
    }
    for name in recipe_names(&loaded.files, "images", "image.yaml") {
        let recipe = ImageRecipe::read(&loaded.files, &name)?;
        wanted.push((recipe.lock_file(), recipe.request()));
    }
    if !what.is_empty() {
        for name in what {
            if !wanted
                .iter()
                .any(|(file, _)| file.rsplit_once('/').is_some_and(|(folder, _)| folder == name))
            {
                let known: Vec<_> = wanted
                    .iter()
                    .filter_map(|(file, _)| Some(file.rsplit_once('/')?.0))
                    .collect();
                return Err(
                    Failure::new(Exit::Usage, format!("there is nothing to lock called `{name}`"))
                        .hint(format!("one of: {}", known.join(", "))),
                );
            }
        }
        wanted.retain(|(file, _)| what.iter().any(|name| file.starts_with(&format!("{name}/"))));
    }
    let preparation = lab::preparation(context)?;
    let written = lab::blocking(move || {
        let mut indexes = std::collections::BTreeMap::new();
        let mut locks = Vec::new();
        for (file, request) in wanted {
            if !indexes.contains_key(&request.suite) {
                let index = signed_index(
                    &request.suite,
                    &preparation.archive,
                    &preparation.store,
                    &preparation.events,
                    &preparation.cancel,
                )?;
                indexes.insert(request.suite.clone(), index);
            }
            let Some(index) = indexes.get(&request.suite) else {
                continue;
            };
            let resolved = resolve(&request, index)?;
            for remark in &resolved.remarks {
                preparation.events.note(format!("{file}: {remark}"));
            }
            locks.push((file, resolved.lock));
        }
        Ok(locks)
    })
    .await?;
    context.ui.clear();
    let mut text = String::new();
    for (file, lock) in written {
        let path = dir.join(&file);
        let new = lock.to_text();
        let changed = fs::read_to_string(&path).ok().as_deref() != Some(&new);
        if changed {
            fs::write(&path, new)?;
        }
        let (count, size) = (lock.packages.len(), lock.total_size() >> 20);
        let changed = if changed { "written" } else { "unchanged" };
        text.push_str(&format!("{changed:<9} {file} ({count} packages, {size} MiB)\n"));
    }
    output::result(&text)?;
    Ok(Exit::Done)
}
