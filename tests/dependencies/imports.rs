//! Files and rooms of `src/` import each other in one direction only, and r2r stays in `ros/`:
//! the contracts of docs/architecture.md.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::source_tree::SourceTree;

/// Files that use each other all the same, named in docs/architecture.md.
const CIRCLES: [&[&str]; 0] = [];

type Edges = BTreeSet<(String, String)>;

fn source_tree() -> SourceTree {
    SourceTree::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
}

/// Of files, by their names.
fn edges(tree: &SourceTree) -> Edges {
    let name = |file: usize| tree.files[file].clone();
    let edges = tree.edges().into_iter();
    edges.map(|(from, to)| (name(from), name(to))).collect()
}

/// The sets of nodes that lead to each other and back.
fn circles(edges: &Edges) -> Vec<Vec<String>> {
    let mut next: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (from, to) in edges {
        next.entry(from).or_default().push(to);
    }
    let reached = |from: &str| {
        let mut reached = BTreeSet::new();
        let mut waiting = vec![from];
        while let Some(node) = waiting.pop() {
            for to in next.get(node).into_iter().flatten() {
                if reached.insert(*to) {
                    waiting.push(to);
                }
            }
        }
        reached
    };
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        next.keys().map(|node| (*node, reached(node))).collect();
    let mut circles = BTreeSet::new();
    for (node, there) in &reached {
        let back = |other: &&&str| reached.get(**other).is_some_and(|from| from.contains(node));
        let circle: Vec<String> = there
            .iter()
            .filter(back)
            .map(|name| name.to_string())
            .collect();
        if !circle.is_empty() {
            circles.insert(circle);
        }
    }
    circles.into_iter().collect()
}

/// The room a file belongs to: its folder right under `src/`, or itself.
fn room(file: &str) -> &str {
    let room = file.split('/').next().unwrap_or(file);
    room.strip_suffix(".rs").unwrap_or(room)
}

#[test]
fn no_files_use_each_other_but_those_that_are_named() {
    let edges = edges(&source_tree());
    assert!(edges.len() > 1000, "only {} imports found", edges.len());
    let found = circles(&edges);
    for circle in &found {
        let within: Vec<String> = edges
            .iter()
            .filter(|(from, to)| circle.contains(from) && circle.contains(to))
            .map(|(from, to)| format!("{from} uses {to}"))
            .collect();
        assert!(
            CIRCLES.iter().any(|known| known == circle),
            "files use each other in a circle:\n{}\nmove what both need to a file of its own",
            within.join("\n")
        );
    }
    for known in CIRCLES {
        assert!(
            found.iter().any(|circle| circle == known),
            "{known:?} is no circle any more: take it out of this list and of docs/architecture.md"
        );
    }
}

#[test]
fn rooms_use_each_other_in_one_direction_only() {
    let edges = edges(&source_tree());
    let rooms = edges
        .iter()
        .map(|(from, to)| (room(from).to_owned(), room(to).to_owned()))
        .filter(|(from, to)| from != to)
        .collect();
    assert_eq!(circles(&rooms), Vec::<Vec<String>>::new());
}

#[test]
fn only_ros_knows_r2r() {
    let tree = source_tree();
    let users = tree.users_of("r2r");
    assert!(users.len() > 5, "{users:?}");
    let others: Vec<_> = users
        .into_iter()
        .filter(|file| room(file) != "ros")
        .collect();
    assert_eq!(others, Vec::<&str>::new());
}

/// Every way of importing counts, and what is not an import does not.
#[test]
fn the_ways_to_use_another_file_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let write = |file: &str, text: &str| {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write(
        "lib.rs",
        "pub mod a; mod b; mod c; mod d; mod e; #[cfg(test)] mod t;",
    );
    // A list, another name, and a function's own import.
    write(
        "a/mod.rs",
        "pub mod inner; pub use inner::{Deep, deep};
         use crate::b::{self, B as Other}; fn f() { use crate::c::C; }",
    );
    // Through what `a` passes on, the defining file counts.
    write("a/inner.rs", "pub struct Deep; pub fn deep() {}");
    write(
        "b.rs",
        "use crate::a::Deep; pub struct B; /* crate::c::C */",
    );
    // By a path in a macro's argument, and by `super`.
    write(
        "c.rs",
        "pub struct C; fn f() { assert!(crate::d::D::new()); super::a::deep(); }",
    );
    write(
        "d.rs",
        "pub struct D; fn f() -> &'static str { \"crate::a::Deep\" } \
         #[cfg(test)] mod tests { use crate::a::inner::Deep; } #[cfg(test)] use crate::e::E;",
    );
    write("e.rs", "pub struct E; fn f(x: X) { x.deep(); }");
    write("t.rs", "use crate::a::Deep;");
    let tree = SourceTree::read(folder.path());
    let found: Vec<String> = edges(&tree)
        .into_iter()
        .map(|(from, to)| format!("{from} {to}"))
        .collect();
    assert_eq!(
        found,
        [
            "a/mod.rs b.rs",
            "a/mod.rs c.rs",
            "b.rs a/inner.rs",
            "c.rs a/inner.rs",
            "c.rs d.rs"
        ]
    );

    let circle = |edges: &[(&str, &str)]| {
        let edges = edges.iter().map(|(a, b)| (a.to_string(), b.to_string()));
        circles(&edges.collect())
    };
    assert_eq!(
        circle(&[("a", "b"), ("b", "c"), ("a", "c")]),
        Vec::<Vec<String>>::new()
    );
    let found = circle(&[("a", "b"), ("b", "c"), ("c", "a"), ("c", "d")]);
    assert_eq!(found, [["a", "b", "c"]]);
}
