//! Which crate may depend on which: data flows one way.

use super::Workspace;

/// A crate, and those of ours that it may depend on.
const ALLOWED: &[(&str, &[&str])] = &[
    ("imgfac-model", &[]),
    ("imgfac-yaml", &[]),
    ("imgfac-git", &[]),
    ("imgfac-dockerfile", &["imgfac-model"]),
    ("imgfac-graph", &["imgfac-model"]),
    ("imgfac-retry", &[]),
    ("imgfac-cluster", &["imgfac-model", "imgfac-retry"]),
    ("imgfac-rebuild", &["imgfac-graph", "imgfac-model"]),
    ("imgfac-notify", &["imgfac-model"]),
    (
        "imgfac-providers",
        &["imgfac-model", "imgfac-notify", "imgfac-retry"],
    ),
    (
        "imgfac-state",
        &["imgfac-yaml", "imgfac-git", "imgfac-model"],
    ),
    // Not a part of the program: tests and xtask use it.
    ("imgfac-conformance", &[]),
    (
        "imgfac-kargo",
        &[
            // In tests.
            "imgfac-conformance",
            "imgfac-rebuild",
            "imgfac-graph",
            "imgfac-yaml",
            "imgfac-model",
        ],
    ),
    (
        "imgfac-cli",
        &[
            "imgfac-cluster",
            "imgfac-dockerfile",
            "imgfac-git",
            "imgfac-graph",
            "imgfac-kargo",
            "imgfac-model",
            "imgfac-notify",
            "imgfac-rebuild",
            "imgfac-providers",
            "imgfac-state",
            "imgfac-yaml",
        ],
    ),
    (
        "xtask",
        &[
            "imgfac-cli",
            "imgfac-conformance",
            "imgfac-graph",
            "imgfac-model",
            "imgfac-rebuild",
            "imgfac-state",
            "imgfac-tests",
        ],
    ),
];

/// Crates that no program may link: they are heavy, and only tests and xtask need them.
const TOOLS: &[&str] = &["imgfac-conformance"];

/// The package of black-box tests may depend on anything.
const FREE: &str = "imgfac-tests";

/// Dependencies of tests count too: a crate is tested with what it may know.
pub(super) fn check(workspace: &Workspace) -> Vec<String> {
    let ours: Vec<&str> = workspace
        .packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    let mut wrong = Vec::new();
    for package in workspace
        .packages
        .iter()
        .filter(|package| package.name != FREE)
    {
        let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == package.name) else {
            wrong.push(format!(
                "{} is not in the table of xtask/src/tidy/directions.rs",
                package.name
            ));
            continue;
        };
        for dependency in &package.dependencies {
            let name = dependency.name.as_str();
            if ours.contains(&name) && !allowed.contains(&name) {
                wrong.push(format!("{} must not depend on {name}", package.name));
            }
            if TOOLS.contains(&name)
                && dependency.kind.as_deref() != Some("dev")
                && package.name != "xtask"
            {
                wrong.push(format!("only tests of {} may use {name}", package.name));
            }
        }
    }
    wrong
}
