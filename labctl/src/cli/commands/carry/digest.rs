//! What a course commits, so that others can prove what they have made of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use fs_err as fs;

use super::pack::pack;
use crate::cli::args;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::{course, output};
use crate::digest::Digest;
use crate::session::COMMITTED;
use crate::substitute::Committed;

/// `labctl cache digest`.
pub(in crate::cli::commands) async fn digest(
    context: &Context,
    args: args::DigestOf,
) -> Result<Exit, Failure> {
    let dir = course::load_modules(context, None)?.dir;
    let dir = match (args.write, dir) {
        (true, None) => {
            return Err(Failure::new(
                Exit::Usage,
                "the course is the one built in; there is nothing to write to",
            )
            .hint("run it in a course's folder, or name one with --course DIR"));
        }
        (write, dir) => dir.filter(|_| write),
    };
    let packed = pack(context, &args.luggage, false, |portable| {
        !portable.locked_by.is_empty()
    })
    .await?;
    let content: BTreeMap<Digest, Digest> = packed
        .manifest
        .entries
        .iter()
        .map(|listed| (listed.id, listed.content))
        .collect();
    let mut files: BTreeMap<&str, Vec<(Digest, Digest)>> = BTreeMap::new();
    for portable in &packed.portable {
        for folder in &portable.locked_by {
            let pair = content.get(&portable.id).map(|content| (portable.id, *content));
            files.entry(folder).or_default().extend(pair);
        }
    }
    let mut text = String::new();
    for (folder, entries) in files {
        let file = format!("{folder}/{COMMITTED}");
        let committed = Committed::new(entries).to_text();
        // Writing to a `String` cannot fail.
        let _ = match &dir {
            Some(dir) => {
                fs::write(dir.join(&file), committed)?;
                writeln!(text, "written   {file}")
            }
            None => writeln!(text, "# {file}\n{committed}"),
        };
    }
    context.ui.clear();
    output::result(&text)?;
    Ok(Exit::Done)
}
