//! The Merkle tree of RFC 9162 (SHA-256): hashes, root, inclusion and consistency proofs. Pure: the caller supplies the roots of
//! whole subtrees, at most twice the tree's height of them for each proof.

use std::ops::Range;

use ring::digest::{Context, SHA256, digest};

/// A hash of a leaf, a node, or the tree.
pub type Hash = [u8; 32];

const LEAF: u8 = 0;
const NODE: u8 = 1;
/// A path has one step for each level of the tree; a consistency path has one more.
const PROOF_STEPS_MAX: usize = 65;

/// A whole subtree: it covers 2^`level` leaves, from `index` · 2^`level` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// 0 for a leaf.
    pub level: u32,
    /// The index among the subtrees of this level, from 0.
    pub index: u64,
}

impl Node {
    /// Returns the range of leaves below the node.
    pub const fn leaves(self) -> Range<u64> {
        self.index << self.level..(self.index + 1) << self.level
    }
}

/// Returns the hash of a leaf.
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    hash(LEAF, &[leaf])
}

/// Returns the hash of a node with these two children.
pub(crate) fn node_hash(left: &Hash, right: &Hash) -> Hash {
    hash(NODE, &[left, right])
}

fn hash(kind: u8, parts: &[&[u8]]) -> Hash {
    let mut context = Context::new(&SHA256);
    context.update(&[kind]);
    parts.iter().for_each(|part| context.update(part));
    to_hash(context.finish())
}

fn to_hash(digest: ring::digest::Digest) -> Hash {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest.as_ref());
    hash
}

/// The tree over leaves that are added one by one; its memory is one hash for each level.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    size: u64,
    /// Roots of whole subtrees, the largest first, each with its number of leaves.
    peaks: Vec<(u64, Hash)>,
}

impl Tree {
    /// Returns the number of leaves.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf's hash. Calls `whole` for each subtree that this leaf completes, the smallest first.
    pub fn push(&mut self, leaf: Hash, mut whole: impl FnMut(Node, Hash)) {
        let (mut count, mut hash) = (1_u64, leaf);
        while let Some((left_count, left)) = self.peaks.pop_if(|(left_count, _)| *left_count == count) {
            hash = node_hash(&left, &hash);
            count += left_count;
            whole(Node { level: count.trailing_zeros(), index: self.size / count }, hash);
        }
        self.peaks.push((count, hash));
        self.size += 1;
    }

    /// Returns the root; the root of an empty tree is the hash of the empty string.
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev().map(|(_, hash)| *hash);
        match peaks.next() {
            Some(last) => peaks.fold(last, |right, left| node_hash(&left, &right)),
            None => to_hash(digest(&SHA256, &[])),
        }
    }
}

/// Returns the leaf at which the right half starts: the left half is the largest whole subtree that leaves the right half not
/// empty.
const fn split(leaves: &Range<u64>) -> u64 {
    leaves.start + (leaves.end - leaves.start).next_power_of_two() / 2
}

/// Computes the root over the first `size` leaves; `node` returns the roots of whole subtrees.
pub(crate) fn root<E>(size: u64, mut node: impl FnMut(Node) -> Result<Hash, E>) -> Result<Hash, E> {
    if size == 0 { Ok(Tree::default().root()) } else { root_over(0..size, &mut node) }
}

/// Computes the root over a range of leaves that starts at the boundary of a whole subtree of at least this size.
fn root_over<E>(leaves: Range<u64>, node: &mut impl FnMut(Node) -> Result<Hash, E>) -> Result<Hash, E> {
    let count = leaves.end - leaves.start;
    if count.is_power_of_two() {
        return node(Node { level: count.trailing_zeros(), index: leaves.start / count });
    }
    let middle = split(&leaves);
    let left = root_over(leaves.start..middle, node)?;
    Ok(node_hash(&left, &root_over(middle..leaves.end, node)?))
}

/// Returns the inclusion path from a leaf to the root over `size` leaves, the leaf's neighbour first; `None` if there is no such
/// leaf.
pub fn prove<E>(
    size: u64,
    index: u64,
    mut node: impl FnMut(Node) -> Result<Hash, E>,
) -> Result<Option<Vec<Hash>>, E> {
    if index >= size {
        return Ok(None);
    }
    let (mut leaves, mut path) = (0..size, Vec::new());
    while leaves.end - leaves.start > 1 {
        let middle = split(&leaves);
        let (near, far) = if index < middle {
            (leaves.start..middle, middle..leaves.end)
        } else {
            (middle..leaves.end, leaves.start..middle)
        };
        path.push(root_over(far, &mut node)?);
        leaves = near;
    }
    path.reverse();
    Ok(Some(path))
}

/// Computes the root that an inclusion path leads to; `None` if the path does not fit the index and the size.
pub(super) fn climb(leaf: Hash, index: u64, size: u64, path: &[Hash]) -> Option<Hash> {
    if index >= size || path.len() > PROOF_STEPS_MAX {
        return None;
    }
    let (mut node, mut last, mut hash) = (index, size - 1, leaf);
    for step in path {
        if last == 0 {
            return None;
        }
        if node % 2 == 1 || node == last {
            hash = node_hash(step, &hash);
            while node.is_multiple_of(2) && node != 0 {
                (node, last) = (node / 2, last / 2);
            }
        } else {
            hash = node_hash(&hash, step);
        }
        (node, last) = (node / 2, last / 2);
    }
    (last == 0).then_some(hash)
}

/// Returns the consistency path from the tree of the first `since` leaves to the tree of `size`; `None` if `since` is greater
/// than `size`.
pub(crate) fn prove_growth<E>(
    since: u64,
    size: u64,
    mut node: impl FnMut(Node) -> Result<Hash, E>,
) -> Result<Option<Vec<Hash>>, E> {
    if since > size {
        return Ok(None);
    }
    let (mut leaves, mut path) = (0..size, Vec::new());
    while since > 0 && since < leaves.end {
        let middle = split(&leaves);
        let (near, far) = if since <= middle {
            (leaves.start..middle, middle..leaves.end)
        } else {
            (middle..leaves.end, leaves.start..middle)
        };
        path.push(root_over(far, &mut node)?);
        leaves = near;
    }
    // The verifier holds the old tree's root, so the path leaves it out.
    if since > 0 && leaves.start > 0 {
        path.push(root_over(leaves, &mut node)?);
    }
    path.reverse();
    Ok(Some(path))
}

/// Returns whether the consistency path shows that the second tree (size and root) begins with the first.
pub(super) fn has_grown((since, old): (u64, Hash), (size, new): (u64, Hash), path: &[Hash]) -> bool {
    if since > size || path.len() > PROOF_STEPS_MAX {
        return false;
    }
    if since == 0 || since == size {
        return path.is_empty() && old == if since == 0 { Tree::default().root() } else { new };
    }
    let (mut node, mut last) = (since - 1, size - 1);
    (node, last) = (node >> node.trailing_ones(), last >> node.trailing_ones());
    let mut steps = path.iter();
    // The root of a whole subtree is its own first step.
    let first = if since.is_power_of_two() { Some(&old) } else { steps.next() };
    let Some(&first) = first else { return false };
    let (mut before, mut after) = (first, first);
    for step in steps {
        if last == 0 {
            return false;
        }
        if node % 2 == 1 || node == last {
            (before, after) = (node_hash(step, &before), node_hash(step, &after));
            while node.is_multiple_of(2) && node != 0 {
                (node, last) = (node / 2, last / 2);
            }
        } else {
            after = node_hash(&after, step);
        }
        (node, last) = (node / 2, last / 2);
    }
    last == 0 && before == old && after == new
}
