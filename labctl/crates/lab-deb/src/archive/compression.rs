//! The compressions that dpkg-deb writes.

use std::io::{self, Read};

use liblzma::stream::{CONCATENATED, Stream};

/// `xz -9` asks for 65 MiB; anything far beyond that is an attack on memory.
const XZ_MEMORY: u64 = 256 << 20;
/// Windows up to 128 MiB, zstd's own default limit for decoders.
const ZSTD_WINDOW_LOG: u32 = 27;

/// The decoded bytes of a member whose name ends with `suffix` (`""`, `.gz`, `.xz`, `.zst`); `None` for a compression
/// that is not known here.
pub(super) fn decoder<'a>(suffix: &str, member: impl Read + 'a) -> io::Result<Option<Box<dyn Read + 'a>>> {
    Ok(Some(match suffix {
        "" => Box::new(member),
        ".gz" => Box::new(flate2::read::MultiGzDecoder::new(member)),
        ".xz" => {
            let stream = Stream::new_stream_decoder(XZ_MEMORY, CONCATENATED)?;
            Box::new(liblzma::read::XzDecoder::new_stream(member, stream))
        }
        ".zst" => {
            let mut decoder = zstd::stream::read::Decoder::new(member)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG)?;
            Box::new(decoder)
        }
        _ => return Ok(None),
    }))
}

/// Fails once more than `limit` bytes have come out of `inner`.
pub(super) struct Bounded<R> {
    inner: R,
    limit: u64,
    left: u64,
}

impl<R> Bounded<R> {
    pub(super) fn new(inner: R, limit: u64) -> Bounded<R> {
        Bounded {
            inner,
            limit,
            left: limit,
        }
    }
}

/// Told apart from other input errors by its type.
#[derive(Debug, thiserror::Error)]
#[error("more than {limit} bytes")]
pub(super) struct OverLimit {
    limit: u64,
}

impl OverLimit {
    /// The limit, if exceeding it is what `error` is about, however deep it was wrapped on its way.
    pub(super) fn find(error: &io::Error) -> Option<u64> {
        let mut next = error
            .get_ref()
            .map(|inner| inner as &(dyn std::error::Error + 'static));
        while let Some(error) = next {
            if let Some(over) = error.downcast_ref::<OverLimit>() {
                return Some(over.limit);
            }
            next = match error.downcast_ref::<io::Error>() {
                Some(wrapped) => wrapped
                    .get_ref()
                    .map(|inner| inner as &(dyn std::error::Error + 'static)),
                None => error.source(),
            };
        }
        None
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = match self.left.checked_sub(count as u64) {
            Some(left) => left,
            None => {
                return Err(io::Error::new(
                    io::ErrorKind::QuotaExceeded,
                    OverLimit { limit: self.limit },
                ));
            }
        };
        Ok(count)
    }
}
