//! Licences, bans and sources of the dependencies, as `deny.toml` has them: by what cargo says of
//! the crates that are built, so that nothing need be installed. `make deny` runs this, and the
//! advisories besides where cargo-deny is there and reaches their database.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;
use spdx::{Expression, Licensee, ParseMode};

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";
/// Every lock file of the repository.
const LOCKS: [&str; 5] = [
    "Cargo.lock",
    "benches/emulated/Cargo.lock",
    "benches/peers/Cargo.lock",
    "fuzz/Cargo.lock",
    "tests/kernels/Cargo.lock",
];

/// What is read of `deny.toml`; a word that is not checked here is refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Deny {
    graph: Graph,
    #[serde(rename = "advisories")]
    _advisories: toml::Table,
    licenses: Licenses,
    bans: Bans,
    sources: Sources,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Graph {
    features: Vec<String>,
    targets: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Licenses {
    #[serde(rename = "version")]
    _version: u8,
    allow: Vec<String>,
    exceptions: Vec<Exception>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exception {
    allow: Vec<String>,
    #[serde(rename = "crate")]
    of: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Bans {
    multiple_versions: String,
    wildcards: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Sources {
    unknown_registry: String,
    unknown_git: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn deny() -> Deny {
    let found: Deny = toml::from_str(&read("deny.toml")).unwrap();
    // The words this file knows; another would be checked by nobody.
    assert_eq!(found.bans.multiple_versions, "allow");
    assert_eq!(found.bans.wildcards, "deny");
    assert_eq!(found.sources.unknown_registry, "deny");
    assert_eq!(found.sources.unknown_git, "deny");
    found
}

/// Lines `name vVERSION|LICENCE` of the crates that are built for a target, for tests and by build
/// scripts too; a crate that is not from crates.io says in brackets where it is from.
fn crates(deny: &Deny, target: &str) -> Result<BTreeSet<String>, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(root())
        .args(["tree", "--locked", "--offline", "--prefix", "none"])
        .args(["--edges", "normal,build,dev", "--format", "{p}|{l}"])
        .args(["--target", target])
        .args(["--features", &deny.graph.features.join(",")])
        .output()
        .map_err(|error| error.to_string())?;
    match output.status.success() {
        true => {
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            Ok(said.lines().map(|line| line.replace(" (*)", "")).collect())
        }
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// What is wrong with such a line.
fn fault(line: &str, deny: &Deny) -> Option<String> {
    let (package, licence) = line.split_once('|')?;
    let name = package.split(' ').next()?;
    if package.contains('(') && name != "edge_reasoner" && !package.ends_with("(proc-macro)") {
        return Some(format!("{package} is not from crates.io"));
    }
    if licence.is_empty() {
        return Some(format!("{package} names no licence"));
    }
    let Ok(expression) = Expression::parse_mode(licence, ParseMode::LAX) else {
        return Some(format!(
            "{package}: {licence:?} is not a licence expression"
        ));
    };
    let own = deny.licenses.exceptions.iter().filter(|one| one.of == name);
    let allowed = deny
        .licenses
        .allow
        .iter()
        .chain(own.flat_map(|one| &one.allow));
    let allowed: Vec<Licensee> = allowed
        .map(|text| Licensee::parse(text).unwrap_or_else(|error| panic!("{text}: {error}")))
        .collect();
    let passes = expression.evaluate(|wanted| allowed.iter().any(|one| one.satisfies(wanted)));
    (!passes).then(|| format!("{package}: {licence} is not on the list of deny.toml"))
}

#[test]
fn every_crate_that_is_built_has_a_licence_of_the_list_and_is_from_crates_io() {
    let deny = deny();
    let mut checked = 0;
    for target in &deny.graph.targets {
        let found = match crates(&deny, target) {
            Ok(found) => found,
            // A crate of another processor alone was not fetched for a build here.
            Err(why) if !target.starts_with(std::env::consts::ARCH) => {
                let why = why.lines().next().unwrap_or_default().to_owned();
                say(&format!("dependencies: {target} skipped, {why}"));
                continue;
            }
            Err(why) => panic!("cargo tree for {target}: {why}"),
        };
        let faults: Vec<String> = found.iter().filter_map(|line| fault(line, &deny)).collect();
        assert!(faults.is_empty(), "{target}: {faults:#?}");
        assert!(found.len() > 100, "only {} crates", found.len());
        checked += 1;
    }
    assert!(checked > 0);
}

#[test]
fn every_lock_file_names_crates_io_alone() {
    for file in LOCKS {
        let lock: toml::Table = toml::from_str(&read(file)).unwrap();
        for package in lock["package"].as_array().unwrap() {
            let Some(source) = package.get("source") else {
                continue; // of this repository
            };
            assert_eq!(
                source.as_str(),
                Some(CRATES_IO),
                "{file}: {}",
                package["name"]
            );
        }
    }
}

#[test]
fn no_dependency_of_ours_is_of_any_version() {
    for lock in LOCKS {
        let file = lock.replace(".lock", ".toml");
        let manifest: toml::Table = toml::from_str(&read(&file)).unwrap();
        assert_eq!(any_version(&manifest), Vec::<String>::new(), "{file}");
    }
}

/// Dependencies of a manifest that take every version.
fn any_version(manifest: &toml::Table) -> Vec<String> {
    let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
    let tables = kinds
        .iter()
        .filter_map(|kind| manifest.get(*kind)?.as_table());
    let wild = |wanted: &toml::Value| match wanted {
        toml::Value::String(version) => version == "*",
        other => match other.get("version") {
            Some(version) => version.as_str() == Some("*"),
            None => other.get("path").is_none(),
        },
    };
    let entries = tables.flatten().filter(|(_, wanted)| wild(wanted));
    entries.map(|(name, _)| name.clone()).collect()
}

#[test]
fn what_is_not_allowed_is_named() {
    let deny = deny();
    let allowed = [
        "a v1.0.0|MIT/Apache-2.0",
        "a v1.0.0 (proc-macro)|MIT OR GPL-3.0",
        "a v1.0.0|Apache-2.0 WITH LLVM-exception",
        "epaint_default_fonts v0.36.0|(MIT OR Apache-2.0) AND OFL-1.1 AND Ubuntu-font-1.0",
        "edge_reasoner v0.1.0 (/src/edge_reasoner)|Apache-2.0",
    ];
    for line in allowed {
        assert_eq!(fault(line, &deny), None);
    }
    let refused = [
        ("a v1.0.0|GPL-3.0-only", "GPL-3.0-only"),
        ("a v1.0.0|MIT AND AGPL-3.0", "AGPL-3.0"),
        ("a v1.0.0|", "names no licence"),
        ("a v1.0.0|see LICENSE", "is not a licence"),
        ("a v1.0.0|OFL-1.1", "OFL-1.1"),
        ("a v1.0.0 (https://example.org/a.git#0123)|MIT", "crates.io"),
        ("a v1.0.0 (registry `other`)|MIT", "crates.io"),
        ("a v1.0.0 (/elsewhere/a)|MIT", "crates.io"),
    ];
    for (line, word) in refused {
        let said = fault(line, &deny).unwrap_or_else(|| panic!("{line} passed"));
        assert!(said.contains(word), "{said}");
    }
    let manifest = "[dependencies]\na = '*'\nb = { git = 'https://example.org/b' }\nc = '1'\n\
                    [dev-dependencies]\nd = { version = '*' }\ne = { path = '../e' }";
    let wild = any_version(&toml::from_str(manifest).unwrap());
    assert_eq!(wild, ["a", "b", "d"]);
}

/// Past the harness, which keeps what a passing test prints to itself.
fn say(line: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{line}");
}
