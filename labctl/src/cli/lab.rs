//! From a module to a guest, with the settings of this command line.

use super::args::{AccelChoice, Shape as Asked};
use super::context::Context;
use super::course::{self, Loaded};
use super::exit::Exit;
use super::failure::Failure;
use super::mirror::archive_config;
use crate::accel::{self, HostKvm};
use crate::apt::Strictness;
use crate::cbuild::Compiler;
use crate::kernel::Kernel;
use crate::sandbox::Bubblewrap;
use crate::session::{
    Bootable, Host, ImageRecipe, KernelRecipe, Lab, Preparation, PreparedKernel, Shape, Templates, Tools,
    owned_name,
};
use crate::spec::course::Module;
use crate::spec::exercise::Exercise;
use crate::spec::suggest::did_you_mean;
use crate::vm::{self, Lease, Qemu};

/// The host's side of every guest.
pub(crate) async fn host(context: &Context, shape: &Asked) -> Result<Host, Failure> {
    let settings = &context.settings;
    let qemu = Qemu::find(vm::PROGRAM, &settings.search_path)?;
    let choice = match shape.accel {
        AccelChoice::Auto => accel::AccelChoice::Auto,
        AccelChoice::Kvm => accel::AccelChoice::Kvm,
        AccelChoice::Tcg => accel::AccelChoice::Tcg,
    };
    let kvm = HostKvm::here();
    let accel = accel::choose(choice, &kvm, &qemu, &settings.cache_dir, &context.cancel).await?;
    Ok(Host {
        qemu,
        accel,
        instances: settings.instances_dir(),
        templates: if shape.no_template {
            None
        } else {
            Some(Templates::new(context.store()?))
        },
    })
}

/// What making ready takes.
pub(crate) fn preparation(context: &Context) -> Result<Preparation, Failure> {
    Ok(Preparation {
        store: context.store()?,
        archive: archive_config(context)?,
        strictness: if context.settings.locked {
            Strictness::Locked
        } else {
            Strictness::Drift
        },
        bubblewrap: Bubblewrap::find(&context.settings.search_path)?,
        events: context.events.clone(),
        cancel: context.cancel.clone(),
    })
}

/// The kernel that was asked for, if the module may run on it; else the module's own.
pub(crate) fn choose_kernel<'a>(module: &'a Module, asked: Option<&'a str>) -> Result<&'a str, Failure> {
    let Some(asked) = asked else {
        return Ok(&module.kernel);
    };
    if asked == module.kernel || module.kernels.iter().any(|name| name == asked) {
        return Ok(asked);
    }
    let others: Vec<_> = std::iter::once(&module.kernel)
        .chain(&module.kernels)
        .map(String::as_str)
        .collect();
    Err(Failure::new(
        Exit::Usage,
        format!(
            "{} does not run on the kernel `{asked}`{}",
            module.id,
            did_you_mean(asked, others.iter().copied())
        ),
    )
    .hint(format!("it runs on: {}", others.join(", "))))
}

/// Everything that a module's guests boot from and its sources are compiled with.
#[derive(Clone)]
pub(crate) struct Ready {
    pub(crate) preparation: Preparation,
    pub(crate) kernel: PreparedKernel,
    pub(crate) bootable: Bootable,
}

/// Finds or makes kernel and image.
pub(crate) async fn ready(
    context: &Context,
    loaded: &Loaded,
    module: &Module,
    kernel: Option<&str>,
    layers: &[String],
) -> Result<Ready, Failure> {
    let name = choose_kernel(module, kernel)?;
    let kernel_recipe = KernelRecipe::read(&loaded.files, name)?;
    let kernel_lock = kernel_recipe.lock(&loaded.files)?;
    let image_recipe = ImageRecipe::read(&loaded.files, &module.image)?;
    refuse_unknown(layers, &image_recipe)?;
    let image_lock = image_recipe.lock(&loaded.files)?;
    let preparation = preparation(context)?;
    let shape = shape(module);
    let layers = layers.to_vec();
    blocking(move || {
        let kernel = preparation.kernel(&kernel_recipe, &kernel_lock)?;
        let bootable = preparation.bootable(&image_recipe, &image_lock, &kernel, &layers, shape)?;
        Ok(Ready {
            preparation,
            kernel,
            bootable,
        })
    })
    .await
}

/// Layers that were asked for and that the image does not have, before anything is made for them.
fn refuse_unknown(layers: &[String], image: &ImageRecipe) -> Result<(), Failure> {
    let known = || image.spec.layers.keys().map(String::as_str);
    let Some(unknown) = layers
        .iter()
        .find(|layer| !image.spec.layers.contains_key(*layer))
    else {
        return Ok(());
    };
    let meant = did_you_mean(unknown, known());
    let what = format!("the image `{}` has no tool layer `{unknown}`{meant}", image.name);
    let hint = match known().collect::<Vec<_>>().join(", ") {
        none if none.is_empty() => "leave --layers out: it has none".to_owned(),
        names => format!("it has: {names}"),
    };
    Err(Failure::new(Exit::Usage, what).hint(hint))
}

/// The same kernel under the same image with other tool layers.
pub(crate) async fn with_layers(
    loaded: &Loaded,
    module: &Module,
    ready: &Ready,
    layers: &[String],
) -> Result<Ready, Failure> {
    let recipe = ImageRecipe::read(&loaded.files, &module.image)?;
    let lock = recipe.lock(&loaded.files)?;
    let shape = shape(module);
    let (ready, layers) = (ready.clone(), layers.to_vec());
    blocking(move || {
        let mut bootable = ready
            .preparation
            .bootable(&recipe, &lock, &ready.kernel, &layers, shape)?;
        bootable.tools = ready.bootable.tools.clone();
        Ok(Ready { bootable, ..ready })
    })
    .await
}

fn shape(module: &Module) -> Shape {
    Shape {
        cpus: module.vm.cpus,
        memory: module.vm.memory_mib,
        module: module.id.to_string(),
    }
}

/// Makes the toolchain ready, compiles labctl's own modules for the kernel, and has every guest that boots from
/// `ready` begin with them.
pub(crate) async fn equip(ready: &mut Ready, tool_modules: &[String]) -> Result<Compiler, Failure> {
    let (preparation, kernel) = (ready.preparation.clone(), ready.kernel.clone());
    let names = tool_modules.to_vec();
    let (compiler, tools) = blocking(move || {
        let compiler = preparation.compiler(&kernel)?;
        let modules = preparation.own_modules(&kernel.kernel, &compiler, &names)?;
        let programs = preparation.own_programs()?;
        Ok((compiler, Tools { programs, modules }))
    })
    .await?;
    ready.bootable.tools = tools;
    Ok(compiler)
}

/// Runs blocking work beside the runtime, so that signals and progress go on.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

/// Boots a guest that lives for this command only.
pub(crate) async fn boot_owned(
    context: &Context,
    module: Option<&str>,
    shape: &Asked,
    layers: &[String],
    what: &str,
) -> Result<Lab, Failure> {
    let loaded = course::load_modules(context, module)?;
    let module = course::choose_module(context, &loaded.course, module)?;
    let host = host(context, shape).await?;
    let mut ready = ready(context, &loaded, module, shape.kernel.as_deref(), layers).await?;
    equip(&mut ready, &loaded.course.tool_modules).await?;
    boot(context, &host, &ready.bootable, what).await
}

/// Boots a guest that is this labctl's own.
pub(crate) async fn boot(
    context: &Context,
    host: &Host,
    bootable: &Bootable,
    what: &str,
) -> Result<Lab, Failure> {
    let name = owned_name(what, &format!("{:08x}", rand::random::<u32>()));
    let lease = Lease::try_take(&host.instances, &name, what)?;
    Ok(Lab::start(host, bootable, &name, lease, &context.cancel, &context.events).await?)
}

/// An exercise that this kernel cannot run, by the name of what is missing.
pub(crate) fn refuse_unfit(exercise: &Exercise, kernel: &Kernel) -> Result<(), Failure> {
    let missing: Vec<_> = exercise
        .needs
        .iter()
        .filter(|need| !kernel.features.contains(*need))
        .map(String::as_str)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let what = format!(
        "{} needs what the kernel {} lacks: {}",
        exercise.id,
        kernel.name,
        missing.join(", ")
    );
    Err(Failure::new(Exit::Host, what).hint("leave --kernel out to run it on the module's own kernel"))
}
