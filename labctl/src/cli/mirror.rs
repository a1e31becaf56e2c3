//! Where this host's packages come from: an option, the environment, the user's configuration, apt's own lists.

use std::time::SystemTime;

use fs_err as fs;
use serde::Deserialize;

use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use crate::apt::{ArchiveConfig, MirrorError, find_mirror};
use crate::spec::yaml::Source;

/// What to do when no mirror can be found.
pub(crate) const HINT: &str =
    "name a Debian mirror: --mirror URL, LABCTL_MIRROR, or `mirror: URL` in the configuration file";

/// The user's configuration file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct UserConfig {
    #[serde(default)]
    mirror: Option<String>,
}

/// All that fetching packages takes.
pub(crate) fn archive_config(context: &Context) -> Result<ArchiveConfig, Failure> {
    let settings = &context.settings;
    let mut config = ArchiveConfig::for_host(
        settings.mirror.clone(),
        settings.search_path.clone(),
        SystemTime::now(),
    );
    config.transport.proxies = settings.proxies.clone();
    config.mirror.configured = match fs::read_to_string(&settings.config_file) {
        Ok(text) => {
            let source = Source::new(&settings.config_file.display().to_string(), &text);
            let parsed: UserConfig = source
                .read()
                .map_err(|error| Failure::from_error(Exit::Invalid, &error))?;
            parsed.mirror
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(error.into()),
    };
    Ok(config)
}

/// The address of the mirror, for `doctor`.
pub(super) fn find(context: &Context) -> Result<Result<String, MirrorError>, Failure> {
    let config = archive_config(context)?;
    Ok(find_mirror(&config.mirror).map(|mirrors| format!("{} ({})", mirrors.main.base, mirrors.main.origin)))
}
