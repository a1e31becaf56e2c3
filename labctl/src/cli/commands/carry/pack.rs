//! What of a module can be carried elsewhere.

use crate::bundle::{self, BundleError, Manifest};
use crate::cli::args;
use crate::cli::cache::counted;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::{course, lab};
use crate::event::Stage;
use crate::session::{Luggage, Portable, Preparation};

/// What of a module is packed or told.
pub(super) struct Packed {
    pub(super) preparation: Preparation,
    pub(super) portable: Vec<Portable>,
    pub(super) manifest: Manifest,
}

/// Finds or makes what `asked` names, and reads all of it that `wanted` wants.
pub(super) async fn pack(
    context: &Context,
    asked: &args::Luggage,
    packages: bool,
    wanted: fn(&Portable) -> bool,
) -> Result<Packed, Failure> {
    let loaded = course::load(context)?;
    let module = course::choose_module(context, &loaded.course, Some(&asked.module))?.clone();
    let mut kernels = Vec::new();
    for name in &asked.kernels {
        kernels.push(lab::choose_kernel(&module, Some(name))?.to_owned());
    }
    if kernels.is_empty() {
        kernels.push(module.kernel.clone());
    }
    let preparation = lab::preparation(context)?;
    lab::blocking(move || {
        let luggage = Luggage {
            module: &module,
            files: &loaded.files,
            kernels: &kernels,
            packages,
        };
        let mut portable = preparation.portable(&luggage)?;
        portable.retain(wanted);
        let manifest = list(&preparation, &portable)?;
        Ok(Packed {
            preparation,
            portable,
            manifest,
        })
    })
    .await
}

/// Reads every entry that is to be packed.
fn list(preparation: &Preparation, portable: &[Portable]) -> Result<Manifest, Failure> {
    let (store, cancel) = (&preparation.store, &preparation.cancel);
    let events = &preparation.events;
    events.started(Stage::Store, format!("reading {}", counted(portable.len())));
    let mut listed = Vec::new();
    for one in portable {
        let gone = || BundleError::Unfit {
            entry: format!("{}/{}", one.bucket, one.id),
            what: "it is not in the store any more".to_owned(),
        };
        let entry = store.get(one.bucket, &one.id.to_string())?.ok_or_else(gone)?;
        listed.push(bundle::describe(
            one.bucket,
            one.id,
            &one.what,
            &entry,
            &|_| {},
            cancel,
        )?);
    }
    Ok(Manifest::new(listed)?)
}
