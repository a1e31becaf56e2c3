//! The command line: arguments in, results on stdout, talk on stderr, one exit status.

mod args;
mod bench;
mod cache;
mod capacity;
mod check;
mod ci;
mod commands;
mod context;
mod course;
mod exit;
mod failure;
mod grade;
mod hints;
mod lab;
mod ladder;
mod main;
mod mirror;
mod output;
mod progress;
mod reporting;
mod settings;
mod ui;
mod watch;

pub use args::Cli;
pub use exit::Exit;
pub use main::main;
