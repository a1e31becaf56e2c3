//! `image build --verify`: the same inputs twice, in different folders, and the bytes compared.

use fs_err as fs;

use super::build::{BaseParts, ImageBuilder, ImageError};
use super::layer::{LAYER_FILE, LayerInputs};
use crate::digest::Digest;
use crate::supervise::Cancel;

/// An output that did not come out the same.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error(transparent)]
    Build(#[from] ImageError),
    #[error("`{what}` came out as {first} and then as {second}: the build is not reproducible")]
    Differs {
        what: String,
        first: Digest,
        second: Digest,
    },
}

impl ImageBuilder<'_> {
    /// Builds the initramfs twice and returns the digest of its bytes.
    ///
    /// # Errors
    /// [`VerifyError::Differs`] when the two are not the same.
    pub fn verify_base(&self, parts: &BaseParts<'_>, cancel: &Cancel) -> Result<Digest, VerifyError> {
        self.twice("initramfs", |dir| {
            let path = dir.join("initramfs.cpio");
            Ok(self.make_base(parts, &path, cancel)?.sha256)
        })
    }

    /// Builds a layer twice and returns the digest of its bytes.
    ///
    /// # Errors
    /// As [`ImageBuilder::verify_base`].
    pub fn verify_layer(&self, inputs: &LayerInputs<'_>, cancel: &Cancel) -> Result<Digest, VerifyError> {
        self.twice(inputs.name, |dir| {
            self.make_layer(inputs, dir, cancel)?;
            let file = fs::File::open(dir.join(LAYER_FILE)).map_err(ImageError::io("read a layer"))?;
            Digest::of_reader(file).map_err(ImageError::io("read a layer"))
        })
    }

    fn twice(
        &self,
        what: &str,
        build: impl Fn(&std::path::Path) -> Result<Digest, ImageError>,
    ) -> Result<Digest, VerifyError> {
        let once = || -> Result<Digest, ImageError> {
            let dir = self.store.stage("verify")?;
            build(dir.path())
        };
        let (first, second) = (once()?, once()?);
        if first == second {
            Ok(first)
        } else {
            Err(VerifyError::Differs {
                what: what.to_owned(),
                first,
                second,
            })
        }
    }
}
