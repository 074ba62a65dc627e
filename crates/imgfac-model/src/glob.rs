//! Names with stars.

/// Whether a text is that of a pattern, in which `*` stands for any characters. Each part between stars is taken where it is found first,
/// so that the time is bounded by the product of both lengths.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    let Some(mut text) = text
        .strip_prefix(start)
        .and_then(|text| text.strip_suffix(end))
    else {
        return false;
    };
    middle.split('*').all(
        |part| match text.split_once(part).filter(|_| !part.is_empty()) {
            Some((_, after)) => {
                text = after;
                true
            }
            None => part.is_empty(),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, text, expected) in [
            ("web", "web", true),
            ("web", "web2", false),
            ("", "", true),
            ("*", "", true),
            ("shop-*", "shop-api", true),
            ("shop-*", "shop", false),
            ("*a*b*", "xaxbx", true),
            ("*a*b*", "bxa", false),
            ("a**b", "ab", true),
            ("ab*ba", "aba", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
