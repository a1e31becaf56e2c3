//! Kernels and images as the course describes them: intent, fragments, overlay and lock, read together.

use std::collections::BTreeMap;

use crate::apt::{LockError, LockFile, LockRequest};
use crate::image::{self, ImageSpec, RawImageSpec};
use crate::kernel::spec::{self as kernel_spec, KernelSpec, Origin, RawKernelSpec};
use crate::spec::error::SpecError;
use crate::spec::files::CourseFiles;
use crate::spec::suggest::did_you_mean;
use crate::spec::yaml::Source;
use crate::substitute::{Committed, NotCommitted, RawCommitted};

/// The release of Debian that every lock of this course is made from.
const SUITE: &str = "trixie";

/// Digests of what is made from a lock, beside it.
pub const COMMITTED: &str = "substitute.lock";

/// What is wrong with a kernel's or an image's files.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    #[error("the course has no {what} `{name}`{hint}")]
    Missing {
        what: &'static str,
        name: String,
        hint: String,
    },
    #[error(transparent)]
    Yaml(#[from] SpecError),
    #[error("{file} cannot be used")]
    KernelSpec {
        file: String,
        #[source]
        source: kernel_spec::SpecError,
    },
    #[error("{file} cannot be used")]
    ImageSpec {
        file: String,
        #[source]
        source: image::SpecError,
    },
    #[error("{file} names the fragment `{fragment}`, which is not beside it")]
    NoFragment { file: String, fragment: String },
    #[error("there is no {file}")]
    NoLock { file: String },
    #[error("{file} was made for another list of packages")]
    StaleLock { file: String },
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error("{file} cannot be used")]
    Committed {
        file: String,
        #[source]
        source: NotCommitted,
    },
}

/// A kernel's files.
#[derive(Debug, Clone)]
pub struct KernelRecipe {
    pub name: String,
    pub spec: KernelSpec,
    /// File name and text, in the order of the description.
    pub fragments: Vec<(String, String)>,
    /// What its entries have to hold, as far as that is written down beside it.
    pub committed: Committed,
}

/// An image's files.
#[derive(Debug, Clone)]
pub struct ImageRecipe {
    pub name: String,
    pub spec: ImageSpec,
    /// Path in the image -> contents.
    pub overlay: BTreeMap<String, Vec<u8>>,
    /// What its entries have to hold, as far as that is written down beside it.
    pub committed: Committed,
}

/// The names below `kernels/` or `images/`.
pub fn names(files: &CourseFiles, folder: &str, description: &str) -> Vec<String> {
    let prefix = format!("{folder}/");
    files
        .under(&prefix)
        .filter_map(|path| {
            path.strip_prefix(&prefix)?
                .strip_suffix(&format!("/{description}"))
                .map(str::to_owned)
        })
        .filter(|name| !name.contains('/'))
        .collect()
}

impl KernelRecipe {
    /// # Errors
    /// [`RecipeError`] with the file.
    pub fn read(files: &CourseFiles, name: &str) -> Result<Self, RecipeError> {
        let file = format!("kernels/{name}/kernel.yaml");
        let text =
            text(files, &file).ok_or_else(|| missing(files, "kernel", "kernels", "kernel.yaml", name))?;
        let raw: RawKernelSpec = Source::new(&file, &text).read()?;
        let spec = KernelSpec::try_from(raw).map_err(|source| RecipeError::KernelSpec {
            file: file.clone(),
            source,
        })?;
        let names = match &spec.origin {
            Origin::Source(source) => source.fragments.as_slice(),
            Origin::Packaged(_) => &[],
        };
        let fragments = names
            .iter()
            .map(|fragment| {
                let text = self::text(files, &format!("kernels/{name}/{fragment}"));
                text.map(|text| (fragment.clone(), text))
                    .ok_or_else(|| RecipeError::NoFragment {
                        file: file.clone(),
                        fragment: fragment.clone(),
                    })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            name: name.to_owned(),
            spec,
            fragments,
            committed: committed(files, &format!("kernels/{name}"))?,
        })
    }

    pub fn lock_file(&self) -> String {
        format!("kernels/{}/kernel.lock", self.name)
    }

    pub fn request(&self) -> LockRequest {
        LockRequest {
            suite: SUITE.to_owned(),
            sets: self.spec.requests(),
        }
    }

    /// The lock beside the description.
    ///
    /// # Errors
    /// When it is missing, unreadable, or answers another request.
    pub fn lock(&self, files: &CourseFiles) -> Result<LockFile, RecipeError> {
        read_lock(files, &self.lock_file(), &self.request())
    }
}

impl ImageRecipe {
    /// # Errors
    /// [`RecipeError`] with the file.
    pub fn read(files: &CourseFiles, name: &str) -> Result<Self, RecipeError> {
        let file = format!("images/{name}/image.yaml");
        let text = text(files, &file).ok_or_else(|| missing(files, "image", "images", "image.yaml", name))?;
        let raw: RawImageSpec = Source::new(&file, &text).read()?;
        let spec = ImageSpec::try_from(raw).map_err(|source| RecipeError::ImageSpec {
            file: file.clone(),
            source,
        })?;
        let prefix = format!("images/{name}/overlay/");
        let overlay = files
            .under(&prefix)
            .filter_map(|path| Some((path.strip_prefix(&prefix)?.to_owned(), files.get(path)?.to_vec())))
            .collect();
        Ok(Self {
            name: name.to_owned(),
            spec,
            overlay,
            committed: committed(files, &format!("images/{name}"))?,
        })
    }

    pub fn lock_file(&self) -> String {
        format!("images/{}/image.lock", self.name)
    }

    pub fn request(&self) -> LockRequest {
        LockRequest {
            suite: SUITE.to_owned(),
            sets: self.spec.requests(),
        }
    }

    /// The lock beside the description.
    ///
    /// # Errors
    /// When it is missing, unreadable, or answers another request.
    pub fn lock(&self, files: &CourseFiles) -> Result<LockFile, RecipeError> {
        read_lock(files, &self.lock_file(), &self.request())
    }
}

fn read_lock(files: &CourseFiles, file: &str, request: &LockRequest) -> Result<LockFile, RecipeError> {
    let bytes = files.get(file).ok_or_else(|| RecipeError::NoLock {
        file: file.to_owned(),
    })?;
    let lock = LockFile::load(bytes, file)?;
    if !lock.answers(request) {
        return Err(RecipeError::StaleLock {
            file: file.to_owned(),
        });
    }
    Ok(lock)
}

/// Every digest that a course has written down, of whatever.
///
/// # Errors
/// [`RecipeError::Committed`] with the file.
pub fn all_committed(files: &CourseFiles) -> Result<Committed, RecipeError> {
    let mut all = Committed::default();
    for top in ["kernels/", "images/"] {
        for path in files.under(top) {
            if let Some(folder) = path.strip_suffix(&format!("/{COMMITTED}")) {
                all.extend(committed(files, folder)?);
            }
        }
    }
    Ok(all)
}

/// The digests beside a description; none where nobody has written any.
fn committed(files: &CourseFiles, folder: &str) -> Result<Committed, RecipeError> {
    let file = format!("{folder}/{COMMITTED}");
    match text(files, &file) {
        None => Ok(Committed::default()),
        Some(text) => {
            let raw: RawCommitted = Source::new(&file, &text).read()?;
            Committed::try_from(raw).map_err(|source| RecipeError::Committed { file, source })
        }
    }
}

fn text(files: &CourseFiles, path: &str) -> Option<String> {
    files
        .get(path)
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

fn missing(
    files: &CourseFiles,
    what: &'static str,
    folder: &str,
    description: &str,
    name: &str,
) -> RecipeError {
    let known = names(files, folder, description);
    let hint = did_you_mean(name, known.iter().map(String::as_str));
    RecipeError::Missing {
        what,
        name: name.to_owned(),
        hint,
    }
}
