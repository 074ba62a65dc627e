//! Whether a state and an entry of images.yaml are about the same image.

use imgfac_model::{Enrolment, ImageState, Provider};
use imgfac_yaml::Value;

use crate::lifecycle::entry;
use crate::stored::Stored;

/// How the image of a state differs from the one that is enrolled now, one line each: another
/// place, or another source repository if both are built by us.
pub(crate) fn differences(stored: &Stored<ImageState>, enrolment: &Enrolment) -> Vec<String> {
    let mut differences = Vec::new();
    let place = &enrolment.repository;
    match stored.repository() {
        None => differences.push("it does not say where it was published".to_owned()),
        Some(old) if old != *place => {
            differences.push(format!("it was published as {old}, now {place}"));
        }
        Some(_) => {}
    }
    let old = (stored.rest.get("enrollment")).and_then(|enrolled| entry(enrolled, "source"));
    if let (Some(source), Some(old)) = (&enrolment.source, old.and_then(source_repository)) {
        let now = format!("{}/{}", source.host(), source.repo);
        if !now.eq_ignore_ascii_case(&old) {
            differences.push(format!("it was built from {old}, now from {now}"));
        }
    }
    differences
}

/// Host and path of the source in a state file.
fn source_repository(source: &Value) -> Option<String> {
    let text = |key| match entry(source, key) {
        Some(Value::Text(text) | Value::Plain(text)) => Some(text.as_str()),
        _ => None,
    };
    let provider = text("provider");
    let host = text("host").unwrap_or(if provider == Some(Provider::GitLab.as_str()) {
        "gitlab.com"
    } else {
        "github.com"
    });
    Some(format!("{host}/{}", text("repo")?))
}
