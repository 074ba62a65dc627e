//! What running Promotions look up: on which digests images were built, and emergencies.

use std::collections::BTreeMap;

use imgfac_model::{ImageName, Settings};
use sha2::{Digest as _, Sha256};

use crate::edges::Edge;
use crate::kept::Kept;
use crate::labels::metadata;
use crate::resources::ConfigMap;
use crate::task::OVERRIDES;

/// The ConfigMap of what was built, when one is enough.
pub(crate) const BUILT: &str = "imgfac-built";

/// How many bytes of data one ConfigMap may have. The API server takes 1 MiB, but `kubectl apply`
/// keeps a copy of the object in an annotation, and those may have 256 KiB.
const LIMIT: usize = 200_000;

/// In which ConfigMap the digests of each image are.
///
/// There is one as long as all fits; then two, four, eight, so that few images change their place.
pub(crate) struct Built {
    maps: Vec<BTreeMap<String, String>>,
}

impl Built {
    pub(crate) fn new(edges: &BTreeMap<&ImageName, Vec<Edge>>, kept: &[Kept<'_>]) -> Self {
        let known = edges.iter().map(|(image, edges)| (*image, known(edges)));
        let kept = kept.iter().map(|kept| (kept.name(), kept.built().clone()));
        let known: Vec<(&ImageName, BTreeMap<String, String>)> = known.chain(kept).collect();
        let sizes: Vec<_> = known
            .iter()
            .map(|(image, known)| {
                // With the quotes, colons and commas of JSON.
                let sizes = known
                    .iter()
                    .map(|(key, digest)| key.len() + digest.len() + 6);
                (place(image), sizes.sum::<usize>())
            })
            .collect();
        let mut count = 1;
        loop {
            let mut sums = vec![0; count];
            for (place, size) in &sizes {
                sums[place % count] += size;
            }
            // One image alone never fills a map, so this ends.
            if count >= 4_096 || sums.iter().all(|sum| *sum <= LIMIT) {
                break;
            }
            count *= 2;
        }
        let mut maps = vec![BTreeMap::new(); count];
        for (image, known) in known {
            maps[place(image) % count].extend(known);
        }
        Self { maps }
    }

    /// The ConfigMap that has the digests of this image.
    pub(crate) fn name(&self, image: &ImageName) -> String {
        self.name_of(place(image) % self.maps.len())
    }

    fn name_of(&self, n: usize) -> String {
        if self.maps.len() == 1 {
            BUILT.into()
        } else {
            format!("{BUILT}-{n}")
        }
    }

    pub(crate) fn config_maps(self, settings: &Settings) -> Vec<ConfigMap> {
        let names: Vec<_> = (0..self.maps.len()).map(|n| self.name_of(n)).collect();
        names
            .into_iter()
            .zip(self.maps)
            .map(|(name, data)| {
                ConfigMap::new(metadata(settings, name, "rebuild", None), Some(data))
            })
            .collect()
    }
}

/// The bases of which it is known what the image was built on.
fn known(edges: &[Edge]) -> BTreeMap<String, String> {
    edges
        .iter()
        .filter_map(|edge| Some((edge.fact.key.clone(), edge.built_on.clone()?)))
        .collect()
}

/// A number that is always the same for one image.
fn place(image: &ImageName) -> usize {
    Sha256::digest(image.as_str())
        .iter()
        .take(4)
        .fold(0, |sum, byte| sum << 8 | usize::from(*byte))
}

/// The ConfigMap of emergencies: made once, then left to people and to those who act for them.
///
/// It has no `data`, not even an empty one, so that whoever applies it owns none of its keys:
/// neither `kubectl apply` nor Argo CD take away what others write. Flux would, hence its
/// annotation; Argo CD's keeps a pending emergency when the manifests are pruned.
pub(crate) fn overrides(settings: &Settings) -> ConfigMap {
    let mut metadata = metadata(settings, OVERRIDES, "emergency", None);
    metadata.annotations = BTreeMap::from([
        (
            "argocd.argoproj.io/sync-options".into(),
            "Prune=false".into(),
        ),
        (
            "kustomize.toolkit.fluxcd.io/ssa".into(),
            "IfNotPresent".into(),
        ),
    ]);
    ConfigMap::new(metadata, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edges::Fact;

    fn built(images: usize) -> Built {
        let names: Vec<_> = (0..images)
            .map(|n| ImageName::new(&format!("image-{n}")).unwrap())
            .collect();
        let edges = names
            .iter()
            .map(|name| {
                let edge = Edge {
                    warehouse: "base-x".into(),
                    observe: "observe-x".into(),
                    fact: Fact::for_tests(&format!("{name}.base-x")),
                    built_on: Some(format!("sha256:{}", "0".repeat(64))),
                };
                (name, vec![edge])
            })
            .collect();
        Built::new(&edges, &[])
    }

    #[test]
    fn few_images_share_one_map_and_many_are_spread() {
        let few = built(1_000);
        assert_eq!(
            few.name(&ImageName::new("image-7").unwrap()),
            "imgfac-built"
        );
        let many = built(10_000);
        assert_eq!(many.maps.len(), 8);
        let maps = many.config_maps(&Settings::default());
        let keys: usize = maps
            .iter()
            .filter_map(|map| map.data.as_ref())
            .map(BTreeMap::len)
            .sum();
        assert_eq!(keys, 10_000);
        for map in &maps {
            let json = serde_json::to_string(map).unwrap();
            assert!(json.len() < 256 * 1_024, "{}", json.len());
        }
    }
}
