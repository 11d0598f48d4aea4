//! Unbalanced trees whose shape comes from hashes, walked from a caller with a `join` for each two children: what does a
//! node cost? In a binary one a node has two children or none, and the root has many; in a geometric one the number of
//! children varies, and falls with the depth.
//!
//! After "UTS: An Unbalanced Tree Search Benchmark", Olivier and others, LCPC 2006.

use crate::measure::{Sample, timed};
use crate::workloads::Workload;
use crate::workloads::fork::{self, Fork, forks};

/// Nodes of the trees: what a walk without any runtime counts, too.
const BINARY_NODES: u32 = 205_631;
const GEOMETRIC_NODES: u32 = 97_602;

pub(crate) const BINARY: Workload = Workload::new(
    "uts_binary",
    "a node of an unbalanced tree, two children or none",
    forks!(binary, BINARY_NODES),
)
.quick();

pub(crate) const GEOMETRIC: Workload = Workload::new(
    "uts_geometric",
    "a node of an unbalanced tree, geometrically many children",
    forks!(geometric, GEOMETRIC_NODES),
);

/// How many children a node has.
trait Shape: 'static {
    fn children(node: Node) -> u64;
}

#[derive(Clone, Copy)]
struct Node {
    hash: u64,
    depth: u32,
}

impl Node {
    const ROOT: Self = Self { hash: 19, depth: 0 };

    /// By the finalizer of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
    fn child(self, index: u64) -> Self {
        let mut x = self.hash ^ (index + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self {
            hash: x ^ (x >> 31),
            depth: self.depth + 1,
        }
    }

    /// From 0 to 1.
    fn chance(self) -> f64 {
        (self.hash >> 11) as f64 / (1_u64 << 53) as f64
    }
}

struct Binary;

impl Shape for Binary {
    fn children(node: Node) -> u64 {
        match node.depth {
            0 => 2_000,
            _ if node.chance() < 0.497 => 2,
            _ => 0,
        }
    }
}

struct Geometric;

impl Shape for Geometric {
    fn children(node: Node) -> u64 {
        let mean = 5.0 * (1.0 - f64::from(node.depth) / 11.0);
        if node.depth == 0 {
            5
        } else if mean <= 0.0 {
            0
        } else {
            // Geometric, with this mean.
            ((1.0 - node.chance()).ln() / (mean / (1.0 + mean)).ln()) as u64
        }
    }
}

fn binary<F: Fork>() -> Sample {
    walked::<F, Binary>(BINARY_NODES)
}

fn geometric<F: Fork>() -> Sample {
    walked::<F, Geometric>(GEOMETRIC_NODES)
}

fn walked<F: Fork, S: Shape>(nodes: u32) -> Sample {
    timed(|| assert_eq!(F::enter(|here| below::<F, S>(here, Node::ROOT)), nodes))
}

/// The nodes of the tree below this one, and it.
fn below<F: Fork, S: Shape>(here: &mut F::Here<'_>, node: Node) -> u32 {
    1 + among::<F, S>(here, node, 0, S::children(node))
}

/// Those below some of its children.
fn among<F: Fork, S: Shape>(here: &mut F::Here<'_>, node: Node, from: u64, to: u64) -> u32 {
    match to - from {
        0 => 0,
        1 => below::<F, S>(here, node.child(from)),
        some => {
            let middle = from + some / 2;
            let (a, b) = F::join(
                here,
                |here| among::<F, S>(here, node, from, middle),
                |here| among::<F, S>(here, node, middle, to),
            );
            a + b
        }
    }
}
