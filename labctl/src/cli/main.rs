//! From arguments to exit status: the runtime, the signals, the one place that decides how labctl ends.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser as _;
use tokio::signal::unix::{SignalKind, signal};

use super::args::Cli;
use super::commands;
use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use super::output;
use super::settings::Settings;
use super::ui::Ui;
use crate::supervise::Cancel;

/// The whole program.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // clap knows which of its messages (help, version) are results and which are errors.
            drop(error.print());
            return if error.use_stderr() {
                Exit::Usage.into()
            } else {
                Exit::Done.into()
            };
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            let failure = Failure::new(Exit::Host, "cannot start the asynchronous runtime").because(&error);
            output::error(&failure, false);
            return failure.exit().into();
        }
    };
    let exit = runtime.block_on(run(cli));
    // A blocking thread that still reads a terminal or a download must not hold the exit up.
    runtime.shutdown_background();
    exit.into()
}

async fn run(cli: Cli) -> Exit {
    let settings = match Settings::read(&cli.global) {
        Ok(settings) => settings,
        Err(failure) => {
            output::error(&failure, false);
            return failure.exit();
        }
    };
    let ui = Arc::new(Ui::new(settings.mode));
    let colour = settings.colour;
    let cancel = Cancel::new();
    if let Err(error) = listen_for_signals(cancel.clone(), ui.clone()) {
        let failure = Failure::new(Exit::Host, "cannot listen for signals").because(&error);
        output::error(&failure, colour);
        return failure.exit();
    }
    let context = Context::new(settings, ui.clone(), cancel.clone());
    let result = commands::dispatch(&context, cli.command).await;
    ui.clear();
    match result {
        Ok(exit) => exit,
        Err(failure) => {
            // What fails after a stop was asked for fails because of that, however deep the layer that noticed.
            let failure = if cancel.is_requested() {
                failure.interrupted()
            } else {
                failure
            };
            output::error(&failure, colour);
            failure.exit()
        }
    }
}

/// Turns signals into requests to stop: the first asks for an orderly end, the second for a quick one. Whatever
/// runs decides what that means for it; nothing exits from here.
fn listen_for_signals(cancel: Cancel, ui: Arc<Ui>) -> std::io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
            match cancel.request() {
                crate::supervise::Reason::Interrupted => {
                    ui.events().warn("stopping in order; once more to stop at once");
                }
                crate::supervise::Reason::Killed => ui.events().warn("killing what runs"),
            }
        }
    });
    Ok(())
}
