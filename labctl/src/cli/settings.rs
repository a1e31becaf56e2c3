//! Everything labctl takes from its surroundings: environment, terminal, folders. Read once, here.

use std::env;
use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use super::args::{Colour, Global};
use super::ci::Ci;
use super::exit::Exit;
use super::failure::Failure;
use super::ui::Mode;
use crate::apt::Proxies;

/// The surroundings.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// What can be made again: `$XDG_CACHE_HOME/labctl`.
    pub(crate) cache_dir: PathBuf,
    /// Guests and recorded runs: `$XDG_STATE_HOME/labctl`.
    pub(crate) state_dir: PathBuf,
    /// Where runs are recorded.
    pub(crate) runs_dir: PathBuf,
    /// The user's configuration file, whether it exists or not.
    pub(crate) config_file: PathBuf,
    pub(crate) current_dir: PathBuf,
    pub(crate) search_path: OsString,
    pub(crate) mirror: Option<String>,
    pub(crate) course: Option<PathBuf>,
    pub(crate) locked: bool,
    pub(crate) proxies: Proxies,
    pub(crate) colour: bool,
    pub(crate) mode: Mode,
    /// Results go to a terminal on which something can be drawn over.
    pub(crate) redraws: bool,
    /// Somebody may be at the keyboard.
    pub(crate) keys: bool,
    /// The kind of terminal, for the guest's programs.
    pub(crate) term: String,
    /// What a CI server says of the job that this is.
    pub(crate) ci: Ci,
    /// Columns of the terminal that results go to; 100 without one.
    pub(crate) width: usize,
}

impl Settings {
    pub(crate) fn read(global: &Global) -> Result<Self, Failure> {
        let current_dir = env::current_dir()
            .map_err(|error| Failure::new(Exit::Host, "the current folder cannot be read").because(&error))?;
        let stdout_is_terminal = std::io::stdout().is_terminal();
        let no_colour = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = env::var_os("TERM").is_none_or(|term| term == "dumb");
        let auto = stdout_is_terminal && !no_colour && !dumb;
        let mode = if global.quiet {
            Mode::Quiet
        } else if std::io::stderr().is_terminal() && !dumb && global.color != Colour::Never {
            Mode::Bars
        } else {
            Mode::Lines
        };
        let width = rustix::termios::tcgetwinsize(std::io::stdout())
            .map(|size| usize::from(size.ws_col))
            .ok()
            .filter(|columns| *columns >= 40)
            .unwrap_or(100);
        let state_dir = xdg("XDG_STATE_HOME", ".local/state")?;
        Ok(Self {
            cache_dir: xdg("XDG_CACHE_HOME", ".cache")?,
            runs_dir: state_dir.join("runs"),
            state_dir,
            config_file: xdg("XDG_CONFIG_HOME", ".config")?.join("config.yaml"),
            current_dir,
            search_path: env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into()),
            mirror: global.mirror.clone(),
            course: global.course.clone(),
            locked: global.locked,
            proxies: proxies(|name| env::var(name).ok()),
            colour: match global.color {
                Colour::Auto => auto,
                Colour::Always => true,
                Colour::Never => false,
            },
            mode,
            redraws: stdout_is_terminal && !dumb && global.color != Colour::Never,
            keys: std::io::stdin().is_terminal(),
            term: env::var("TERM").unwrap_or_else(|_| "dumb".to_owned()),
            ci: Ci::read(|name| env::var(name).ok()),
            width,
        })
    }

    pub(crate) fn instances_dir(&self) -> PathBuf {
        self.state_dir.join("instances")
    }

    /// `path` as the user meant it: relative to where labctl was started.
    pub(crate) fn absolute(&self, path: &Path) -> PathBuf {
        self.current_dir.join(path)
    }
}

/// The proxies that the environment names. `HTTP_PROXY` in capitals is not asked: a web server sets it from a client's
/// header for the programs it starts (httpoxy), which is why curl and wget read the lower-case one only.
fn proxies(variable: impl Fn(&str) -> Option<String>) -> Proxies {
    let first = |names: &[&str]| {
        names
            .iter()
            .find_map(|name| variable(name).filter(|text| !text.is_empty()))
    };
    let all = first(&["all_proxy", "ALL_PROXY"]);
    Proxies {
        http: first(&["http_proxy"]).or_else(|| all.clone()),
        https: first(&["https_proxy", "HTTPS_PROXY"]).or(all),
        exempt: first(&["no_proxy", "NO_PROXY"]).unwrap_or_default(),
    }
}

/// A folder of the XDG Base Directory Specification, with `labctl` appended. As the specification asks, a relative
/// value is ignored.
fn xdg(variable: &str, below_home: &str) -> Result<PathBuf, Failure> {
    let base = env::var_os(variable)
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    let base = match base {
        Some(base) => base,
        None => env::home_dir()
            .filter(|home| home.is_absolute())
            .ok_or_else(|| {
                Failure::new(Exit::Host, format!("neither HOME nor {variable} is set"))
                    .hint(format!("set {variable} to a folder that labctl may write to"))
            })?
            .join(below_home),
    };
    Ok(base.join("labctl"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_come_from_the_usual_variables() {
        let set = [
            ("ALL_PROXY", "http://all:1"),
            ("http_proxy", "http://p:2"),
            ("NO_PROXY", "a,b"),
        ];
        let found = proxies(|name| {
            let value = set.iter().find(|(known, _)| *known == name)?.1;
            Some(value.to_owned())
        });
        assert_eq!(found.http.as_deref(), Some("http://p:2"));
        assert_eq!(found.https.as_deref(), Some("http://all:1"));
        assert_eq!(found.exempt, "a,b");
    }
}
