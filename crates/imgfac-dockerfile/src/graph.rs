//! Which stages need which: circles and what the target reaches.

/// Stages as numbers, with edges to the stages that they need.
pub(crate) struct Graph {
    /// The stage that each stage is built on.
    pub(crate) bases: Vec<Option<usize>>,
    /// What each stage copies from and mounts.
    pub(crate) sources: Vec<Vec<usize>>,
    /// The same for triggers of the base that fire in the stage.
    pub(crate) triggered: Vec<Vec<usize>>,
}

impl Graph {
    pub(crate) fn new(count: usize) -> Self {
        Self {
            bases: vec![None; count],
            sources: vec![Vec::new(); count],
            triggered: vec![Vec::new(); count],
        }
    }

    /// A stage and the position among its sources of an edge that closes a circle.
    ///
    /// Only copies and mounts count: a base always comes earlier in the file.
    pub(crate) fn circle(&self) -> Option<(usize, usize)> {
        #[derive(Clone, Copy, PartialEq)]
        enum Mark {
            New,
            Open,
            Done,
        }
        let mut marks = vec![Mark::New; self.sources.len()];
        let mut path: Vec<(usize, usize)> = Vec::new();
        for start in 0..self.sources.len() {
            if marks.get(start) != Some(&Mark::New) {
                continue;
            }
            path.push((start, 0));
            set(&mut marks, start, Mark::Open);
            while let Some((stage, position)) = path.last_mut() {
                let stage = *stage;
                let Some(&next) = self.sources.get(stage).and_then(|s| s.get(*position)) else {
                    set(&mut marks, stage, Mark::Done);
                    path.pop();
                    continue;
                };
                let edge = (stage, *position);
                *position += 1;
                match marks.get(next) {
                    Some(Mark::Open) => return Some(edge),
                    Some(Mark::New) => {
                        set(&mut marks, next, Mark::Open);
                        path.push((next, 0));
                    }
                    _ => {}
                }
            }
        }
        None
    }

    /// The stages that the target needs, itself included.
    pub(crate) fn reachable(&self, target: Option<usize>) -> Vec<bool> {
        let mut reached = vec![false; self.bases.len()];
        let mut open: Vec<usize> = target.into_iter().collect();
        while let Some(stage) = open.pop() {
            match reached.get_mut(stage) {
                Some(known @ false) => *known = true,
                _ => continue,
            }
            open.extend(self.bases.get(stage).copied().flatten());
            for edges in [&self.sources, &self.triggered] {
                open.extend(edges.get(stage).into_iter().flatten());
            }
        }
        reached
    }
}

fn set<T>(marks: &mut [T], index: usize, mark: T) {
    if let Some(place) = marks.get_mut(index) {
        *place = mark;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(sources: &[&[usize]]) -> Graph {
        let mut graph = Graph::new(sources.len());
        graph.sources = sources.iter().map(|s| s.to_vec()).collect();
        graph
    }

    #[test]
    fn circles_are_found() {
        assert_eq!(graph(&[&[], &[0], &[0, 1]]).circle(), None);
        assert_eq!(graph(&[&[0]]).circle(), Some((0, 0)));
        assert_eq!(graph(&[&[2], &[], &[1, 0]]).circle(), Some((2, 1)));
        assert_eq!(graph(&[&[1, 1], &[2], &[]]).circle(), None);
    }

    #[test]
    fn long_chains_need_no_stack() {
        let mut chain = Graph::new(1_000_000);
        for (n, sources) in chain.sources.iter_mut().enumerate().skip(1) {
            sources.push(n - 1);
        }
        assert_eq!(chain.circle(), None);
        assert!(chain.reachable(Some(999_999)).iter().all(|&r| r));
    }
}
