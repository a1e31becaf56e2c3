//! The `Host` block that lets OpenSSH's ssh, scp, sftp, and what builds on them, into a guest (ssh_config(5)).

use std::path::{Path, PathBuf};

use super::keys::KeyFiles;

/// What the block says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshConfig {
    /// The name to type, such as `labctl-module7`; also the name under which the host key is known.
    pub host: String,
    pub port: u16,
    pub files: KeyFiles,
}

/// A value that no ssh_config file can hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` cannot be written into an ssh_config file", path.display())]
pub struct Unquotable {
    pub path: PathBuf,
}

impl SshConfig {
    /// The text of the block, ending in a newline.
    ///
    /// # Errors
    /// A path with a quote or a line break in it, or one that is not UTF-8.
    pub fn text(&self) -> Result<String, Unquotable> {
        let identity = quoted(&self.files.identity)?;
        let known_hosts = quoted(&self.files.known_hosts)?;
        let (host, port) = (&self.host, self.port);
        // The user's own configuration may offer agents, forwardings and shared connections to every host: none of
        // them belongs in a guest that runs untrusted code.
        Ok(format!(
            "Host {host}\n\
             \x20   HostName 127.0.0.1\n\
             \x20   Port {port}\n\
             \x20   User root\n\
             \x20   IdentityFile {identity}\n\
             \x20   IdentitiesOnly yes\n\
             \x20   IdentityAgent none\n\
             \x20   PreferredAuthentications publickey\n\
             \x20   HostKeyAlias {host}\n\
             \x20   UserKnownHostsFile {known_hosts}\n\
             \x20   GlobalKnownHostsFile none\n\
             \x20   StrictHostKeyChecking yes\n\
             \x20   UpdateHostKeys no\n\
             \x20   CheckHostIP no\n\
             \x20   ForwardAgent no\n\
             \x20   ForwardX11 no\n\
             \x20   ControlPath none\n\
             \x20   LogLevel ERROR\n"
        ))
    }
}

/// `path` in double quotes, with `%` doubled: both options expand tokens.
fn quoted(path: &Path) -> Result<String, Unquotable> {
    let refuse = || Unquotable {
        path: path.to_owned(),
    };
    let text = path.to_str().ok_or_else(refuse)?;
    if text.contains(['"', '\n', '\r', '\0']) || text.contains("${") {
        return Err(refuse());
    }
    Ok(format!("\"{}\"", text.replace('%', "%%").replace('\\', "\\\\")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(dir: &str) -> SshConfig {
        SshConfig {
            host: "labctl-module7".to_owned(),
            port: 40022,
            files: KeyFiles::in_dir(Path::new(dir)),
        }
    }

    #[test]
    fn the_block() {
        insta::assert_snapshot!(config("/run/my labs/100%").text().unwrap(), @r#"
        Host labctl-module7
            HostName 127.0.0.1
            Port 40022
            User root
            IdentityFile "/run/my labs/100%%/id_ed25519"
            IdentitiesOnly yes
            IdentityAgent none
            PreferredAuthentications publickey
            HostKeyAlias labctl-module7
            UserKnownHostsFile "/run/my labs/100%%/known_hosts"
            GlobalKnownHostsFile none
            StrictHostKeyChecking yes
            UpdateHostKeys no
            CheckHostIP no
            ForwardAgent no
            ForwardX11 no
            ControlPath none
            LogLevel ERROR
        "#);
    }

    #[test]
    fn a_path_that_would_end_the_line_is_refused() {
        assert!(config("/a\nProxyCommand x").text().is_err());
        assert!(config("/a\"b").text().is_err());
    }
}
