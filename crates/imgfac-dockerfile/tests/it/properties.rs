//! What holds for every file.

use imgfac_dockerfile::{Analysis, Base, Options, Use, analyze};
use proptest::prelude::*;

use crate::generate::{dockerfile, legal_lines};

fn read(text: &[u8]) -> Analysis {
    analyze(text, &Options::default())
}

/// Panics unless every number in the analysis fits the text and the other parts.
fn is_sound(text: &[u8], analysis: &Analysis) {
    let lines = text.split(|&b| b == b'\n').count();
    let errors = analysis.error.iter().chain(&analysis.more_errors);
    for error in errors {
        assert!((1..=lines).contains(&error.line), "{error:?}");
        assert!(error.column >= 1, "{error:?}");
        assert!(error.span.start <= error.span.end, "{error:?}");
        assert!(error.span.end <= text.len(), "{error:?}");
        assert!(!error.message.is_empty(), "{error:?}");
        let before = text.get(..error.span.start).unwrap_or_default();
        let breaks = before.iter().filter(|&&b| b == b'\n').count();
        assert_eq!(error.line, breaks + 1, "{error:?}");
    }
    let is_use = |used: &Use| {
        assert!(used.stage < analysis.stages.len(), "{used:?}");
        assert!((1..=lines).contains(&used.line), "{used:?}");
        assert!(used.span.start <= used.span.end, "{used:?}");
        assert!(used.span.end <= text.len(), "{used:?}");
    };
    for image in analysis.images.iter().chain(&analysis.on_build_images) {
        image.uses().for_each(is_use);
        let needed = image.uses().any(|used| used.reachable);
        assert_eq!(image.reachable, needed, "{image:?}");
    }
    let mut known: Vec<_> = analysis.images.iter().map(|i| &i.reference).collect();
    known.sort();
    known.dedup();
    assert_eq!(
        known.len(),
        analysis.images.len(),
        "an image is named twice"
    );
    for (index, stage) in analysis.stages.iter().enumerate() {
        match stage.base {
            Base::Image(image) => assert!(image < analysis.images.len(), "{stage:?}"),
            Base::Stage(parent) => assert!(parent < index, "{stage:?}"),
            Base::Scratch | Base::Unknown => {}
        }
    }
    if analysis.error.is_none() {
        assert!(!analysis.stages.is_empty(), "no mistake and no stage");
        assert!(analysis.more_errors.is_empty());
        assert!(analysis.stages.last().is_some_and(|stage| stage.reachable));
        assert!(!analysis.stages.iter().any(|s| s.base == Base::Unknown));
    }
}

/// Images, stages and mistakes, without their places.
type Essence = (Vec<(String, bool, usize)>, Vec<String>, Vec<String>);

/// The parts that must not change when only lines and white space do.
fn essence(analysis: &Analysis) -> Essence {
    let images = analysis.images.iter();
    let images = images.map(|i| (i.reference.to_string(), i.reachable, i.uses().count()));
    let stages = analysis
        .stages
        .iter()
        .map(|s| format!("{:?} {:?}", s.name, s.base));
    let errors = analysis.error.iter().chain(&analysis.more_errors);
    let errors = errors.map(|error| format!("{:?} {}", error.kind, error.message));
    (images.collect(), stages.collect(), errors.collect())
}

proptest! {
    #[test]
    fn any_bytes_have_an_answer(text in prop::collection::vec(any::<u8>(), 0..300)) {
        let analysis = read(&text);
        is_sound(&text, &analysis);
        assert_eq!(read(&text), analysis);
    }

    #[test]
    fn any_characters_have_an_answer(text in "(FROM |ARG A=|COPY |RUN )?[\\PC\n\r\t\\\\$\"'{}<#]{0,60}") {
        is_sound(text.as_bytes(), &read(text.as_bytes()));
    }

    #[test]
    fn any_file_has_an_answer(text in dockerfile(), target in "[a-d]?", arg in "[a-d$]{0,3}") {
        let analysis = read(text.as_bytes());
        is_sound(text.as_bytes(), &analysis);
        assert_eq!(read(text.as_bytes()), analysis);
        let options = Options {
            build_args: [("A".to_owned(), arg)].into(),
            target: Some(target),
            platform: Some("linux/arm/v7".to_owned()),
        };
        let stages = analyze(text.as_bytes(), &options).stages.len();
        assert_eq!(stages, analysis.stages.len());
    }

    #[test]
    fn cut_files_have_an_answer(text in dockerfile(), at in any::<prop::sample::Index>()) {
        let text = text.as_bytes();
        let text = text.get(..at.index(text.len() + 1)).unwrap_or_default();
        is_sound(text, &read(text));
    }

    #[test]
    fn comments_blank_lines_and_line_ends_change_nothing(lines in legal_lines()) {
        let plain = read(lines.join("\n").as_bytes());
        for between in ["\r\n", "\n\n", " \n", "\t\r\n", "\n# FROM x\n", "\n  # x \\\n"] {
            let text = lines.join(between);
            assert_eq!(essence(&read(text.as_bytes())), essence(&plain), "{text:?}");
        }
        let marked = format!("\u{FEFF}# x\n{}\n", lines.join("\n  "));
        assert_eq!(essence(&read(marked.as_bytes())), essence(&plain), "{marked:?}");
    }

    #[test]
    fn continuation_lines_change_nothing(lines in legal_lines()) {
        let plain = read(lines.join("\n").as_bytes());
        for gap in [" \\\n", " \\ \t\r\n", " \\\n# x\n", " \\\n\n  "] {
            let text = lines.join("\n").replace(' ', gap);
            assert_eq!(essence(&read(text.as_bytes())), essence(&plain), "{text:?}");
        }
        let text = format!("# escape=`\n{}", lines.join("\n").replace(' ', " `\n"));
        assert_eq!(essence(&read(text.as_bytes())), essence(&plain), "{text:?}");
    }

    #[test]
    fn a_stage_that_nothing_needs_changes_no_other(lines in legal_lines()) {
        let plain = read(lines.join("\n").as_bytes());
        let text = format!("{}\nFROM extra:1 AS unneeded\n", lines.join("\n"));
        let options = Options { target: Some("unneeded".to_owned()), ..Options::default() };
        let analysis = analyze(text.as_bytes(), &options);
        assert_eq!(analysis.stages.len(), plain.stages.len() + 1);
        if analysis.error.is_none() {
            let needed: Vec<_> = analysis.images.iter().filter(|i| i.reachable).collect();
            assert_eq!(needed.len(), 1);
        }
    }

    #[test]
    fn a_build_argument_is_what_its_default_would_be(value in "[a-z0-9./-]{0,8}", tail in "[a-z]?") {
        let text = format!("ARG A={value}\nARG B=$A\nFROM x/$B{tail}\n");
        let with = "ARG A\nARG B=$A\nFROM x/$B".to_owned() + &tail + "\n";
        let options = Options {
            build_args: [("A".to_owned(), value)].into(),
            ..Options::default()
        };
        let given = analyze(with.as_bytes(), &options);
        assert_eq!(essence(&given), essence(&read(text.as_bytes())));
    }
}
