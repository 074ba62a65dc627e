//! The images of a file, each once, with their uses.

use std::collections::BTreeMap;

use imgfac_model::Reference;

use crate::analysis::{Image, Use};

/// Images in the order of their first uses.
#[derive(Default)]
pub(crate) struct ImageList {
    images: Vec<Image>,
    known: BTreeMap<Reference, usize>,
}

impl ImageList {
    /// Records a use of an image; returns the image's index.
    pub(crate) fn add(&mut self, reference: Reference, used: Use) -> usize {
        if let Some(&known) = self.known.get(&reference) {
            self.reuse(known, used);
            return known;
        }
        let index = self.images.len();
        self.known.insert(reference.clone(), index);
        self.images.push(Image {
            reference,
            first: used,
            more: Vec::new(),
            reachable: false,
        });
        index
    }

    /// Records a use of an image that is named by its index.
    pub(crate) fn reuse(&mut self, image: usize, used: Use) {
        if let Some(image) = self.images.get_mut(image) {
            image.more.push(used);
        }
    }

    /// Notes which uses, and so which images, the target needs.
    pub(crate) fn finish(mut self, is_reachable: impl Fn(usize) -> bool) -> Vec<Image> {
        for image in &mut self.images {
            for used in std::iter::once(&mut image.first).chain(&mut image.more) {
                used.reachable = is_reachable(used.stage);
                image.reachable |= used.reachable;
            }
        }
        self.images
    }
}
