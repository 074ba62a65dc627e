//! Any bytes are a Dockerfile: the analysis does not panic, and its numbers fit the text.
//!
//! The first line of the input is the target, the second the value of the build argument `A`, the
//! third the platform; an empty one is left out.

#![no_main]

use imgfac_dockerfile::{Options, analyze};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let mut parts = input.splitn(4, |&b| b == b'\n');
    let mut option = || {
        let part = parts.next().unwrap_or_default();
        (!part.is_empty()).then(|| String::from_utf8_lossy(part).into_owned())
    };
    let (target, argument, platform) = (option(), option(), option());
    let options = Options {
        build_args: argument.map(|value| ("A".to_owned(), value)).into_iter().collect(),
        target,
        platform,
    };
    let text = parts.next().unwrap_or_default();
    let analysis = analyze(text, &options);
    let lines = text.iter().filter(|&&b| b == b'\n').count() + 1;
    for error in analysis.error.iter().chain(&analysis.more_errors) {
        assert!((1..=lines).contains(&error.line), "{error:?}");
        assert!(error.span.start <= error.span.end, "{error:?}");
        assert!(error.span.end <= text.len(), "{error:?}");
    }
    for image in analysis.images.iter().chain(&analysis.on_build_images) {
        for used in image.uses() {
            assert!((1..=lines).contains(&used.line), "{used:?}");
            assert!(used.span.end <= text.len(), "{used:?}");
            assert!(used.stage < analysis.stages.len(), "{used:?}");
        }
    }
    assert_eq!(analyze(text, &options), analysis);
});
