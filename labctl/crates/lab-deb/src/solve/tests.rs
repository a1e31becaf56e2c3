use super::*;

/// Stanzas from lines of `name version; Field: value; …`.
fn index(lines: &[&str]) -> PackageIndex {
    let mut text = String::new();
    for line in lines {
        let mut parts = line.split(';').map(str::trim);
        let (name, version) = parts.next().unwrap().split_once(' ').unwrap();
        text.push_str(&format!(
            "Package: {name}\nVersion: {version}\nArchitecture: amd64\nFilename: pool/main/{name}_{version}.deb\n\
             Size: 10\nSHA256: {}\n",
            "ab".repeat(32)
        ));
        for field in parts {
            text.push_str(&format!("{field}\n"));
        }
        text.push('\n');
    }
    PackageIndex::parse(&text, "amd64").unwrap()
}

fn request(packages: &[&str], exclude: &[&str]) -> Request {
    Request {
        packages: packages.iter().map(|s| (*s).to_owned()).collect(),
        exclude: exclude.iter().map(|s| (*s).to_owned()).collect(),
        follow: Follow::Dependencies,
    }
}

fn names(index: &PackageIndex, packages: &[&str], exclude: &[&str]) -> Vec<String> {
    let closure = close_over(index, &request(packages, exclude)).unwrap();
    closure.packages.iter().map(|p| p.name.clone()).collect()
}

fn error(index: &PackageIndex, packages: &[&str]) -> String {
    close_over(index, &request(packages, &[]))
        .unwrap_err()
        .to_string()
}

#[test]
fn follows_depends_and_pre_depends_only() {
    let index = index(&[
        "a 1; Depends: b; Pre-Depends: c; Recommends: d",
        "b 1; Depends: a",
        "c 1",
        "d 1",
    ]);
    assert_eq!(names(&index, &["a"], &[]), ["a", "b", "c"]);
    let only = Request {
        follow: Follow::Nothing,
        ..request(&["a"], &[])
    };
    assert_eq!(close_over(&index, &only).unwrap().packages.len(), 1);
}

#[test]
fn takes_the_first_alternative_unless_another_is_there_already() {
    let index = index(&["a 1; Depends: x | y", "x 1", "y 1", "z 1; Depends: y"]);
    assert_eq!(names(&index, &["a"], &[]), ["a", "x"]);
    assert_eq!(names(&index, &["a", "y"], &[]), ["a", "y"]);
    assert_eq!(names(&index, &["y", "a"], &[]), ["a", "y"]);
}

#[test]
fn skips_an_alternative_that_does_not_exist() {
    let index = index(&["a 1; Depends: gone | x (>= 2) | y", "x 1", "y 1"]);
    assert_eq!(names(&index, &["a"], &[]), ["a", "y"]);
}

#[test]
fn takes_the_newest_version_that_fits() {
    let index = index(&["a 1; Depends: x (<< 3)", "x 1", "x 2", "x 3"]);
    let closure = close_over(&index, &request(&["a"], &[])).unwrap();
    assert_eq!(closure.packages[1].version.as_str(), "2");
}

#[test]
fn finds_providers_by_priority_and_name() {
    let index = index(&[
        "a 1; Depends: awk",
        "mawk 1; Provides: awk; Priority: required",
        "gawk 1; Provides: awk; Priority: optional",
        "b 1; Depends: api (>= 2)",
        "old 1; Provides: api (= 1)",
        "bare 1; Provides: api",
        "new 1; Provides: api (= 2)",
    ]);
    assert_eq!(names(&index, &["a"], &[]), ["a", "mawk"]);
    assert_eq!(names(&index, &["a", "gawk"], &[]), ["a", "gawk"]);
    assert_eq!(names(&index, &["b"], &[]), ["b", "new"]);
}

#[test]
fn exclusions_cut_whole_branches_and_are_reported() {
    let index = index(&[
        "a 1; Depends: debconf (>= 0.5) | debconf-2.0, b",
        "b 1",
        "debconf 2; Provides: debconf-2.0; Depends: perl",
        "cdebconf 1; Provides: debconf-2.0",
        "perl 1",
    ]);
    assert_eq!(names(&index, &["a"], &["debconf"]), ["a", "b"]);
    let closure = close_over(&index, &request(&["a"], &["debconf", "typo"])).unwrap();
    assert_eq!(closure.waived[0].dependency, "debconf (>= 0.5) | debconf-2.0");
    assert_eq!(closure.waived[0].package, "a");
    assert_eq!(closure.idle_exclusions, ["typo"]);
    let both = close_over(&index, &request(&["a", "b"], &["b"])).unwrap_err();
    assert!(matches!(both, SolveError::RequestedAndExcluded { .. }));
}

#[test]
fn a_missing_package_is_named_with_the_chain_that_wanted_it() {
    let index = index(&["a 1; Depends: b", "b 1; Depends: busibox", "busybox 1"]);
    assert_eq!(
        error(&index, &["a"]),
        "no package is called `busibox` (needed by a -> b); did you mean `busybox`?"
    );
    assert_eq!(
        error(&index, &["busybux"]),
        "no package is called `busybux`; did you mean `busybox`?"
    );
}

#[test]
fn a_version_that_is_not_there_is_named_with_the_ones_that_are() {
    let index = index(&[
        "a 1; Depends: b (>= 3)",
        "b 1",
        "b 2",
        "c 1; Depends: v (>= 1)",
        "p 1; Provides: v",
    ]);
    assert_eq!(
        error(&index, &["a"]),
        "`b (>= 3)` cannot be had: the index has b 2, b 1 (needed by a)"
    );
    assert_eq!(
        error(&index, &["c"]),
        "`v (>= 1)` cannot be had: it is provided by no package in that version (needed by c)"
    );
}

#[test]
fn packages_that_exclude_each_other_are_an_error() {
    let index = index(&[
        "a 1; Depends: b, c",
        "b 1; Conflicts: c (<< 2)",
        "c 1",
        "m 1; Provides: m; Conflicts: m",
    ]);
    assert!(error(&index, &["a"]).starts_with("`b` and `c` exclude each other (`c (<< 2)`)"));
    assert_eq!(names(&index, &["m"], &[]), ["m"]);
}

#[test]
fn bad_requests_are_errors() {
    let index = index(&["a 1"]);
    assert!(error(&index, &["a b"]).contains("`a b` of the request"));
}

proptest::proptest! {
    /// Whatever the graph: the same list in any order of the request, closed, and nothing superfluous asked twice.
    #[test]
    fn is_deterministic_and_closed(edges in proptest::collection::vec((0_u8..12, 0_u8..12), 0..40), roots in proptest::collection::vec(0_u8..12, 1..5)) {
        let mut lines = Vec::new();
        for package in 0..12_u8 {
            let depends: Vec<String> =
                edges.iter().filter(|(from, _)| *from == package).map(|(_, to)| format!("p{to}")).collect();
            let field = if depends.is_empty() { String::new() } else { format!("; Depends: {}", depends.join(", ")) };
            lines.push(format!("p{package} 1{field}"));
        }
        let index = index(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        let wanted: Vec<String> = roots.iter().map(|r| format!("p{r}")).collect();
        let mut wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
        let found = names(&index, &wanted, &[]);
        wanted.reverse();
        proptest::prop_assert_eq!(&found, &names(&index, &wanted, &[]));
        for (from, to) in &edges {
            if found.contains(&format!("p{from}")) {
                let there = found.contains(&format!("p{to}"));
                proptest::prop_assert!(there);
            }
        }
    }
}
