//! `images/<name>/image.yaml`: what an image is meant to hold. Which bytes that means is the lock's business.

use std::collections::{BTreeMap, BTreeSet};

use lab_deb::{Follow, Request};
use lab_disk::{InvalidPath, TreePath};
use schemars::JsonSchema;
use serde::Deserialize;

/// A checked description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSpec {
    /// One sentence for `image ls`.
    pub about: String,
    pub base: BaseSpec,
    /// Read-only tool layers by name.
    pub layers: BTreeMap<String, LayerSpec>,
    /// Packages whose closure has `mkfs.erofs` and a shell in it; needed only to build layers.
    pub layer_tools: Vec<String>,
}

/// The initramfs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseSpec {
    pub packages: Vec<String>,
    /// Packages that others depend on and that the image does without.
    pub leave_out: BTreeSet<String>,
    /// The files to take. The libraries that they need come along; nothing else does.
    pub programs: Vec<TreePath>,
    /// The program among them that is busybox: each of its applets gets a link.
    pub applets: Option<TreePath>,
    /// Link -> target.
    pub links: BTreeMap<TreePath, String>,
    /// Folders besides those that every guest needs, with their modes.
    pub directories: BTreeMap<TreePath, u32>,
}

/// One tool layer: whole packages but for what is dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerSpec {
    pub packages: Vec<String>,
    pub leave_out: BTreeSet<String>,
    /// Files and folders that stay behind; a last part `*.x` stands for every such file in that folder or below.
    pub drop: Vec<String>,
    /// Link -> target: what maintainer scripts would have left, such as Debian's alternatives.
    pub links: BTreeMap<TreePath, String>,
}

/// The file as written.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RawImageSpec {
    about: String,
    base: RawBase,
    #[serde(default)]
    layers: BTreeMap<String, RawLayer>,
    #[serde(default)]
    layer_tools: Vec<String>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawBase {
    packages: Vec<String>,
    #[serde(default)]
    leave_out: BTreeSet<String>,
    programs: Vec<String>,
    applets: Option<String>,
    #[serde(default)]
    links: BTreeMap<String, String>,
    #[serde(default)]
    directories: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawLayer {
    packages: Vec<String>,
    #[serde(default)]
    leave_out: BTreeSet<String>,
    #[serde(default)]
    drop: Vec<String>,
    #[serde(default)]
    links: BTreeMap<String, String>,
}

/// What is wrong with a description although it can be parsed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    #[error(transparent)]
    Path(#[from] InvalidPath),
    #[error("`{mode}` is not a mode of `{path}` (octal digits in quotes, such as \"0700\")")]
    Mode { path: String, mode: String },
    #[error("`{applets}` gives the applets but is not one of the programs")]
    Applets { applets: TreePath },
    #[error("the layer name `{name}` has other characters than small letters, digits and `-`")]
    LayerName { name: String },
    #[error("there are layers but no `layer-tools` to make them with")]
    NoLayerTools,
}

impl TryFrom<RawImageSpec> for ImageSpec {
    type Error = SpecError;

    fn try_from(raw: RawImageSpec) -> Result<Self, SpecError> {
        if !raw.layers.is_empty() && raw.layer_tools.is_empty() {
            return Err(SpecError::NoLayerTools);
        }
        let mut layers = BTreeMap::new();
        for (name, layer) in raw.layers {
            let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            // The name becomes part of a path and of an overlay option inside the guest.
            if name.is_empty() || !name.chars().all(fine) {
                return Err(SpecError::LayerName { name });
            }
            let RawLayer {
                packages,
                leave_out,
                drop,
                links,
            } = layer;
            layers.insert(
                name,
                LayerSpec {
                    packages,
                    leave_out,
                    drop,
                    links: checked_links(links)?,
                },
            );
        }
        Ok(Self {
            about: raw.about,
            base: raw.base.check()?,
            layers,
            layer_tools: raw.layer_tools,
        })
    }
}

fn checked_links(links: BTreeMap<String, String>) -> Result<BTreeMap<TreePath, String>, InvalidPath> {
    let checked = |(link, target): (String, String)| Ok((TreePath::parse(&link)?, target));
    links.into_iter().map(checked).collect()
}

impl RawBase {
    fn check(self) -> Result<BaseSpec, SpecError> {
        let path = |text: &String| TreePath::parse(text);
        let programs = self.programs.iter().map(path).collect::<Result<Vec<_>, _>>()?;
        let applets = self.applets.as_ref().map(path).transpose()?;
        if let Some(applets) = &applets
            && !programs.contains(applets)
        {
            let applets = applets.clone();
            return Err(SpecError::Applets { applets });
        }
        let links = checked_links(self.links)?;
        let mut directories = BTreeMap::new();
        for (path, mode) in self.directories {
            let bits = u32::from_str_radix(&mode, 8).ok().filter(|bits| *bits <= 0o7777);
            let Some(bits) = bits else {
                return Err(SpecError::Mode { path, mode });
            };
            directories.insert(TreePath::parse(&path)?, bits);
        }
        Ok(BaseSpec {
            packages: self.packages,
            leave_out: self.leave_out,
            programs,
            applets,
            links,
            directories,
        })
    }
}

impl ImageSpec {
    /// Name of the set of packages in the lock that the initramfs is made of.
    pub const BASE_SET: &str = "base";
    /// Name of the set that layers are made with.
    pub const TOOLS_SET: &str = "mkfs";

    /// Name of a layer's set in the lock.
    pub fn layer_set(name: &str) -> String {
        format!("layer-{name}")
    }

    /// What `labctl lock` has to resolve: set -> request.
    pub fn requests(&self) -> BTreeMap<String, Request> {
        let request = |packages: &[String], leave_out: &BTreeSet<String>| Request {
            packages: packages.to_vec(),
            exclude: leave_out.clone(),
            follow: Follow::Dependencies,
        };
        let mut sets = BTreeMap::new();
        sets.insert(
            Self::BASE_SET.to_owned(),
            request(&self.base.packages, &self.base.leave_out),
        );
        for (name, layer) in &self.layers {
            sets.insert(Self::layer_set(name), request(&layer.packages, &layer.leave_out));
        }
        if !self.layer_tools.is_empty() {
            let leave_out = crate::toolchain::LEFT_OUT
                .iter()
                .map(ToString::to_string)
                .collect();
            sets.insert(Self::TOOLS_SET.to_owned(), request(&self.layer_tools, &leave_out));
        }
        sets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ImageSpec, SpecError> {
        ImageSpec::try_from(serde_yaml::from_str::<RawImageSpec>(text).unwrap())
    }

    const BASE: &str = "about: a\nbase:\n  packages: [busybox-static]\n  programs: [usr/bin/busybox]\n";

    #[test]
    fn the_courses_image_is_sound() {
        let spec = parse(include_str!("../../../images/module7/image.yaml")).unwrap();
        assert!(spec.requests().contains_key("base"));
        assert!(!spec.base.programs.is_empty());
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let extra = |text: &str| parse(&format!("{BASE}{text}"));
        assert!(extra("").is_ok());
        assert!(matches!(
            extra("  applets: usr/bin/other\n"),
            Err(SpecError::Applets { .. })
        ));
        assert!(matches!(
            extra("  directories: {root: \"0900\"}\n"),
            Err(SpecError::Mode { .. })
        ));
        assert!(matches!(
            extra("  links: {\"../x\": y}\n"),
            Err(SpecError::Path(_))
        ));
        assert!(matches!(
            extra("layers: {t: {packages: [perf]}}\n"),
            Err(SpecError::NoLayerTools)
        ));
        assert!(matches!(
            extra("layer-tools: [x]\nlayers: {\"a:b\": {packages: [perf]}}\n"),
            Err(SpecError::LayerName { .. })
        ));
    }

    #[test]
    fn every_layer_is_a_set_of_its_own() {
        let spec = parse(&format!(
            "{BASE}layer-tools: [erofs-utils]\nlayers: {{tools: {{packages: [perf]}}}}\n"
        ))
        .unwrap();
        let sets: Vec<_> = spec.requests().into_keys().collect();
        assert_eq!(sets, ["base", "layer-tools", "mkfs"]);
    }
}
