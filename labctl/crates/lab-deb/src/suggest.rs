//! "Did you mean": the known names nearest to a wrong one.

/// Up to `limit` of `known` that differ from `wrong` by few enough single-character edits (insertion, deletion,
/// substitution, swap of neighbours) to be a slip: a third of the name, at most four. Nearest first, then by name.
pub fn closest<'a>(wrong: &str, known: impl Iterator<Item = &'a str>, limit: usize) -> Vec<&'a str> {
    let wrong: Vec<char> = wrong.chars().collect();
    let most = (wrong.len() / 3).clamp(1, 4);
    let mut near: Vec<(usize, &str)> = known
        .filter(|name| name.len().abs_diff(wrong.len()) <= most)
        .filter_map(|name| {
            let name_chars: Vec<char> = name.chars().collect();
            let distance = edits(&wrong, &name_chars);
            (distance <= most).then_some((distance, name))
        })
        .collect();
    near.sort_unstable();
    near.truncate(limit);
    near.into_iter().map(|(_, name)| name).collect()
}

/// Optimal string alignment distance.
fn edits(left: &[char], right: &[char]) -> usize {
    let width = right.len() + 1;
    let mut before = vec![0; width];
    let mut above: Vec<usize> = (0..width).collect();
    for (i, l) in left.iter().enumerate() {
        let mut row = vec![i + 1; width];
        for (j, r) in right.iter().enumerate() {
            let substituted = above[j] + usize::from(l != r);
            row[j + 1] = substituted.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *l == right[j - 1] && left[i - 1] == *r {
                row[j + 1] = row[j + 1].min(before[j - 1] + 1);
            }
        }
        before = std::mem::replace(&mut above, row);
    }
    above[width - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_slips_and_nothing_else() {
        let known = [
            "busybox-static",
            "busybox",
            "dropbear",
            "dropbear-bin",
            "iproute2",
            "linux-image-6.12.48+deb13-amd64",
        ];
        let near = |wrong: &str| closest(wrong, known.into_iter(), 3);
        assert_eq!(near("busybox-statik"), ["busybox-static"]);
        assert_eq!(near("iproute"), ["iproute2"]);
        assert_eq!(near("dropbaer"), ["dropbear"]);
        assert_eq!(
            near("linux-image-6.12.41+deb13-amd64"),
            ["linux-image-6.12.48+deb13-amd64"]
        );
        assert_eq!(near("nginx"), Vec::<&str>::new());
    }

    #[test]
    fn counts_a_swap_as_one() {
        let chars = |s: &str| s.chars().collect::<Vec<_>>();
        assert_eq!(edits(&chars("ab"), &chars("ba")), 1);
        assert_eq!(edits(&chars(""), &chars("abc")), 3);
        assert_eq!(edits(&chars("kitten"), &chars("sitting")), 3);
    }
}
