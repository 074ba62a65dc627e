//! Messages of Slack: <https://api.slack.com/messaging/webhooks>.

use imgfac_model::Placeholder;
use serde_json::json;

use crate::wording::Wording;

/// A section takes 3,000 characters (<https://api.slack.com/reference/block-kit/blocks#section>).
const LIMIT: usize = 2_900;

/// Makes a value text and nothing else
/// (<https://api.slack.com/reference/surfaces/formatting#escaping>): no link, no mention of a
/// channel. What a template says around it is as people wrote it, mentions included.
pub(crate) fn escape(placeholder: Placeholder, value: &str) -> String {
    if placeholder == Placeholder::Run && is_link(value) {
        return format!("<{}>", entities(value));
    }
    // `link_names` is off, and still: an old workspace may look for names.
    let mut out = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('@') {
        out.push_str(before);
        out.push('@');
        let name: String = after
            .chars()
            .take_while(char::is_ascii_alphabetic)
            .collect();
        if ["channel", "here", "everyone", "group"].contains(&name.to_ascii_lowercase().as_str()) {
            out.push('\u{2060}');
        }
        rest = after;
    }
    out.push_str(rest);
    entities(&plain(&out))
}

/// Gives what would format text another shape that looks the same: Slack knows no escape for it. An
/// underscore within a word formats nothing.
fn plain(text: &str) -> String {
    let mut before = None;
    let mut chars = text.chars().peekable();
    let mut out = String::new();
    while let Some(c) = chars.next() {
        let word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        out.push(match c {
            '*' => '\u{2217}',
            '`' => '\u{2cb}',
            '~' => '\u{223c}',
            '_' if !(word(before) && word(chars.peek().copied())) => '\u{2cd}',
            c => c,
        });
        before = Some(c);
    }
    out
}

fn entities(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// Whether it can stand between `<` and `>` and be nothing but an address.
fn is_link(text: &str) -> bool {
    let web = text.starts_with("https://") || text.starts_with("http://");
    web && (text.chars()).all(|c| c.is_ascii_graphic() && !matches!(c, '<' | '>' | '|' | '"' | '`'))
}

/// The request.
pub(crate) fn body(wording: &Wording) -> String {
    let title = shortened(&wording.title, crate::wording::TITLE_LIMIT);
    let text = shortened(&wording.text, LIMIT - title.chars().count());
    json!({
        "text": title,
        "blocks": [{
            "type": "section",
            "text": {
                "type": "mrkdwn",
                "text": format!("*{title}*\n{text}").trim_end(),
                "verbatim": true,
            },
        }],
        "link_names": false,
        "unfurl_links": false,
        "unfurl_media": false,
    })
    .to_string()
}

/// At most so many characters of escaped text: no entity and no link is cut in two.
fn shortened(text: &str, limit: usize) -> String {
    let Some((at, _)) = text.char_indices().nth(limit) else {
        return text.to_owned();
    };
    let mut kept = &text[..at];
    // Make room for the sign of what is left out.
    kept = kept
        .char_indices()
        .next_back()
        .map_or("", |(at, _)| &kept[..at]);
    if let Some(at) = kept.rfind('&').filter(|at| !kept[*at..].contains(';')) {
        kept = &kept[..at];
    }
    if let Some(at) = kept.rfind('<').filter(|at| !kept[*at..].contains('>')) {
        kept = &kept[..at];
    }
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_text_and_nothing_else() {
        let check = |value: &str, expected: &str| {
            assert_eq!(escape(Placeholder::Reason, value), expected);
        };
        check("a < b && c > d", "a &lt; b &amp;&amp; c &gt; d");
        check("<!channel> <@U1>", "&lt;!channel&gt; &lt;@U1&gt;");
        check("&lt;", "&amp;lt;");
        check(
            "@channel @Here, a@everyone @ada",
            "@\u{2060}channel @\u{2060}Here, a@\u{2060}everyone @ada",
        );
        check("https://x/?a=1&b", "https://x/?a=1&amp;b");
        check(
            "*bold* ```code``` ~no~ _so_ node_22",
            "\u{2217}bold\u{2217} \u{2cb}\u{2cb}\u{2cb}code\u{2cb}\u{2cb}\u{2cb} \u{223c}no\u{223c} \u{2cd}so\u{2cd} node_22",
        );
    }

    #[test]
    fn only_an_address_is_a_link() {
        let check = |value: &str, expected: &str| {
            assert_eq!(escape(Placeholder::Run, value), expected);
        };
        check("https://ci/run/1?a=1&b=2", "<https://ci/run/1?a=1&amp;b=2>");
        check("https://ci|evil", "https://ci|evil");
        check("https://ci/ x", "https://ci/ x");
        check("https://ci/>x", "https://ci/&gt;x");
        check("javascript:alert(1)", "javascript:alert(1)");
        check("!channel", "!channel");
    }

    #[test]
    fn nothing_is_cut_in_two() {
        for (text, limit, expected) in [
            ("abc", 3, "abc"),
            ("abcd", 3, "ab…"),
            ("a&amp;b", 5, "a…"),
            ("a&amp;b", 7, "a&amp;b"),
            ("a&amp;bc", 7, "a&amp;…"),
            ("a <https://x> b", 8, "a …"),
            ("äöü€", 3, "äö…"),
            ("abc", 0, "…"),
        ] {
            assert_eq!(shortened(text, limit), expected, "{text}");
        }
    }

    #[test]
    fn a_message_fits() {
        let wording = Wording {
            title: "&amp;".repeat(200),
            text: "<https://x>\n".repeat(1_000),
        };
        let body: serde_json::Value = serde_json::from_str(&body(&wording)).unwrap();
        let section = body["blocks"][0]["text"]["text"].as_str().unwrap();
        assert!(section.chars().count() <= 3_000, "{}", section.len());
        assert!(body["text"].as_str().unwrap().chars().count() <= 150);
    }
}
