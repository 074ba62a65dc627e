//! The main job.

use crate::sandbox;
use insta::assert_snapshot;

/// Fault B16 of the predecessor: it made an empty state.
#[test]
fn a_folder_without_images_is_refused_and_gets_no_state() {
    let sandbox = sandbox();
    assert_snapshot!(sandbox.run(&["sync", "-C", "."]), @"
    exit 1
    --- stdout
    --- stderr
    error: . has no images.yaml: it is not a factory directory
    hint: name the factory directory with -C DIR, or make one with: imgfac init
    ");
    assert!(sandbox.files().is_empty());
}
