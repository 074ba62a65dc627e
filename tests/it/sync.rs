//! The main job.

use crate::sandbox;
use insta::assert_snapshot;

#[test]
fn a_folder_without_images_is_refused() {
    let sandbox = sandbox();
    assert_snapshot!(sandbox.run(&["sync", "-C", "."]), @"
    exit 1
    --- stdout
    --- stderr
    error: . has no images.yaml: it is not a factory directory
    hint: name the factory directory with -C DIR, or make one with: imgfac init
    ");
}
