//! The graph as a page: one file that needs nothing from outside.

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::escape::{script as escape_script, xml as escape};
use crate::json::JsonGraph;
use crate::layout::{NODE, layout};
use crate::view::View;

const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// What the script of the page reads.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Data<'g> {
    graph: JsonGraph<'g>,
    picture: Picture,
    as_of: &'g str,
}

/// Where everything is; lists are in the order of the graph's.
#[derive(Serialize)]
struct Picture {
    width: i32,
    height: i32,
    node: (i32, i32),
    nodes: Vec<(i32, i32)>,
    /// What stands on a node: label, second line, and the label in full.
    labels: Vec<(String, String, String)>,
    /// Way and colour.
    edges: Vec<(String, usize)>,
    layers: Vec<(i32, String)>,
}

/// Writes a page with search, filters, details and a table beside the picture.
///
/// `as_of` is the time of the state, RFC 3339; ages count from it. A policy in the page allows its
/// own script and style, by their hashes, and nothing else: no other script could run, and nothing
/// could leave.
///
/// # Errors
/// Never for a graph: all of it is text, numbers and lists.
pub fn html(view: &View<'_>, as_of: &str) -> Result<String, serde_json::Error> {
    let layout = layout(view);
    let data = Data {
        graph: JsonGraph::new(view),
        picture: Picture {
            width: layout.width,
            height: layout.height,
            node: NODE,
            nodes: layout.nodes.iter().map(|(_, corner)| *corner).collect(),
            labels: view
                .nodes()
                .map(|(index, node)| {
                    let (label, detail) = view.face(index);
                    (label, detail, node.label())
                })
                .collect(),
            edges: layout
                .edges
                .into_iter()
                .map(|line| (line.way, line.colour))
                .collect(),
            layers: layout.layers,
        },
        as_of,
    };
    let mut about = format!("{}, as of {as_of}", view.counts());
    if let Some(cut) = view.cut() {
        about = format!("{about}; {cut}");
    }
    let policy = format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; base-uri 'none'; form-action 'none'",
        source(SCRIPT),
        source(STYLE)
    );
    let title = format!("Image dependency graph: {}", view.title());
    let data = escape_script(&serde_json::to_string(&data)?);
    // In one pass, so that no value is looked into for marks.
    let mut out = String::with_capacity(PAGE.len() + STYLE.len() + SCRIPT.len() + data.len() + 512);
    let mut rest = PAGE;
    while let Some((before, after)) = rest.split_once('@') {
        out.push_str(before);
        let (mark, after) = after.split_once('@').unwrap_or((after, ""));
        match mark {
            "POLICY" => out.push_str(&escape(&policy)),
            "TITLE" => out.push_str(&escape(&title)),
            "ABOUT" => out.push_str(&escape(&about)),
            "STYLE" => out.push_str(STYLE),
            "DATA" => out.push_str(&data),
            "SCRIPT" => out.push_str(SCRIPT),
            other => out.push_str(other),
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// An element's content as a source of a content security policy.
fn source(text: &str) -> String {
    format!("sha256-{}", base64(&Sha256::digest(text)))
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk
            .iter()
            .fold(0u32, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for at in 0..4 {
            if at <= chunk.len() {
                out.push(char::from(LETTERS[(bits >> (18 - 6 * at) & 63) as usize]));
            } else {
                out.push('=');
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{EVERYTHING, HOSTILE, graph, hostile};

    /// What stands between the first `start` and the `end` after it.
    fn between<'t>(text: &'t str, start: &str, end: &str) -> &'t str {
        let (_, rest) = text.split_once(start).unwrap();
        rest.split_once(end).unwrap().0
    }

    #[test]
    fn base64_is_base64() {
        for (text, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(text.as_bytes()), coded);
        }
    }

    #[test]
    fn the_page_carries_the_graph_and_nothing_from_outside() {
        let graph = graph(EVERYTHING);
        let view = View::all(&graph);
        let page = html(&view, "2026-11-23T12:00:00Z").unwrap();
        let data = between(&page, "id=\"data\">", "</script>");
        let data: serde_json::Value = serde_json::from_str(data).unwrap();
        let own: serde_json::Value = serde_json::from_str(&crate::json(&view).unwrap()).unwrap();
        assert_eq!(data["graph"], own);
        for outside in ["http:", "https:", "src=", "href=", "@import", "url("] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert!(page.contains("6 images and 3 bases, as of 2026-11-23T12:00:00Z"));
        for mark in [
            "@POLICY@", "@TITLE@", "@ABOUT@", "@STYLE@", "@DATA@", "@SCRIPT@",
        ] {
            assert!(!page.contains(mark), "{mark}");
        }
    }

    #[test]
    fn hostile_text_stays_data() {
        let page = html(&View::all(&hostile()), HOSTILE).unwrap();
        // The two elements of the template, and no other.
        assert_eq!(page.matches("<script").count(), 2, "{page}");
        assert_eq!(page.matches("</script").count(), 2);
        assert!(!page.contains("<img") && !page.contains("--><!--"));
        let data = between(&page, "id=\"data\">", "</script>");
        let data: serde_json::Value = serde_json::from_str(data).unwrap();
        assert_eq!(data["graph"]["nodes"][0]["error"], HOSTILE);
        assert_eq!(data["asOf"], HOSTILE);
    }
}
