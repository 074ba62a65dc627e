//! Where the nodes and edges of a picture go.
//!
//! Layered from left to right: bases, then wave after wave. Nodes stand on one grid, and a layer
//! that would be too tall takes several columns of it. Edges to the next column are curves; all
//! others run in the gaps between the rows, so that no edge ever passes behind a node and seems to
//! end there. Edges from one base share a colour and a lane of the gap, so that the eye can follow
//! them.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::graph::NodeIndex;

use crate::view::View;

/// Size of a node, in pixels of the picture.
pub(crate) const NODE: (i32, i32) = (226, 38);

/// From one row to the next.
const ROW: i32 = NODE.1 + 14;

/// Between the columns of one layer, and between layers.
const COLUMN_GAP: i32 = 40;
const LAYER_GAP: i32 = 96;

/// A layer that is no taller is never split.
const ROWS: usize = 40;

/// Edges take turns with so many colours, and with so many lanes of a gap, which are so far apart.
pub(crate) const COLOURS: usize = 10;
const LANES: usize = 5;
const LANE: i32 = 2;

/// Rounds of ordering; more change little.
const SWEEPS: usize = 8;

/// A picture without its looks. The origin is its upper left corner.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Layout {
    pub(crate) width: i32,
    pub(crate) height: i32,
    /// The upper left corner of each node, in the order of nodes.
    pub(crate) nodes: Vec<(NodeIndex, (i32, i32))>,
    /// The edges, in the order of the view.
    pub(crate) edges: Vec<Line>,
    /// Where each layer begins, and what it is.
    pub(crate) layers: Vec<(i32, String)>,
}

/// An edge in the picture.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line {
    /// Its way, in the language of SVG's `d`.
    pub(crate) way: String,
    /// Its colour, below [`COLOURS`].
    pub(crate) colour: usize,
}

/// A place on the grid.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Cell {
    column: usize,
    row: i32,
}

pub(crate) fn layout(view: &View<'_>) -> Layout {
    let layers = layers(view);
    let count: usize = layers.values().map(Vec::len).sum();
    if count == 0 {
        return Layout::default();
    }
    // The picture is to be a little wider than it is tall.
    let rows = ROWS.max((9 * count / 2).isqrt());
    let mut grid = Grid::new(view, layers.values().cloned().collect(), rows);
    for sweep in 0..SWEEPS {
        grid.sweep(sweep % 2 == 1);
    }
    let cells = grid.cells();

    // The left edge of every column of the grid.
    let (mut columns, mut named, mut x) = (Vec::new(), Vec::new(), 0);
    for ((layer, _), wide) in layers.iter().zip(&grid.wide) {
        named.push((x, name(view, *layer)));
        for _ in 0..*wide {
            columns.push(x);
            x += NODE.0 + COLUMN_GAP;
        }
        x += LAYER_GAP - COLUMN_GAP;
    }
    let corner = |cell: Cell| (columns[cell.column], cell.row * ROW);
    let nodes: Vec<_> = cells
        .iter()
        .map(|(node, cell)| (*node, corner(*cell)))
        .collect();
    // Bases take turns by their place in the picture, so that neighbours differ.
    let mut bases: Vec<_> = view
        .edges()
        .map(|(_, base, _)| (cells[&base], base))
        .collect();
    bases.sort_by_key(|(cell, _)| (cell.column, cell.row));
    bases.dedup();
    let turns = bases
        .iter()
        .enumerate()
        .map(|(turn, (_, base))| (*base, turn));
    let turns: BTreeMap<NodeIndex, usize> = turns.collect();
    let edges = view.edges().map(|(image, base, _)| Line {
        way: way(cells[&base], cells[&image], &columns, turns[&base]),
        colour: turns[&base] % COLOURS,
    });
    Layout {
        width: x - LAYER_GAP,
        height: nodes
            .iter()
            .map(|(_, (_, y))| y + NODE.1)
            .max()
            .unwrap_or(0),
        edges: edges.collect(),
        nodes,
        layers: named,
    }
}

/// Layer 0 is what others are built from, the others are waves.
fn layers(view: &View<'_>) -> BTreeMap<usize, Vec<NodeIndex>> {
    let mut layers: BTreeMap<usize, Vec<NodeIndex>> = BTreeMap::new();
    for (index, _) in view.nodes() {
        let layer = view.wave(index).unwrap_or(0);
        layers.entry(layer).or_default().push(index);
    }
    layers
}

fn name(view: &View<'_>, layer: usize) -> String {
    match layer {
        0 => view.before_waves().into(),
        wave => format!("wave {wave}"),
    }
}

struct Grid {
    layers: Vec<Vec<NodeIndex>>,
    /// How many columns each layer takes.
    wide: Vec<usize>,
    neighbours: BTreeMap<NodeIndex, Vec<NodeIndex>>,
    rows: BTreeMap<NodeIndex, f64>,
}

impl Grid {
    fn new(view: &View<'_>, layers: Vec<Vec<NodeIndex>>, rows: usize) -> Self {
        let mut neighbours: BTreeMap<NodeIndex, Vec<NodeIndex>> = BTreeMap::new();
        for (image, base, _) in view.edges().filter(|(image, base, _)| image != base) {
            neighbours.entry(image).or_default().push(base);
            neighbours.entry(base).or_default().push(image);
        }
        let mut grid = Self {
            wide: layers
                .iter()
                .map(|layer| layer.len().div_ceil(rows))
                .collect(),
            layers,
            neighbours,
            rows: BTreeMap::new(),
        };
        // What belongs together begins together.
        let order = grid.by_component();
        for layer in 0..grid.layers.len() {
            grid.layers[layer].sort_by_key(|node| order[node]);
            let wide = grid.wide[layer];
            grid.place(layer, |at| (at / wide) as f64);
        }
        grid
    }

    /// A number for each node: components one after the other, nodes without edges last.
    fn by_component(&self) -> BTreeMap<NodeIndex, (bool, usize)> {
        let mut order = BTreeMap::new();
        let all: BTreeSet<NodeIndex> = self.layers.iter().flatten().copied().collect();
        for start in all {
            let mut open = vec![start];
            while let Some(node) = open.pop() {
                if order.contains_key(&node) {
                    continue;
                }
                let neighbours = self.neighbours.get(&node).map_or(&[][..], Vec::as_slice);
                order.insert(node, (neighbours.is_empty(), order.len()));
                open.extend(neighbours.iter().rev());
            }
        }
        order
    }

    /// Orders each layer by where its neighbours are, and moves it there.
    fn sweep(&mut self, backwards: bool) {
        let mut layers: Vec<usize> = (0..self.layers.len()).collect();
        if backwards {
            layers.reverse();
        }
        for layer in layers {
            let mut wanted: Vec<(f64, NodeIndex)> = Vec::with_capacity(self.layers[layer].len());
            for node in &self.layers[layer] {
                let neighbours = self.neighbours.get(node).map_or(&[][..], Vec::as_slice);
                let sum: f64 = neighbours
                    .iter()
                    .map(|neighbour| self.rows[neighbour])
                    .sum();
                let mean = match neighbours.len() {
                    0 => f64::INFINITY,
                    number => sum / number as f64,
                };
                wanted.push((mean, *node));
            }
            wanted.sort_by(|a, b| a.0.total_cmp(&b.0));
            self.layers[layer] = wanted.iter().map(|(_, node)| *node).collect();
            let (means, last): (Vec<f64>, _) = (
                wanted
                    .iter()
                    .map(|(mean, _)| *mean)
                    .filter(|mean| mean.is_finite())
                    .collect(),
                wanted
                    .iter()
                    .rev()
                    .find(|(mean, _)| mean.is_finite())
                    .map_or(0.0, |(mean, _)| *mean),
            );
            self.place(layer, |at| means.get(at).copied().unwrap_or(last));
        }
    }

    /// Gives the nodes of a layer rows: as near as possible to where each wants to be, in order,
    /// and at least one apart (the pool-adjacent-violators algorithm on the rows of the grid).
    fn place(&mut self, layer: usize, wanted: impl Fn(usize) -> f64) {
        let (nodes, wide) = (&self.layers[layer], self.wide[layer].max(1));
        // Blocks of rows that touch: sum of wishes for the first row, number of rows.
        let mut blocks: Vec<(f64, usize)> = Vec::new();
        for (row, chunk) in nodes.chunks(wide).enumerate() {
            let wishes: f64 = (0..chunk.len()).map(|at| wanted(row * wide + at)).sum();
            let wish = wishes / chunk.len() as f64;
            let mut block = (wish, 1);
            while let Some((sum, rows)) = blocks.last().copied() {
                let (first, own) = (sum / rows as f64, block.0 / block.1 as f64);
                if own >= first + rows as f64 {
                    break;
                }
                // The rows of this block come after those of the other.
                block = (sum + block.0 - (rows * block.1) as f64, rows + block.1);
                blocks.pop();
            }
            blocks.push(block);
        }
        let mut rows = Vec::with_capacity(nodes.len());
        for (sum, number) in blocks {
            rows.extend((0..number).map(|row| sum / number as f64 + row as f64));
        }
        for (chunk, row) in nodes.chunks(wide).zip(rows) {
            for node in chunk {
                self.rows.insert(*node, row);
            }
        }
    }

    fn cells(&self) -> BTreeMap<NodeIndex, Cell> {
        let mut cells = BTreeMap::new();
        let mut left = 0;
        for (layer, wide) in self.layers.iter().zip(&self.wide) {
            let mut free = i32::MIN;
            for chunk in layer.chunks((*wide).max(1)) {
                // Rows are finite and few: the cast cuts nothing.
                let row = (self.rows[&chunk[0]].round() as i32).max(free);
                free = row + 1;
                for (at, node) in chunk.iter().enumerate() {
                    cells.insert(
                        *node,
                        Cell {
                            column: left + at,
                            row,
                        },
                    );
                }
            }
            left += wide;
        }
        let top = cells.values().map(|cell| cell.row).min().unwrap_or(0);
        for cell in cells.values_mut() {
            cell.row -= top;
        }
        cells
    }
}

/// The way from the right side of a base to the left side of an image.
fn way(base: Cell, image: Cell, columns: &[i32], lane: usize) -> String {
    let middle = |cell: Cell| cell.row * ROW + NODE.1 / 2;
    let (x1, y1) = (columns[base.column] + NODE.0, middle(base));
    let (x2, y2) = (columns[image.column], middle(image));
    if image.column == base.column + 1 {
        let half = (x1 + x2) / 2;
        return format!("M{x1} {y1}C{half} {y1} {half} {y2} {x2} {y2}");
    }
    // Turns take most of the gap that they are in.
    let after = columns
        .get(base.column + 1)
        .map_or(COLUMN_GAP, |next| next - x1);
    let before = match image.column.checked_sub(1) {
        Some(left) => x2 - columns[left] - NODE.0,
        None => COLUMN_GAP,
    };
    let (a, b) = (x1 + after * 3 / 4, x2 - before * 3 / 4);
    let (half_a, half_b) = ((x1 + a) / 2, (x2 + b) / 2);
    let lane = i32::try_from(lane % LANES).unwrap_or_default() - LANES as i32 / 2;
    let gap = match base.row < image.row {
        true => y2 - ROW / 2,
        false => y2 + ROW / 2,
    } + lane * LANE;
    format!(
        "M{x1} {y1}C{half_a} {y1} {half_a} {gap} {a} {gap}L{b} {gap}C{half_b} {gap} {half_b} {y2} {x2} {y2}"
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fixture::graph;

    fn overlaps(layout: &Layout) -> bool {
        let mut corners: Vec<_> = layout.nodes.iter().map(|(_, corner)| *corner).collect();
        corners.sort_unstable();
        corners
            .windows(2)
            .any(|pair| pair[0].0 == pair[1].0 && pair[1].1 - pair[0].1 < ROW)
    }

    #[test]
    fn a_chain_is_a_straight_line() {
        let graph = graph("a: node:22\nb: a\nc: b");
        let layout = layout(&View::all(&graph));
        assert!(layout.nodes.iter().all(|(_, (_, y))| *y == 0), "{layout:?}");
        let layers: Vec<&str> = layout
            .layers
            .iter()
            .map(|(_, name)| name.as_str())
            .collect();
        assert_eq!(layers, ["upstream", "wave 1", "wave 2", "wave 3"]);
        assert_eq!(
            layout
                .edges
                .iter()
                .filter(|line| line.way.contains('L'))
                .count(),
            0
        );
    }

    #[test]
    fn a_cascade_has_columns_of_its_own_waves() {
        // Both are of later waves of the fleet, and app is rebuilt twice.
        let graph = graph(
            "low: debian:12\nmid 1d: low node:22\napp 0: low mid node:22\nheld manual: app\nlate: held",
        );
        let cause = graph.find("node:22").unwrap();
        let cascade = graph.cascade(cause);
        let nodes = cascade.waves(&graph).into_keys();
        let view = View::of(&graph, "cascade", nodes).with_waves(cascade.waves(&graph));
        let layout = layout(&view);
        let columns = layout.layers.iter().map(|(x, name)| {
            let inside = layout.nodes.iter().filter(|(_, (left, _))| left == x);
            let inside = inside.map(|(index, _)| graph.node(*index).label());
            format!("{name}: {}", inside.collect::<Vec<_>>().join(" "))
        });
        assert_eq!(
            columns.collect::<Vec<_>>(),
            [
                "moves: node:22",
                "wave 1: mid",
                "wave 2: app",
                "wave 3: held",
                "wave 4: late"
            ]
        );
    }

    #[test]
    fn nothing_is_an_empty_picture() {
        assert_eq!(layout(&View::all(&graph(""))), Layout::default());
    }

    proptest! {
        #[test]
        fn nodes_never_overlap_and_stay_in_the_picture(edges in prop::collection::vec((0u8..60, 0u8..60), 0..150), bases in 1u8..6) {
            let mut lines: Vec<String> = (0..60).map(|at| format!("i{at}: node:{}", at % bases)).collect();
            for (image, base) in edges {
                let word = format!("i{base}");
                let line = &mut lines[usize::from(image)];
                if !line.split_whitespace().any(|known| known == word) {
                    line.push_str(&format!(" {word}"));
                }
            }
            let graph = graph(&lines.join("\n"));
            let view = View::all(&graph);
            let found = layout(&view);
            prop_assert!(!overlaps(&found));
            prop_assert_eq!(found.nodes.len(), view.nodes().count());
            prop_assert_eq!(found.edges.len(), view.edges().count());
            for (_, (x, y)) in &found.nodes {
                prop_assert!((0..=found.width - NODE.0).contains(x) && (0..=found.height - NODE.1).contains(y));
            }
            prop_assert_eq!(&layout(&view), &found);
        }
    }

    #[test]
    fn a_wide_fleet_takes_several_columns() {
        let lines: Vec<String> = (0..600)
            .map(|at| format!("i{at}: node:{}", at % 7))
            .collect();
        let graph = graph(&lines.join("\n"));
        let layout = layout(&View::all(&graph));
        assert!(!overlaps(&layout));
        assert!(
            layout.height < 3 * layout.width && layout.width < 6 * layout.height,
            "{} {}",
            layout.width,
            layout.height
        );
    }
}
