//! The command line of `labctl cache`.

use clap::{Subcommand, ValueEnum};

use super::Format;

/// A part of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Part {
    /// Packages as downloaded.
    Debs,
    /// Unpacked packages that compilers and other tools run in.
    Roots,
    /// Built or unpacked kernels.
    Kernels,
    /// Initramfs archives and tool layers.
    Images,
    /// Compiled modules and programs.
    Artefacts,
    /// Frozen guests.
    Templates,
    /// What is being made, or was interrupted and can be resumed.
    Staging,
}

#[derive(Debug, Subcommand)]
pub enum CacheCommand {
    /// List what the store holds, what it takes on the disk, and when it was last used.
    Ls {
        /// Only these parts, and then every entry of them.
        #[arg(value_enum, value_name = "PART")]
        parts: Vec<Part>,
        /// For people, or for programs.
        #[arg(long, value_enum, default_value_t = Format::Human)]
        format: Format,
    },
    /// Remove what was not used for a while. What this course's locks name, what a guest or another labctl uses stays.
    Gc {
        /// The time without use after which an entry goes: `30d`, `12h`, `0s`.
        #[arg(long, value_name = "TIME", default_value = "30d", value_parser = humantime::parse_duration)]
        older_than: std::time::Duration,
        /// Only in these parts of the store.
        #[arg(long = "bucket", value_enum, value_name = "PART")]
        parts: Vec<Part>,
        /// Say what would be removed, and remove nothing.
        #[arg(long)]
        dry_run: bool,
        /// For people, or for programs.
        #[arg(long, value_enum, default_value_t = Format::Human)]
        format: Format,
    },
    /// Read everything again and name what is damaged.
    Verify {
        /// Only these parts.
        #[arg(value_enum, value_name = "PART")]
        parts: Vec<Part>,
        /// Remove what is damaged; it is made again when it is needed.
        #[arg(long)]
        repair: bool,
        /// For people, or for programs.
        #[arg(long, value_enum, default_value_t = Format::Human)]
        format: Format,
    },
}
