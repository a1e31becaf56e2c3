//! The user's configuration file: `$XDG_CONFIG_HOME/labctl/config.yaml`.

use fs_err as fs;
use serde::Deserialize;

use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use crate::spec::yaml::Source;
use crate::substitute::{Key, Place, Substitutes};

/// What `github:` stands for, where the configuration names no other forge.
const GITHUB: &str = "https://github.com";

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserConfig {
    /// Base address of a Debian mirror.
    #[serde(default)]
    pub(crate) mirror: Option<String>,
    /// Where kernels and images are taken from ready-made.
    #[serde(default)]
    pub(crate) substitutes: Vec<String>,
    /// Public keys of OpenSSH's whose signatures under them are believed.
    #[serde(default, rename = "substitute-keys")]
    pub(crate) substitute_keys: Vec<String>,
    /// Address of the forge that `github:` stands for.
    #[serde(default)]
    pub(crate) github: Option<String>,
}

impl UserConfig {
    /// The file; what nobody has written says nothing.
    pub(crate) fn read(context: &Context) -> Result<Self, Failure> {
        let file = &context.settings.config_file;
        match fs::read_to_string(file) {
            Ok(text) => Source::new(&file.display().to_string(), &text)
                .read()
                .map_err(|error| Failure::from_error(Exit::Invalid, &error)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Where this command looks for what others have made: the option or its variable, else the configuration.
pub(crate) fn substitutes(
    context: &Context,
    transport: &crate::apt::TransportConfig,
) -> Result<Substitutes, Failure> {
    let settings = &context.settings;
    if settings.no_substitutes {
        return Ok(Substitutes::default());
    }
    let config = UserConfig::read(context)?;
    let file = settings.config_file.display().to_string();
    let (texts, exit, hint) = if settings.substitutes.is_empty() {
        (&config.substitutes, Exit::Invalid, format!("it is in {file}"))
    } else {
        let hint = "it was given with --substitute or in LABCTL_SUBSTITUTES".to_owned();
        (&settings.substitutes, Exit::Usage, hint)
    };
    let forge = config.github.as_deref().unwrap_or(GITHUB);
    let place = |text: &String| {
        Place::parse(text, forge, &settings.current_dir)
            .map_err(|error| Failure::from_error(exit, &error).hint(hint.clone()))
    };
    let places = texts.iter().map(place).collect::<Result<Vec<_>, _>>()?;
    let key = |text: &String| {
        Key::parse(text)
            .map_err(|error| Failure::from_error(Exit::Invalid, &error).hint(format!("it is in {file}")))
    };
    let keys = config
        .substitute_keys
        .iter()
        .map(key)
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Substitutes::new(places, keys, transport))
}
