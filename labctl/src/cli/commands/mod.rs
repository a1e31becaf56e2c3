//! One verb, one file.

mod bench;
mod cache;
mod check;
mod completions;
mod dmesg;
mod doctor;
mod down;
mod exec;
mod grade;
mod hint;
mod image;
mod init;
mod kernel;
mod lint;
mod list;
mod lock;
mod merge;
mod pull;
mod push;
mod run;
mod schema;
mod ssh;
mod ssh_config;
mod status;
mod target;
mod up;
mod watch;

use super::args::Command;
use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;

/// Runs one verb.
pub(crate) async fn dispatch(context: &Context, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Doctor { format } => doctor::run(context, format).await,
        Command::List { format } => list::run(context, format),
        Command::Init {
            module,
            dir,
            student,
            course_key,
        } => init::run(
            context,
            &module,
            dir.as_deref(),
            student.as_deref(),
            course_key.as_deref(),
        ),
        Command::Up { module, shape, tools } => {
            up::run(context, module.as_deref(), &shape, &tools.layers()).await
        }
        Command::Status { format } => status::run(context, format),
        Command::Ssh { module, command } => ssh::run(context, module.as_deref(), &command).await,
        Command::SshConfig { module } => ssh_config::run(context, module.as_deref()),
        Command::Exec {
            module,
            fresh,
            shape,
            tools,
            command,
        } => {
            exec::run(
                context,
                module.as_deref(),
                fresh,
                &shape,
                &tools.layers(),
                &command,
            )
            .await
        }
        Command::Push {
            module,
            local,
            remote,
        } => push::run(context, module.as_deref(), &local, &remote).await,
        Command::Pull {
            module,
            remote,
            local,
        } => pull::run(context, module.as_deref(), &remote, &local).await,
        Command::Dmesg { module, follow } => dmesg::run(context, module.as_deref(), follow).await,
        Command::Down { module, all } => down::run(context, module.as_deref(), all).await,
        Command::Check(check) => check::run(context, check).await,
        Command::Grade(grade) => grade::run(context, &grade).await,
        Command::Merge(merge) => merge::run(context, &merge),
        Command::Watch(watch) => watch::run(context, &watch).await,
        Command::Run { what, shape, format } => run::run(context, &what, &shape, format).await,
        Command::Hint {
            exercise,
            workspace,
            format,
        } => hint::run(context, &exercise, workspace.as_deref(), format),
        Command::Lint(lint) => lint::run(context, lint).await,
        Command::Schema {
            kind,
            exercise,
            write,
        } => schema::run(context, kind, exercise.as_deref(), write.as_deref()),
        Command::Lock { what } => lock::run(context, &what).await,
        Command::Kernel(command) => kernel::run(context, command).await,
        Command::Image(command) => image::run(context, command).await,
        Command::Bench(bench) => bench::run(context, bench).await,
        Command::Cache(command) => cache::run(context, command).await,
        Command::Completions { shell } => completions::run(shell),
    }
}
