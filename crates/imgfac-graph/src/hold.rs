//! How much longer than it must each image waits, so that what is due together comes in order.

use imgfac_model::Criticality;
use petgraph::graph::NodeIndex;

use crate::graph::Graph;
use crate::node::Kind;

/// How many minutes after its parents an image is due.
///
/// A wait on the cluster is looked at every ten minutes. A child that is due twenty minutes after
/// its parent therefore finds the parent told to rebuild, and waits for its push.
const AFTER_PARENT: u32 = 20;

/// The holds of a graph: critical images come first, and parents before their children.
#[derive(Clone, Debug, Default)]
pub struct Holds {
    /// By node.
    minutes: Vec<u32>,
}

impl Graph {
    /// How long the images of this graph are held.
    #[must_use]
    pub fn holds(&self) -> Holds {
        let mut holds = Holds {
            minutes: vec![0; self.graph.node_count()],
        };
        for image in self.order().waves().into_iter().flatten() {
            let own = match self.node(image).policy.as_ref().map(|it| it.criticality) {
                None | Some(Criticality::Critical) => 0,
                Some(Criticality::High) => 10,
                Some(Criticality::Normal) => 20,
                Some(Criticality::Low) => 40,
            };
            let parents = self.bases_of(image).into_iter().filter(|(parent, edge)| {
                self.node(*parent).kind == Kind::Managed && edge.carries_updates()
            });
            let after = parents
                .map(|(parent, _)| holds.minutes(parent) + AFTER_PARENT)
                .max();
            holds.minutes[image.index()] = own.max(after.unwrap_or(0));
        }
        holds
    }
}

impl Holds {
    /// How many minutes longer than its delay an update of an upstream base waits.
    #[must_use]
    pub fn minutes(&self, image: NodeIndex) -> u32 {
        self.minutes.get(image.index()).copied().unwrap_or_default()
    }

    /// How many minutes longer the push of a parent waits: whoever comes between the two goes
    /// first.
    #[must_use]
    pub fn minutes_after(&self, parent: NodeIndex, image: NodeIndex) -> u32 {
        self.minutes(image)
            .saturating_sub(self.minutes(parent) + AFTER_PARENT)
    }
}

#[cfg(test)]
mod tests {
    use crate::fixture::graph;

    #[test]
    fn critical_images_come_first_and_parents_before_their_children() {
        let graph = graph(
            "low critical: node:22
             app high: low
             late low: node:22
             top critical: late app
             aside critical: ~late
             one: two
             two: one low",
        );
        let holds = graph.holds();
        let index = |name| graph.find(name).unwrap();
        for (image, minutes) in [
            ("low", 0),
            ("app", 20),
            ("late", 40),
            ("top", 60),
            ("aside", 0),
        ] {
            assert_eq!(holds.minutes(index(image)), minutes, "{image}");
        }
        assert_eq!(holds.minutes_after(index("low"), index("app")), 0);
        assert_eq!(holds.minutes_after(index("app"), index("top")), 20);
        assert_eq!(holds.minutes_after(index("late"), index("top")), 0);
        assert_eq!(holds.minutes(index("node:22")), 0);
    }
}
