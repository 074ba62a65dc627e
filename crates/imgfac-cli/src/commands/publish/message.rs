//! The message of a commit: what changed and why, for people and for machines.

use std::fmt::Write;

use imgfac_state::{Change, ChangeKind, FileChange, Subject};

use crate::render::{clean, count};

/// More lines than this are counted, not written.
const LINES: usize = 100;

/// A summary line, a line for each image and base that changed, and trailers.
pub(super) fn message(command: &str, changes: &[Change], files: &[FileChange]) -> String {
    let mut out = summary(changes, files);
    out.push_str("\n\n");
    for change in changes.iter().take(LINES) {
        let (what, name) = match &change.subject {
            Subject::Image(name) => ("image", name),
            Subject::Base(name) => ("base", name),
        };
        let _ = write!(out, "- {what} {}: {}", clean(name), change.kind.as_str());
        if !change.details.is_empty() {
            let _ = write!(out, "; {}", clean(&change.details.join("; ")));
        }
        out.push('\n');
    }
    if changes.len() > LINES {
        let _ = writeln!(out, "- and {} more", changes.len() - LINES);
    }
    if !changes.is_empty() {
        out.push('\n');
    }
    let _ = writeln!(out, "Imgfac-Command: {command}");
    let _ = writeln!(out, "Imgfac-Version: {}", env!("CARGO_PKG_VERSION"));
    let images = changes.iter().filter_map(|change| match &change.subject {
        Subject::Image(name) => Some(name),
        Subject::Base(_) => None,
    });
    for name in images.take(LINES) {
        let _ = writeln!(out, "Imgfac-Image: {}", clean(name));
    }
    out
}

fn summary(changes: &[Change], files: &[FileChange]) -> String {
    match changes {
        [] => format!("imgfac: {}", written(files)),
        [one] => {
            let (Subject::Image(name) | Subject::Base(name)) = &one.subject;
            match one.details.first() {
                Some(detail) if one.kind == ChangeKind::Changed => {
                    format!("imgfac: {} {}", clean(name), clean(detail))
                }
                _ => format!("imgfac: {} {}", clean(name), one.kind.as_str()),
            }
        }
        many => {
            let (images, bases): (Vec<_>, Vec<_>) = many
                .iter()
                .partition(|change| matches!(change.subject, Subject::Image(_)));
            let parts: Vec<String> = [(images.len(), "image"), (bases.len(), "base")]
                .into_iter()
                .filter(|(number, _)| *number > 0)
                .map(|(number, what)| count(number, what))
                .collect();
            format!("imgfac: {} changed", parts.join(" and "))
        }
    }
}

/// What the files are, where nothing changed of images and bases.
fn written(files: &[FileChange]) -> String {
    let below = |folder: &str| {
        files
            .iter()
            .filter(|file| file.path().starts_with(folder))
            .count()
    };
    let (state, manifests) = (below("state/"), below("dist/"));
    if files.is_empty() || state + manifests < files.len() {
        return count(files.len(), "file");
    }
    match (state, manifests) {
        (_, 0) => "state".to_owned(),
        (0, _) => "manifests".to_owned(),
        _ => "state and manifests".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_without_changes_of_images_says_what_it_writes() {
        for (paths, said) in [
            (&["dist/kargo.yaml"][..], "imgfac: manifests"),
            (&["dist/a.yaml", "dist/b.yaml"], "imgfac: manifests"),
            (&["state/images/a.yaml"], "imgfac: state"),
            (
                &["dist/a.yaml", "state/images/a.yaml"],
                "imgfac: state and manifests",
            ),
            (&["dist/a.yaml", "images.yaml"], "imgfac: 2 files"),
        ] {
            let path = |path: &&str| FileChange::Remove {
                path: (*path).to_owned(),
            };
            let files: Vec<FileChange> = paths.iter().map(path).collect();
            assert_eq!(summary(&[], &files), said);
        }
    }
}
