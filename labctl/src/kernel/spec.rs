//! `kernels/<name>/kernel.yaml`: what a kernel is meant to be. Which bytes that means is the lock's business.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::config::Config;

/// A checked description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelSpec {
    /// One sentence for `kernel ls`.
    pub about: String,
    /// Built here, or taken as packaged.
    pub origin: Origin,
    /// Words for the kernel's command line that this kernel needs on top of the machine's own.
    pub command_line: Vec<String>,
    /// What exercises may ask for, and the config symbols that prove it.
    pub features: BTreeMap<String, Vec<String>>,
}

/// Where a kernel comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Compiled in the sandbox.
    Source(Source),
    /// Unpacked from the distribution's packages.
    Packaged(Packaged),
}

/// A kernel built from source.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Source {
    /// The package that holds the source as `usr/src/<package>.tar.xz`.
    pub package: String,
    /// The Kconfig target that gives every symbol its value before the fragments speak.
    pub base: Base,
    /// What `uname -r` shows after the version.
    pub localversion: String,
    /// Fragment files beside the description.
    pub fragments: Vec<String>,
    /// The compiler's package, `gcc-14`.
    pub compiler: String,
    /// The packages whose closure is the toolchain's root, compiler included.
    pub toolchain: Vec<String>,
    /// What a clean build costs.
    pub cost: Cost,
}

/// The configuration under the fragments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Base {
    /// Everything off that can be off: a kernel then has what its fragments ask for and what that needs, nothing else.
    Allnoconfig,
}

/// Measured once, so that a build can say how far it is and how long it will take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Cost {
    /// Objects that `make` compiles.
    pub objects: u32,
    /// Processor seconds, user and system, of a clean build on the machine it was measured on.
    pub cpu_seconds: u32,
}

/// A kernel taken from its distribution.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Packaged {
    /// The package that depends on the current image (`linux-image-cloud-amd64`).
    pub image: String,
    /// The package that depends on the headers for out-of-tree modules.
    pub headers: String,
    /// The compiler that the headers were made for, `gcc-14`.
    pub compiler: String,
    /// The packages whose closure is the toolchain's root, compiler included.
    pub toolchain: Vec<String>,
    /// Modules the initramfs has to load; what they depend on is found in the modules themselves.
    pub modules: Vec<String>,
}

/// The file as written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RawKernelSpec {
    about: String,
    source: Option<Source>,
    packaged: Option<Packaged>,
    #[serde(default)]
    command_line: Vec<String>,
    features: BTreeMap<String, Vec<String>>,
}

/// What is wrong with a description although it can be parsed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// Both `source` and `packaged`, or neither.
    #[error("a kernel has exactly one of `source` and `packaged`")]
    Origin,
    /// A feature nobody could disprove.
    #[error("feature `{feature}` names no config symbol that proves it")]
    Unproved {
        /// The feature.
        feature: String,
    },
    /// A symbol without its prefix, or not a symbol.
    #[error("feature `{feature}`: `{symbol}` is not a config symbol (`CONFIG_…`)")]
    NotASymbol {
        /// The feature.
        feature: String,
        /// What was written.
        symbol: String,
    },
}

impl TryFrom<RawKernelSpec> for KernelSpec {
    type Error = SpecError;

    fn try_from(raw: RawKernelSpec) -> Result<Self, SpecError> {
        let origin = match (raw.source, raw.packaged) {
            (Some(source), None) => Origin::Source(source),
            (None, Some(packaged)) => Origin::Packaged(packaged),
            _ => return Err(SpecError::Origin),
        };
        for (feature, symbols) in &raw.features {
            if symbols.is_empty() {
                return Err(SpecError::Unproved {
                    feature: feature.clone(),
                });
            }
            if let Some(symbol) = symbols.iter().find(|symbol| !symbol.starts_with("CONFIG_")) {
                return Err(SpecError::NotASymbol {
                    feature: feature.clone(),
                    symbol: symbol.clone(),
                });
            }
        }
        Ok(Self {
            about: raw.about,
            origin,
            command_line: raw.command_line,
            features: raw.features,
        })
    }
}

/// A feature that the description promises and the kernel's config does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the description offers `{feature}`, but {symbol} is not set in the kernel's config")]
pub struct Unproved {
    /// The feature.
    pub feature: String,
    /// The first symbol that is missing.
    pub symbol: String,
}

impl KernelSpec {
    /// The features of `needed` that this kernel does not offer, in the order asked.
    #[must_use]
    pub fn missing<'a>(&self, needed: &'a [String]) -> Vec<&'a str> {
        needed
            .iter()
            .map(String::as_str)
            .filter(|name| !self.features.contains_key(*name))
            .collect()
    }

    /// Holds every promised feature against the config of the kernel that was built or unpacked.
    ///
    /// # Errors
    /// [`Unproved`] with the first feature that the config does not bear out.
    pub fn prove(&self, config: &Config) -> Result<(), Unproved> {
        for (feature, symbols) in &self.features {
            if let Some(symbol) = symbols.iter().find(|symbol| !config.offers(symbol)) {
                return Err(Unproved {
                    feature: feature.clone(),
                    symbol: symbol.clone(),
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::fragments::Requests;

    fn parse(text: &str) -> Result<KernelSpec, SpecError> {
        let raw: RawKernelSpec = serde_yaml::from_str(text).unwrap();
        KernelSpec::try_from(raw)
    }

    const LAB: &str = include_str!("../../../kernels/lab-6.12/kernel.yaml");
    const DEBIAN: &str = include_str!("../../../kernels/debian-6.12/kernel.yaml");

    fn lab_requests(source: &Source) -> Requests {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../kernels/lab-6.12/");
        let mut requests = Requests::default();
        for name in &source.fragments {
            let text = std::fs::read_to_string(format!("{folder}{name}")).unwrap();
            requests.add(name, &text).unwrap();
        }
        requests
    }

    #[test]
    fn the_course_kernels_fragments_prove_every_feature_it_offers() {
        let spec = parse(LAB).unwrap();
        let Origin::Source(source) = &spec.origin else {
            panic!("lab-6.12 is built from source")
        };
        let asked = Config::parse(&lab_requests(source).to_config());
        assert_eq!(spec.prove(&asked), Ok(()));
    }

    #[test]
    fn every_fragment_beside_the_description_is_used() {
        let spec = parse(LAB).unwrap();
        let Origin::Source(source) = &spec.origin else {
            panic!("lab-6.12 is built from source")
        };
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../kernels/lab-6.12/");
        let mut found: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".config"))
            .collect();
        found.sort();
        let mut used = source.fragments.clone();
        used.sort();
        assert_eq!(found, used);
    }

    #[test]
    fn the_packaged_kernel_lacks_what_the_lesson_needs_from_the_course_kernel() {
        let debian = parse(DEBIAN).unwrap();
        let needed = ["kprobes".to_owned(), "kprobe-events-notrace".to_owned()];
        assert_eq!(debian.missing(&needed), ["kprobe-events-notrace"]);
        assert!(parse(LAB).unwrap().missing(&needed).is_empty());
    }

    #[test]
    fn a_promise_the_config_does_not_keep_is_named() {
        let spec = parse(DEBIAN).unwrap();
        let error = spec.prove(&Config::default()).unwrap_err();
        let first = spec.features.keys().next().unwrap();
        assert_eq!(&error.feature, first);
    }

    #[test]
    fn exactly_one_origin() {
        assert_eq!(parse("about: x\nfeatures: {}\n"), Err(SpecError::Origin));
    }

    #[test]
    fn a_feature_needs_a_proof() {
        let packaged =
            "about: x\npackaged: {image: a, headers: b, compiler: gcc-14, toolchain: [], modules: []}\n";
        assert_eq!(
            parse(&format!("{packaged}features: {{perf: []}}\n")),
            Err(SpecError::Unproved {
                feature: "perf".into()
            })
        );
        assert_eq!(
            parse(&format!("{packaged}features: {{perf: [PERF_EVENTS]}}\n")),
            Err(SpecError::NotASymbol {
                feature: "perf".into(),
                symbol: "PERF_EVENTS".into()
            })
        );
    }
}
