//! The outer container, in the common `ar` format.

use std::io::{self, Read};

use thiserror::Error;

/// A container that is damaged or no `.deb`.
#[derive(Debug, Error)]
pub enum ArError {
    #[error("not an ar archive, so not a .deb")]
    Magic,
    #[error("the archive ends inside of a member")]
    Truncated,
    #[error("a member header is damaged")]
    Header,
    #[error("cannot read the archive")]
    Read(#[source] io::Error),
}

const MAGIC: &[u8; 8] = b"!<arch>\n";
/// Name 16, date 12, uid 6, gid 6, mode 8, size 10, end mark 2.
const HEADER: usize = 60;

/// Steps through the members of a stream.
pub(super) struct ArReader<R> {
    inner: R,
    /// Of the current member, its padding included.
    left: u64,
    padding: u64,
}

pub(super) struct Member<'a, R> {
    pub(super) name: String,
    pub(super) content: MemberReader<'a, R>,
}

impl<R: Read> ArReader<R> {
    pub(super) fn new(mut inner: R) -> Result<ArReader<R>, ArError> {
        let mut magic = [0; MAGIC.len()];
        match read_full(&mut inner, &mut magic).map_err(ArError::Read)? {
            length if length == magic.len() && &magic == MAGIC => Ok(ArReader {
                inner,
                left: 0,
                padding: 0,
            }),
            _ => Err(ArError::Magic),
        }
    }

    /// The next member, what is unread of the current one skipped; `None` at the end.
    pub(super) fn next_member(&mut self) -> Result<Option<Member<'_, R>>, ArError> {
        let rest = self.left + self.padding;
        let skipped = io::copy(&mut (&mut self.inner).take(rest), &mut io::sink()).map_err(ArError::Read)?;
        // The last member's padding is all that may be missing.
        if skipped < self.left {
            return Err(ArError::Truncated);
        }
        (self.left, self.padding) = (0, 0);
        let mut header = [0; HEADER];
        match read_full(&mut self.inner, &mut header).map_err(ArError::Read)? {
            0 => return Ok(None),
            HEADER => {}
            _ => return Err(ArError::Truncated),
        }
        if &header[58..] != b"`\n" {
            return Err(ArError::Header);
        }
        let text = |range: std::ops::Range<usize>| {
            std::str::from_utf8(&header[range])
                .map(str::trim_end)
                .map_err(|_| ArError::Header)
        };
        // GNU ar ends names with a slash, dpkg does not.
        let name = text(0..16)?.trim_end_matches('/').to_owned();
        self.left = text(48..58)?.parse().map_err(|_| ArError::Header)?;
        self.padding = self.left % 2;
        Ok(Some(Member {
            name,
            content: MemberReader { archive: self },
        }))
    }
}

fn read_full(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// One member's bytes. An archive that ends before the member does is an `UnexpectedEof`.
pub(super) struct MemberReader<'a, R> {
    archive: &'a mut ArReader<R>,
}

impl<R: Read> Read for MemberReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.archive.left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let count = self.archive.inner.read(&mut buffer[..most])?;
        if count == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, ArError::Truncated));
        }
        self.archive.left -= count as u64;
        Ok(count)
    }
}
