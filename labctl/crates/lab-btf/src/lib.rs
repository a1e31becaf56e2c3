//! BTF, the BPF Type Format: how a kernel describes its own types (Documentation/bpf/btf.rst). Of all that it can say, this reads
//! what a structure's members are called, where they lie and how large they are.
//!
//! Pure: bytes in, layouts out. Written here because the crate that reads all of BTF is under the LGPL, which this project does not
//! link into its binary.
#![forbid(unsafe_code)]

mod layout;
mod read;

pub use layout::{Layout, Member};
pub use read::{Btf, BtfError};
