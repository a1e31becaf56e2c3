//! Where this host's packages come from: an option, the environment, the user's configuration, apt's own lists.

use std::time::SystemTime;

use super::config::UserConfig;
use super::context::Context;
use super::failure::Failure;
use crate::apt::{ArchiveConfig, MirrorError, find_mirror};

/// What to do when no mirror can be found.
pub(crate) const HINT: &str =
    "name a Debian mirror: --mirror URL, LABCTL_MIRROR, or `mirror: URL` in the configuration file";

/// All that fetching packages takes.
pub(crate) fn archive_config(context: &Context) -> Result<ArchiveConfig, Failure> {
    let settings = &context.settings;
    let mut config = ArchiveConfig::for_host(
        settings.mirror.clone(),
        settings.search_path.clone(),
        SystemTime::now(),
    );
    config.transport.proxies = settings.proxies.clone();
    config.mirror.configured = UserConfig::read(context)?.mirror;
    Ok(config)
}

/// The address of the mirror, for `doctor`.
pub(super) fn find(context: &Context) -> Result<Result<String, MirrorError>, Failure> {
    let config = archive_config(context)?;
    Ok(find_mirror(&config.mirror).map(|mirrors| format!("{} ({})", mirrors.main.base, mirrors.main.origin)))
}
