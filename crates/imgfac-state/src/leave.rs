//! What leaves the fleet, or goes on as something else: only a run about all images can tell.

use std::collections::{BTreeMap, BTreeSet};

use imgfac_model::{BaseName, BaseState, ImageName, ImageState, Repository};
use imgfac_yaml::Value;

use crate::change::ChangeKind;
use crate::emit;
use crate::fleet::{Fleet, Subject, base_path, image_path};
use crate::former;
use crate::lifecycle::Kind;
use crate::passage::Passage;
use crate::stored::{Stored, read_base, read_image};
use crate::update::Run;

impl Fleet {
    /// Images that are not enrolled any more become bases, if others stand on them, or go to the
    /// archive.
    pub(crate) fn images_leave(&mut self, kept: &BTreeSet<&BaseName>, run: &mut Run<'_>) {
        if self.needs_are_unknown(run) {
            return;
        }
        let images = &run.update.configuration.images;
        let gone: Vec<String> = (self.images.keys())
            .filter(|name| !images.contains_key(name.as_str()))
            .cloned()
            .collect();
        for name in gone {
            let Some(stored) = self.images.remove(&name) else {
                continue;
            };
            let path = image_path(&name);
            self.forget(&path);
            let kind = Kind::of_state(&stored);
            let place = stored.repository();
            if self.carry(&name, &stored, kind, kept, run) {
                continue;
            }
            run.left.push((name.clone(), place));
            let reason = "removed from the enrolment";
            let moment = run.update.moment();
            self.put_image_away(&name, stored, &path, kind, reason, moment, &mut run.changes);
        }
    }

    /// Lets a base that is still needed carry the whole state of the image that it was, if there
    /// is one.
    fn carry(
        &mut self,
        name: &str,
        stored: &Stored<ImageState>,
        kind: Option<Kind>,
        kept: &BTreeSet<&BaseName>,
        run: &mut Run<'_>,
    ) -> bool {
        let base = match stored.repository() {
            Some(place) if !run.managed.contains_key(&place) => self.needed_base(&place, kept),
            _ => None,
        };
        let Some(base) = base else {
            return false;
        };
        let mut carried = stored.clone();
        let passage = kind.map(|kind| Passage::new(run.update.moment(), kind, Kind::Base));
        if let Some(passage) = &passage {
            passage.record(&mut carried.rest);
        }
        if !self.put_former_image(&base, former::image(name, &carried)) {
            return false;
        }
        let mut details = passage.map_or_else(Vec::new, |passage| passage.sentences());
        details.push(format!("kept in {}", base_path(base.as_str())));
        let subject = Subject::Image(name.to_owned());
        run.changes.add(subject, ChangeKind::Became, details);
        true
    }

    /// The first base of a repository that somebody stands on.
    fn needed_base(&self, place: &Repository, kept: &BTreeSet<&BaseName>) -> Option<BaseName> {
        let mut bases = self.bases.iter();
        let (name, _) = bases.find(|(name, stored)| {
            kept.contains(name)
                && stored.state.reference.repository() == place
                && self.unreadable_base(name.as_str()).is_none()
        })?;
        Some(name.clone())
    }

    /// Whether a base could take the state in: a file has limits of depth and size.
    fn put_former_image(&mut self, base: &BaseName, image: Value) -> bool {
        let Some(stored) = self.bases.get_mut(base) else {
            return false;
        };
        let mut with_it = stored.clone();
        former::put(&mut with_it.rest, former::IMAGES, image);
        let fits = read_base(emit::base(base, &with_it).as_bytes(), None).is_ok();
        if fits {
            *stored = with_it;
        }
        fits
    }

    /// Bases that are images of ours now go on in the files of those.
    pub(crate) fn bases_become_images(&mut self, run: &mut Run<'_>) {
        let mut ours: BTreeMap<ImageName, Vec<BaseName>> = BTreeMap::new();
        for (base, stored) in &self.bases {
            let Some(image) = run.managed.get(stored.state.reference.repository()) else {
                continue;
            };
            // Where its own state cannot be read, nothing can be added to it.
            if self.images.contains_key(image.as_str()) {
                ours.entry((*image).clone()).or_default().push(base.clone());
            }
        }
        for (image, bases) in ours {
            let (tag, digest) = match bases.as_slice() {
                [one] => self.bases.get(one).map_or((None, None), |base| {
                    let tag = base.state.reference.tag().map(ToString::to_string);
                    (tag, base.state.current_digest.clone())
                }),
                _ => (None, None),
            };
            for base in bases {
                self.base_becomes_image(&base, &image, run);
            }
            let Some(stored) = self.images.get_mut(image.as_str()) else {
                continue;
            };
            // What its own tag points at was seen since it was built.
            let same_tag = tag.is_some() && tag == stored.state.current_version;
            if digest.is_some() && (stored.state.current_digest.is_none() || same_tag) {
                stored.state.current_digest = digest;
            }
            // A run about this image alone may have told it, when the base could not leave yet.
            let passages = Passage::all(&stored.rest);
            let passage = Passage::new(run.update.moment(), Kind::Base, Kind::Managed);
            let told = |last: &Passage| (&last.from, &last.to) == (&passage.from, &passage.to);
            if passages.last().is_some_and(told) || !run.passed.insert(image.to_string()) {
                continue;
            }
            passage.record(&mut stored.rest);
            let subject = Subject::Image(image.to_string());
            (run.changes).add(subject, ChangeKind::Changed, passage.sentences());
        }
    }

    fn base_becomes_image(&mut self, name: &BaseName, image: &ImageName, run: &mut Run<'_>) {
        let moment = run.update.moment();
        let Some((mut base, path)) = self.take_base(name) else {
            return;
        };
        for (other, stored) in former::images(&base.rest) {
            former::take(&mut base.rest, former::IMAGES, &other);
            run.left.push((other.clone(), stored.repository()));
            let (kind, reason) = (
                Some(Kind::Base),
                format!("{image} is published at its place"),
            );
            let changes = &mut run.changes;
            self.put_image_away(&other, stored, &path, kind, &reason, moment, changes);
        }
        let before = base.clone();
        let passage = Passage::new(moment, Kind::Base, Kind::Managed);
        passage.record(&mut base.rest);
        if !self.put_former_base(image, former::base(name, &base)) {
            let reason = format!("{image} is published at its place");
            let (kind, changes) = (Some(Kind::Base), &mut run.changes);
            self.put_base_away(name, before, &path, kind, &reason, moment, changes);
            return;
        }
        let mut details = passage.sentences();
        details.push(format!("kept in {}", image_path(image.as_str())));
        let subject = Subject::Base(name.to_string());
        run.changes.add(subject, ChangeKind::Became, details);
    }

    fn put_former_base(&mut self, image: &ImageName, base: Value) -> bool {
        let Some(stored) = self.images.get_mut(image.as_str()) else {
            return false;
        };
        let mut with_it = stored.clone();
        former::put(&mut with_it.rest, former::BASES, base);
        let fits = read_image(emit::image(image.as_str(), &with_it).as_bytes(), None).is_ok();
        if fits {
            *stored = with_it;
        }
        fits
    }

    /// Bases that nothing stands on go to the archive.
    pub(crate) fn bases_leave(&mut self, kept: &BTreeSet<&BaseName>, run: &mut Run<'_>) {
        if self.needs_are_unknown(run) {
            return;
        }
        let gone: Vec<BaseName> = (self.bases.keys())
            .filter(|name| !kept.contains(name))
            .cloned()
            .collect();
        for name in gone {
            let Some((mut stored, path)) = self.take_base(&name) else {
                continue;
            };
            self.hand_images_on(&mut stored, &path, kept, run);
            let reason = "no Dockerfile names it any more";
            let (kind, moment) = (Some(Kind::Base), run.update.moment());
            self.put_base_away(&name, stored, &path, kind, reason, moment, &mut run.changes);
        }
    }

    /// The states of images that a leaving base carried go on in another base of the place, or to
    /// the archive.
    fn hand_images_on(
        &mut self,
        base: &mut Stored<BaseState>,
        path: &str,
        kept: &BTreeSet<&BaseName>,
        run: &mut Run<'_>,
    ) {
        for (image, stored) in former::images(&base.rest) {
            former::take(&mut base.rest, former::IMAGES, &image);
            let next = self.needed_base(base.state.reference.repository(), kept);
            if let Some(next) = next
                && self.put_former_image(&next, former::image(&image, &stored))
            {
                continue;
            }
            let (kind, reason) = (Some(Kind::Base), "no Dockerfile names it any more");
            let (moment, changes) = (run.update.moment(), &mut run.changes);
            self.put_image_away(&image, stored, path, kind, reason, moment, changes);
        }
    }

    /// What an image with an unusable state stands on is not known: anything may be its own.
    fn needs_are_unknown(&self, run: &Run<'_>) -> bool {
        let mut images = run.update.configuration.images.keys();
        images.any(|name| self.unreadable_image(name.as_str()).is_some())
    }
}
