//! What is to run in the guest, as the one line that SSH hands to its shell.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

/// A command with a NUL byte in it: no shell and no `execve` can carry one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a command cannot contain a NUL byte")]
pub struct NulInCommand;

/// A line for the guest's `/bin/sh`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    environment: Vec<u8>,
    directory: Vec<u8>,
    line: Vec<u8>,
}

impl Command {
    /// A line that the guest's shell interprets.
    ///
    /// # Errors
    /// A NUL byte in it.
    pub fn shell(line: impl AsRef<OsStr>) -> Result<Self, NulInCommand> {
        let line = line.as_ref().as_bytes();
        if line.contains(&0) {
            return Err(NulInCommand);
        }
        Ok(Self {
            environment: Vec::new(),
            directory: Vec::new(),
            line: line.to_vec(),
        })
    }

    /// A program and its arguments, which arrive byte for byte: no shell splits or expands them. The program takes
    /// the shell's place, so that a signal reaches it and not a shell in front of it.
    ///
    /// # Errors
    /// A NUL byte in one of them.
    pub fn program<A: AsRef<OsStr>>(argv: impl IntoIterator<Item = A>) -> Result<Self, NulInCommand> {
        let mut line = b"exec".to_vec();
        for argument in argv {
            line.push(b' ');
            line.extend_from_slice(&quote(argument)?);
        }
        Ok(Self {
            environment: Vec::new(),
            directory: Vec::new(),
            line,
        })
    }

    /// Sets a variable. `name` is the caller's own and must be a valid shell name.
    ///
    /// # Errors
    /// A NUL byte in the value.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Result<Self, NulInCommand> {
        debug_assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
        self.environment.extend_from_slice(name.as_bytes());
        self.environment.push(b'=');
        self.environment.extend_from_slice(&quote(value)?);
        self.environment.extend_from_slice(b";export ");
        self.environment.extend_from_slice(name.as_bytes());
        self.environment.push(b';');
        Ok(self)
    }

    /// Runs it in `directory` of the guest; status 126 when that cannot be entered.
    ///
    /// # Errors
    /// A NUL byte in the path.
    pub fn in_dir(mut self, directory: impl AsRef<OsStr>) -> Result<Self, NulInCommand> {
        self.directory = b"cd -- ".to_vec();
        self.directory.extend_from_slice(&quote(directory)?);
        self.directory.extend_from_slice(b"||exit 126;");
        Ok(self)
    }

    /// The bytes of the line.
    pub fn to_line(&self) -> Vec<u8> {
        [&self.environment[..], &self.directory, &self.line].concat()
    }
}

/// `argument` as one word of a POSIX shell (XCU 2.2.2: nothing is special between single quotes but the quote).
///
/// # Errors
/// A NUL byte in it.
pub fn quote(argument: impl AsRef<OsStr>) -> Result<Vec<u8>, NulInCommand> {
    let bytes = argument.as_ref().as_bytes();
    if bytes.contains(&0) {
        return Err(NulInCommand);
    }
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-./:,+@%".contains(byte);
    if !bytes.is_empty() && bytes.iter().all(plain) {
        return Ok(bytes.to_vec());
    }
    let mut word = vec![b'\''];
    for &byte in bytes {
        if byte == b'\'' {
            word.extend_from_slice(b"'\\''");
        } else {
            word.push(byte);
        }
    }
    word.push(b'\'');
    Ok(word)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt as _;

    use proptest::prelude::*;

    use super::*;
    use crate::supervise::blocking_command;

    /// What a real shell passes on, one argument per NUL-terminated record.
    fn through_a_shell(argv: &[OsString]) -> Vec<OsString> {
        let mut words = vec![OsString::from("printf"), OsString::from("%s\\0")];
        words.extend_from_slice(argv);
        let line = Command::program(&words).unwrap().to_line();
        let output = blocking_command("/bin/sh")
            .arg("-c")
            .arg(OsString::from_vec(line))
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let mut records: Vec<_> = output
            .stdout
            .split(|byte| *byte == 0)
            .map(|record| OsString::from_vec(record.to_vec()))
            .collect();
        assert_eq!(records.pop(), Some(OsString::new()));
        records
    }

    #[test]
    fn hostile_arguments_arrive_as_they_were_sent() {
        let argv: Vec<OsString> = [
            "",
            " ",
            "'",
            "''",
            "\\",
            "\\'",
            "$(touch /tmp/x)",
            "`id`",
            "${IFS}",
            "*",
            "~",
            "-n",
            "--",
            "a\nb",
            "\t",
            "!!",
            "a=b",
            "#",
            ";reboot",
            "|&<>(){}[]?",
            "ünïcödé",
        ]
        .into_iter()
        .map(OsString::from)
        .chain([OsString::from_vec(vec![0xff, 0xfe, b'\'', 0x80])])
        .collect();
        assert_eq!(through_a_shell(&argv), argv);
    }

    #[test]
    fn a_nul_byte_is_refused() {
        assert_eq!(quote("a\0b"), Err(NulInCommand));
        assert_eq!(Command::shell("a\0b"), Err(NulInCommand));
    }

    #[test]
    fn variables_and_the_directory_come_first() {
        let command = Command::program(["./a b"])
            .unwrap()
            .env("MESSAGE", "it's")
            .unwrap()
            .in_dir("/lab dir")
            .unwrap();
        assert_eq!(
            String::from_utf8(command.to_line()).unwrap(),
            "MESSAGE='it'\\''s';export MESSAGE;cd -- '/lab dir'||exit 126;exec './a b'"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_argument_arrives_as_it_was_sent(
            argv in prop::collection::vec(prop::collection::vec(1_u8..=255, 0..40), 1..6)
        ) {
            let argv: Vec<_> = argv.into_iter().map(OsString::from_vec).collect();
            prop_assert_eq!(through_a_shell(&argv), argv);
        }
    }
}
