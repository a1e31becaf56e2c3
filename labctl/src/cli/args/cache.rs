//! The command line of `labctl cache`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::Format;
use crate::digest::Digest;

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

/// What of a module is meant.
#[derive(Debug, Args)]
pub struct Luggage {
    /// The module.
    #[arg(long = "for", value_name = "MODULE")]
    pub module: String,
    /// These kernels of those that the module runs on, instead of its own.
    #[arg(long = "kernel", value_name = "NAME")]
    pub kernels: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Export {
    #[command(flatten)]
    pub luggage: Luggage,
    /// Also every package that kernels and images are made from, so that they can be made again there.
    #[arg(long)]
    pub with_packages: bool,
    /// Write a file and a description for each kernel, compiler and image into this folder, as `--substitute` takes them.
    // Not called like the global option: clap knows both by the names of their fields.
    #[arg(long = "substitutes", value_name = "DIR", conflicts_with_all = ["bundle", "with_packages"])]
    pub folder: Option<PathBuf>,
    /// For people, or for programs.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
    /// The file to write, such as `module7.tar.zst`.
    #[arg(required_unless_present = "folder")]
    pub bundle: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Import {
    /// The file that `labctl cache export` wrote.
    pub bundle: PathBuf,
    /// The digest that `labctl cache export` printed: refuse any other file.
    #[arg(long, value_name = "HEX")]
    pub sha256: Option<Digest>,
    /// For people, or for programs.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

#[derive(Debug, Args)]
pub struct DigestOf {
    #[command(flatten)]
    pub luggage: Luggage,
    /// Write them beside the locks of the course, as `substitute.lock`: what they name is then taken ready-made.
    #[arg(long)]
    pub write: bool,
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
    /// Pack everything that a module needs into one file, for hosts without a network.
    Export(Export),
    /// Unpack such a file into the store, once every byte of it was checked.
    Import(Import),
    /// Say by which digests kernels, compilers and tool layers are recognised, wherever they were made.
    Digest(DigestOf),
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
