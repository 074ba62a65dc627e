//! What a fleet could do better without, as far as its graph shows it.

use imgfac_model::Day;
use petgraph::graph::NodeIndex;

use crate::graph::Graph;
use crate::node::{Kind, Status};

impl Graph {
    /// Bases that no image needs: no Dockerfile names them, or only in stages that no target
    /// needs.
    #[must_use]
    pub fn orphan_bases(&self) -> Vec<NodeIndex> {
        let bases = self.nodes().filter(|(_, node)| node.kind == Kind::Base);
        bases
            .map(|(index, _)| index)
            .filter(|index| {
                self.dependents_of(*index)
                    .iter()
                    .all(|(_, edge)| !edge.needed)
            })
            .collect()
    }

    /// Bases that are pinned to a digest: no update reaches what stands on them.
    #[must_use]
    pub fn pinned_bases(&self) -> Vec<NodeIndex> {
        self.nodes()
            .filter(|(_, node)| node.status == Status::Pinned)
            .map(|(index, _)| index)
            .collect()
    }

    /// Bases that somebody set a last day for, with the number of days until then: less than 0 when
    /// it is past.
    #[must_use]
    pub fn ends_of_life(&self, today: Day) -> Vec<(NodeIndex, i64)> {
        self.nodes()
            .filter_map(|(index, node)| Some((index, today.days_until(node.end_of_life?))))
            .collect()
    }
}
