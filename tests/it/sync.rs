//! The main job.

use imgfac_tests::Sandbox;
use insta::assert_snapshot;

#[test]
fn a_folder_without_images_is_refused() {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_imgfac-under-test"));
    assert_snapshot!(sandbox.run(&["sync", "-C", "."]), @"
    exit 1
    --- stdout
    --- stderr
    error: . has no images.yaml: it is not a factory directory
    hint: name the factory directory with -C DIR, or make one with: imgfac init
    ");
}
