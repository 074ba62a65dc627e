//! Generated fleets, whose true answer is known: what `analyze` writes is that answer.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::fs;
use std::path::Path;
use std::process::Command;

use imgfac_tests::{Fleet, FleetOptions, Sandbox, Stamps, Truth};
use imgfac_yaml::Node;

/// What the state files say about each image, in the words of the truth.
fn answer(factory: &Path) -> BTreeMap<String, Truth> {
    let documents = |folder: &str| {
        let mut documents = BTreeMap::new();
        for entry in fs::read_dir(factory.join("state").join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let document = imgfac_yaml::parse_bytes(&fs::read(&path).unwrap()).unwrap();
            documents.insert(name, document.root);
        }
        documents
    };
    let text = |node: &Node, key: &str| node.get(key).unwrap().scalar_text().unwrap().to_owned();
    let items = |node: &Node, key: &str| {
        let list = node.get(key).map(|list| list.items().unwrap().to_vec());
        list.unwrap_or_default()
    };
    let bases = documents("base-images");
    let read = |image: &Node| {
        let upstream = items(image, "baseImages")
            .iter()
            .map(|name| text(&bases[name.scalar_text().unwrap()], "fullImage"))
            .collect::<Vec<_>>();
        let managed: BTreeMap<String, String> = items(image, "managedBases")
            .iter()
            .map(|base| (text(base, "reference"), text(base, "name")))
            .collect();
        let unused: BTreeSet<String> = items(image, "unusedBases")
            .iter()
            .map(|reference| reference.scalar_text().unwrap().to_owned())
            .collect();
        Truth {
            dockerfile: text(
                image.get("enrollment").unwrap().get("source").unwrap(),
                "dockerfile",
            ),
            bases: upstream
                .into_iter()
                .chain(managed.keys().cloned())
                .map(|reference| (reference.clone(), !unused.contains(&reference)))
                .collect(),
            managed,
        }
    };
    documents("images")
        .iter()
        .filter(|(_, image)| image.get("enrollment").unwrap().get("source").is_some())
        .map(|(name, image)| (name.clone(), read(image)))
        .collect()
}

/// Analyses a fleet twice: the first run finds what `answer` gives, the second writes nothing.
fn analyse(sandbox: &Sandbox, arguments: &[&str], factory: &str) -> BTreeMap<String, Truth> {
    let first = sandbox.run(arguments);
    assert_eq!(first.code, 0, "{first}");
    let factory = sandbox.path().join(factory);
    let before = Stamps::of(&factory).unwrap();
    let found = answer(&factory);
    let second = sandbox.run(arguments);
    assert_eq!(second.code, 0, "{second}");
    assert_eq!(Stamps::of(&factory).unwrap(), before, "{second}");
    found
}

/// Compares image by image, so that a failure shows what is wrong and not two whole fleets.
fn check<T: Debug + PartialEq>(found: &BTreeMap<String, T>, truth: &BTreeMap<String, T>) {
    let wrong: Vec<_> = truth
        .iter()
        .filter(|(name, truth)| found.get(*name) != Some(truth))
        .map(|(name, truth)| format!("{name}\n  is {truth:?}\n  not {:?}", found.get(name)))
        .collect();
    assert!(
        wrong.is_empty(),
        "{} of {} images are wrong, such as:\n{}",
        wrong.len(),
        truth.len(),
        wrong[..wrong.len().min(5)].join("\n")
    );
    assert_eq!(found.len(), truth.len());
}

fn round_trip(options: &FleetOptions) {
    let fleet = Fleet::generate(options);
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_imgfac-under-test"));
    fleet.write(sandbox.path()).unwrap();
    let truth = fleet
        .images
        .into_iter()
        .map(|(name, mut truth)| {
            // State files name a Dockerfile by its place in its repository.
            if let Some(at) = truth.dockerfile.find("apps/") {
                truth.dockerfile.drain(..at);
            }
            (name, truth)
        })
        .collect();
    let arguments = ["analyze", "-C", Fleet::FACTORY];
    check(&analyse(&sandbox, &arguments, Fleet::FACTORY), &truth);
}

#[test]
fn a_plain_fleet_is_read_right() {
    round_trip(&FleetOptions {
        images: 200,
        ..FleetOptions::default()
    });
}

#[test]
fn a_hard_fleet_of_many_repositories_is_read_right() {
    for seed in [1, 2] {
        round_trip(&FleetOptions {
            images: 400,
            seed,
            hard: true,
            repositories: 5,
            external: 20,
            chained: 30,
            ..FleetOptions::default()
        });
    }
}

/// Another generator than ours, where it lies beside the checkout: it cannot share our mistakes.
#[test]
fn a_hard_fleet_that_another_program_made_is_read_right() {
    let generator =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/reference/gen_fleet.py");
    if !generator.is_file() {
        eprintln!("skipped: ../shared/reference/gen_fleet.py does not lie beside the checkout");
        return;
    }
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_imgfac-under-test"));
    let output = Command::new("python3")
        .arg(&generator)
        .arg("fleet")
        .args(["--hard", "-n", "300"])
        .current_dir(sandbox.path())
        .output();
    let output = match output {
        Ok(output) => output,
        Err(error) => {
            eprintln!("skipped: python3 cannot be run: {error}");
            return;
        }
    };
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let file: serde_json::Value = serde_json::from_str(&sandbox.read("fleet/truth.json")).unwrap();
    let truth: BTreeMap<String, BTreeSet<String>> = file["images"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, image)| (name.clone(), texts(&image["bases"])))
        .collect();
    assert_eq!(truth.len(), 300);
    let factory = "fleet/image-factory";
    let arguments = ["analyze", "-C", factory, "--workspace", "fleet"];
    let found = analyse(&sandbox, &arguments, factory)
        .into_iter()
        .map(|(name, truth)| (name, truth.bases.into_keys().collect()))
        .collect();
    check(&found, &truth);
}

fn texts(list: &serde_json::Value) -> BTreeSet<String> {
    let list = list.as_array().unwrap();
    list.iter()
        .map(|text| text.as_str().unwrap().to_owned())
        .collect()
}
