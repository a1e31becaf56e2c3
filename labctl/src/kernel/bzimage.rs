//! The ELF kernel inside a packaged `bzImage`.
//!
//! QEMU enters an ELF kernel through its PVH note at once; a bzImage first runs real-mode set-up code and decompresses itself, which
//! under emulation costs more than the rest of the boot.

/// How the payload is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// gzip, RFC 1952.
    Gzip,
    /// xz.
    Xz,
    /// Zstandard, RFC 8878.
    Zstd,
    /// The lz4 tool's legacy frame.
    Lz4Legacy,
    /// Not compressed at all.
    None,
}

/// The compressed kernel: four bytes with its unpacked length follow the compressed stream and are not part of `bytes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payload<'a> {
    /// How to unpack it.
    pub compression: Compression,
    /// The compressed stream.
    pub bytes: &'a [u8],
    /// Length of the ELF file in bytes.
    pub unpacked: u32,
}

/// Why a file is not a bzImage whose kernel can be taken out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BzImageError {
    /// No boot sector signature, no `HdrS`, or a boot protocol older than 2.08 (which introduced the payload's place).
    #[error("not an x86 bzImage with boot protocol 2.08 or newer")]
    NotBzImage,
    /// The header points outside the file.
    #[error("the header places the payload at {offset}..{end}, but the image has {length} bytes")]
    Truncated {
        /// First byte of the payload.
        offset: usize,
        /// One past its last byte.
        end: usize,
        /// Bytes in the file.
        length: usize,
    },
    /// A compression that this program does not know.
    #[error("unknown compression, magic {magic:02x?}")]
    UnknownCompression {
        /// The payload's first bytes.
        magic: Vec<u8>,
    },
}

/// Finds the kernel in a bzImage, by the offsets of `Documentation/arch/x86/boot.rst`.
///
/// # Errors
/// [`BzImageError`] when `image` is something else, or cut off.
pub fn payload(image: &[u8]) -> Result<Payload<'_>, BzImageError> {
    let signed = image.get(0x1fe..0x200) == Some(&[0x55, 0xaa]) && image.get(0x202..0x206) == Some(b"HdrS");
    let protocol = image
        .get(0x206..0x208)
        .map_or(0, |b| u16::from_le_bytes([b[0], b[1]]));
    if !signed || protocol < 0x0208 {
        return Err(BzImageError::NotBzImage);
    }
    // A zero means four, for images older than this field.
    let sectors = match image[0x1f1] {
        0 => 4,
        n => usize::from(n),
    };
    let setup = (sectors + 1) * 512;
    let offset = setup.saturating_add(word(image, 0x248)?);
    let end = offset.saturating_add(word(image, 0x24c)?);
    let whole = image.get(offset..end).filter(|whole| whole.len() > 4);
    let whole = whole.ok_or(BzImageError::Truncated {
        offset,
        end,
        length: image.len(),
    })?;
    if whole.starts_with(b"\x7fELF") {
        let unpacked = u32::try_from(whole.len()).unwrap_or(u32::MAX);
        return Ok(Payload {
            compression: Compression::None,
            bytes: whole,
            unpacked,
        });
    }
    let (bytes, length) = whole.split_at(whole.len() - 4);
    let compression = match bytes {
        [0x1f, 0x8b, ..] => Compression::Gzip,
        [0xfd, b'7', b'z', b'X', b'Z', ..] => Compression::Xz,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Zstd,
        [0x02, 0x21, 0x4c, 0x18, ..] => Compression::Lz4Legacy,
        _ => {
            return Err(BzImageError::UnknownCompression {
                magic: bytes.iter().take(6).copied().collect(),
            });
        }
    };
    let unpacked = u32::from_le_bytes([length[0], length[1], length[2], length[3]]);
    Ok(Payload {
        compression,
        bytes,
        unpacked,
    })
}

fn word(image: &[u8], at: usize) -> Result<usize, BzImageError> {
    let bytes = image.get(at..at + 4).ok_or(BzImageError::NotBzImage)?;
    let word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    usize::try_from(word).map_err(|_| BzImageError::NotBzImage)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An image with one set-up sector after the boot sector and `stream` (plus its length word) 16 bytes into the rest.
    fn image(stream: &[u8]) -> Vec<u8> {
        let mut image = vec![0; 1024 + 16];
        image[0x1f1] = 1;
        image[0x1fe..0x200].copy_from_slice(&[0x55, 0xaa]);
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x206..0x208].copy_from_slice(&0x020f_u16.to_le_bytes());
        image[0x248..0x24c].copy_from_slice(&16_u32.to_le_bytes());
        let length = u32::try_from(stream.len() + 4).unwrap();
        image[0x24c..0x250].copy_from_slice(&length.to_le_bytes());
        image.extend_from_slice(stream);
        image.extend_from_slice(&4096_u32.to_le_bytes());
        image
    }

    #[test]
    fn finds_the_stream_without_its_length_word() {
        let stream = [0x28, 0xb5, 0x2f, 0xfd, 1, 2, 3];
        let image = image(&stream);
        assert_eq!(
            payload(&image),
            Ok(Payload {
                compression: Compression::Zstd,
                bytes: &stream,
                unpacked: 4096
            })
        );
    }

    #[test]
    fn refuses_what_it_cannot_read() {
        assert_eq!(payload(b"\x7fELF"), Err(BzImageError::NotBzImage));
        let mut cut = image(&[0x1f, 0x8b, 0, 0]);
        cut.truncate(cut.len() - 1);
        assert!(matches!(payload(&cut), Err(BzImageError::Truncated { .. })));
        assert!(matches!(
            payload(&image(&[9; 8])),
            Err(BzImageError::UnknownCompression { .. })
        ));
    }

    #[test]
    fn an_old_boot_protocol_has_no_payload() {
        let mut old = image(&[0x1f, 0x8b, 0, 0]);
        old[0x206..0x208].copy_from_slice(&0x0207_u16.to_le_bytes());
        assert_eq!(payload(&old), Err(BzImageError::NotBzImage));
    }
}
