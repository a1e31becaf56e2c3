//! The command line, as clap reads it. One variant per verb; what a verb does is in `commands/<verb>.rs`.

mod cache;
mod grade;
mod report;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use cache::{CacheCommand, DigestOf, Export, Import, Luggage, Part};
pub(crate) use grade::{ClassFormat, Engine, Grade, Merge};
pub(crate) use report::{ReportFile, ReportFormat, Reporting};

/// Reproducible QEMU labs for Linux kernel courses.
#[derive(Debug, Parser)]
#[command(name = "labctl", version, arg_required_else_help = true, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "\
Exit status:
    0  passed, or done
    1  an exercise was not passed
    2  the command line is wrong
    3  the course, the workspace or a lock is invalid
    4  this host cannot do it; the message has the fix
    5  inconclusive: the infrastructure failed
   70  a bug in labctl
  130  interrupted
`exec` and `ssh` end with the status of the program in the guest.";

const WATCH_KEYS: &str = "\
Keys:
  h  the next hint
  n  the next exercise that is not passed yet
  r  run again
  q  quit";

/// What every verb takes.
#[derive(Debug, Args)]
pub struct Global {
    /// Show warnings, errors and results only.
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Colour and progress bars.
    #[arg(long, value_enum, default_value_t = Colour::Auto, global = true, value_name = "WHEN")]
    pub color: Colour,
    /// Base address of a Debian mirror; by default the one that this host's apt uses.
    #[arg(
        long,
        env = "LABCTL_MIRROR",
        global = true,
        value_name = "URL",
        hide_env_values = true
    )]
    pub mirror: Option<String>,
    /// The folder with `labs.yaml`; by default found upward from here, else the course built in.
    #[arg(
        long,
        env = "LABCTL_COURSE",
        global = true,
        value_name = "DIR",
        hide_env_values = true
    )]
    pub course: Option<PathBuf>,
    /// Make a package that the mirror no longer has an error, instead of taking its successor.
    #[arg(long, global = true)]
    pub locked: bool,
    /// A folder, a server or `github:OWNER/REPOSITORY@TAG` with kernels and images ready-made, instead of those in the
    /// configuration file; several, or separated by commas.
    #[arg(
        long = "substitute",
        env = "LABCTL_SUBSTITUTES",
        global = true,
        value_name = "URL|DIR",
        value_delimiter = ',',
        hide_env_values = true
    )]
    pub substitutes: Vec<String>,
    /// Make everything here.
    #[arg(long, global = true)]
    pub no_substitutes: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Human,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FactsFormat {
    Human,
    /// A table to be pasted between `<!-- facts:begin -->` and `<!-- facts:end -->`.
    Markdown,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AccelChoice {
    /// KVM where a guest has proved it on this host, else TCG.
    Auto,
    /// The processor's virtualisation; an error where it cannot run a guest.
    Kvm,
    /// Emulation: slower, and works everywhere.
    Tcg,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check what this host can do, and say how to mend what it cannot.
    Doctor {
        /// For people, or for programs.
        #[arg(long, value_enum, default_value_t = Format::Human)]
        format: Format,
    },
    /// List modules, exercises and running guests.
    List {
        /// For people, or for programs.
        #[arg(long, value_enum, default_value_t = Format::Human)]
        format: Format,
    },
    /// Write a module's workspace: skeletons, answer sheets.
    Init {
        /// The module, such as `module7`.
        module: String,
        /// Where to; by default a folder named like the module.
        dir: Option<PathBuf>,
        /// Whose it is: the worksheets get this student's own numbers.
        #[arg(long, value_name = "NAME", requires = "course_key")]
        student: Option<String>,
        /// The secret that every student's own seed is derived from.
        #[arg(
            long,
            value_name = "FILE",
            env = "LABCTL_COURSE_KEY_FILE",
            hide_env_values = true
        )]
        course_key: Option<PathBuf>,
    },
    /// Build what a module needs and leave its guest running.
    Up {
        /// The module; may be left out where the course has only one, or in a workspace.
        module: Option<String>,
        #[command(flatten)]
        shape: Shape,
        #[command(flatten)]
        tools: Tools,
    },
    /// Say how the running guests are.
    Status {
        /// For people, or for programs.
        #[arg(long, value_enum, default_value_t = Format::Human)]
        format: Format,
    },
    /// Open a terminal in a guest, or run one command there.
    Ssh {
        /// The guest's module; may be left out when only one guest runs.
        module: Option<String>,
        /// The command and its arguments; a login shell without them.
        #[arg(last = true)]
        command: Vec<String>,
    },
    /// Print a configuration that lets ssh, scp, sftp, rsync and editors in.
    SshConfig {
        /// The guest's module; may be left out when only one guest runs.
        module: Option<String>,
    },
    /// Run a program in a guest: its input, output, errors and exit status are this command's.
    Exec {
        /// The guest's module; may be left out when only one guest runs.
        module: Option<String>,
        /// In a guest that lives for this command only.
        #[arg(long)]
        fresh: bool,
        #[command(flatten)]
        shape: Shape,
        #[command(flatten)]
        tools: Tools,
        /// The program and its arguments.
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Copy files or folders into a guest.
    Push {
        /// The guest's module.
        #[arg(long, short)]
        module: Option<String>,
        /// What to copy.
        #[arg(required = true)]
        local: Vec<PathBuf>,
        /// The file or folder in the guest.
        remote: String,
    },
    /// Copy a file or folder out of a guest.
    Pull {
        /// The guest's module.
        #[arg(long, short)]
        module: Option<String>,
        /// The file or folder in the guest.
        remote: String,
        /// Where to; by default here.
        #[arg(default_value = ".")]
        local: PathBuf,
    },
    /// Print a guest's kernel log, as the host recorded it from the first line.
    Dmesg {
        /// The guest's module; may be left out when only one guest runs.
        module: Option<String>,
        /// Go on printing new lines until interrupted or until the guest ends.
        #[arg(long, short)]
        follow: bool,
    },
    /// Stop a guest.
    Down {
        /// The guest's module; may be left out when there is only one guest.
        module: Option<String>,
        /// Stop every guest.
        #[arg(long, conflicts_with = "module")]
        all: bool,
    },
    /// Run and grade exercises: `exercise-b`, `module7/exercise-b`, or all of `module7`.
    Check(Check),
    /// Grade a class: a folder of submissions, each in guests of its own.
    #[command(after_help = grade::GRADE_HELP)]
    Grade(Grade),
    /// Put the results of a class's parts together.
    Merge(Merge),
    /// Check an exercise again at every save, and show what that has changed.
    #[command(after_help = WATCH_KEYS)]
    Watch(Watch),
    /// Run something of the course in a guest of its own: `facts` asks the kernel about the lesson's claims.
    Run {
        /// `facts` or `MODULE/facts`.
        what: String,
        #[command(flatten)]
        shape: Shape,
        #[arg(long, value_enum, default_value_t = FactsFormat::Human)]
        format: FactsFormat,
    },
    /// Say one step more about an exercise that you are stuck in.
    Hint {
        /// The exercise.
        exercise: String,
        /// The workspace; by default the one found upward from here.
        #[arg(long, value_name = "DIR")]
        workspace: Option<PathBuf>,
        #[arg(long, value_enum, default_value_t = Format::Human)]
        format: Format,
    },
    /// For authors: check that a course is what it promises, down to every known wrong answer.
    Lint(Lint),
    /// For authors: print the JSON Schema of a kind of file, for an editor.
    Schema {
        /// The kind of file; a list of them by default.
        kind: Option<SchemaKind>,
        /// For `answers`: whose.
        #[arg(value_name = "EXERCISE")]
        exercise: Option<String>,
        /// Write all of them into this folder, as `<kind>.json`.
        #[arg(long, value_name = "DIR", conflicts_with_all = ["kind", "exercise"])]
        write: Option<PathBuf>,
    },
    /// Resolve the packages of kernels and images anew and write their lock files.
    Lock {
        /// `kernels/NAME` or `images/NAME`; all of them by default.
        what: Vec<String>,
    },
    /// Build or list kernels.
    #[command(subcommand)]
    Kernel(KernelCommand),
    /// Build or list images.
    #[command(subcommand)]
    Image(ImageCommand),
    /// Look after the store: what can be made again, on this host's disk.
    #[command(subcommand)]
    Cache(CacheCommand),
    /// Measure how quick guests are on this host: boot, restore, check, several at once.
    Bench(Bench),
    /// Print a completion script for a shell.
    Completions {
        /// The shell that is to read it.
        shell: clap_complete::Shell,
    },
}

/// Which guest.
#[derive(Debug, Clone, Args)]
pub struct Shape {
    /// One of the kernels that the module may run on.
    #[arg(long, value_name = "NAME")]
    pub kernel: Option<String>,
    /// How the guest's processor is provided.
    #[arg(long, value_enum, env = "LABCTL_ACCEL", default_value_t = AccelChoice::Auto, hide_env_values = true)]
    pub accel: AccelChoice,
    /// Boot every guest instead of going on from a frozen one.
    #[arg(long)]
    pub no_template: bool,
}

/// Which tools a guest has besides busybox.
#[derive(Debug, Clone, Args)]
pub struct Tools {
    /// Tool layers of the module's image, such as `trace,net`.
    #[arg(long = "layers", value_name = "NAMES", value_delimiter = ',')]
    names: Vec<String>,
}

impl Tools {
    /// Each layer once, in the order in which the disks are attached.
    pub fn layers(&self) -> Vec<String> {
        let mut names = self.names.clone();
        names.sort();
        names.dedup();
        names
    }
}

#[derive(Debug, Args)]
pub struct Check {
    /// Exercises or modules; in a workspace, its module by default.
    pub exercises: Vec<String>,
    #[command(flatten)]
    pub shape: Shape,
    /// Grade this workspace; by default the one found upward from here.
    #[arg(long, value_name = "DIR", conflicts_with = "reference")]
    pub workspace: Option<PathBuf>,
    /// Grade the solution that ships with the course.
    #[arg(long)]
    pub reference: bool,
    /// Grade a recorded run again, without a guest.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["workspace", "reference"])]
    pub from: Option<PathBuf>,
    /// Other numbers for the worksheets than the lesson's.
    #[arg(long, value_name = "TEXT")]
    pub seed: Option<String>,
    #[command(flatten)]
    pub(crate) reporting: Reporting,
}

#[derive(Debug, Args)]
pub struct Bench {
    /// The module whose guests are measured; in a workspace its own, else the first of the course.
    pub module: Option<String>,
    /// The exercise whose check is measured; by default the first that needs a guest.
    #[arg(long, value_name = "NAME")]
    pub exercise: Option<String>,
    /// How often each thing is measured.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub runs: u32,
    /// How many guests at once.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub clones: u32,
    /// One of the kernels that the module may run on.
    #[arg(long, value_name = "NAME")]
    pub kernel: Option<String>,
    /// Only this accelerator; by default those that this host has, side by side.
    #[arg(long, value_enum, env = "LABCTL_ACCEL", default_value_t = AccelChoice::Auto, hide_env_values = true)]
    pub accel: AccelChoice,
    /// For people, or for programs.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

#[derive(Debug, Args)]
pub struct Watch {
    /// The exercise; by default the first of the workspace that is not passed yet.
    pub exercise: Option<String>,
    #[command(flatten)]
    pub shape: Shape,
    /// The workspace; by default the one found upward from here.
    #[arg(long, value_name = "DIR")]
    pub workspace: Option<PathBuf>,
    /// Look at the files twice a second: where this host is not told of changes, as in a folder shared with another.
    #[arg(long)]
    pub poll: bool,
}

#[derive(Debug, Args)]
pub struct Lint {
    /// A module or an exercise; the whole course by default.
    #[arg(value_name = "MODULE|EXERCISE")]
    pub what: Option<String>,
    /// How many seeds to try: the lesson's numbers and others.
    #[arg(long, value_name = "N", default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub seeds: u32,
    /// Also run the solution, the skeleton and every mutant in guests; a host that cannot is an error.
    #[arg(long)]
    pub live: bool,
    #[command(flatten)]
    pub shape: Shape,
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum SchemaKind {
    /// `labs.yaml`.
    Course,
    /// `labs/<module>/exercises/<id>.yaml`.
    Exercise,
    /// `labs/<module>/mutants/<id>.yaml`.
    Mutant,
    /// `labs/<module>/mistakes.yaml`.
    Mistakes,
    /// `kernels/<name>/kernel.yaml`.
    Kernel,
    /// `images/<name>/image.yaml`.
    Image,
    /// `answers/<exercise>.yaml` in a workspace.
    Answers,
    /// `workspace.yaml`.
    Workspace,
    /// What `check --format json` prints.
    Result,
    /// What `grade --format json` prints.
    Class,
}

#[derive(Debug, Subcommand)]
pub enum KernelCommand {
    /// Build or unpack a kernel into the store.
    Build {
        /// As `labctl kernel ls` lists it.
        name: String,
        /// Build it a second time elsewhere and compare the bytes.
        #[arg(long)]
        verify: bool,
    },
    /// List the course's kernels and whether they are built.
    Ls {
        /// For people, or for programs.
        #[arg(long, value_enum, default_value_t = Format::Human)]
        format: Format,
    },
}

#[derive(Debug, Subcommand)]
pub enum ImageCommand {
    /// Assemble an image into the store.
    Build {
        /// As `labctl image ls` lists it.
        name: String,
        /// Assemble it a second time elsewhere and compare the bytes.
        #[arg(long)]
        verify: bool,
    },
    /// List the course's images and whether they are built.
    Ls {
        /// For people, or for programs.
        #[arg(long, value_enum, default_value_t = Format::Human)]
        format: Format,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
