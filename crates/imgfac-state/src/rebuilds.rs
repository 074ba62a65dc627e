//! How long the rebuilds of an image took, as far as its state has them.

use imgfac_yaml::Value;

use crate::stored::Fields;

/// A longer rebuild is a mistake of who recorded it: thirty days.
const LIMIT_SECONDS: f64 = 30.0 * 86_400.0;

/// How long a build of an image usually takes, in seconds: the median of those entries of
/// `rebuildHistory` whose `outcome` is `success` and that have `durationSeconds`; `None` without
/// any.
///
/// Of two in the middle it is the longer. Other writers have other entries there, so whatever does
/// not fit is passed over.
#[must_use]
pub fn usual_build_seconds(rest: &Fields) -> Option<u64> {
    let Some(Value::List(entries)) = rest.get("rebuildHistory") else {
        return None;
    };
    let mut seconds: Vec<u64> = entries.iter().filter_map(successful_seconds).collect();
    seconds.sort_unstable();
    seconds.get(seconds.len() / 2).copied()
}

fn successful_seconds(entry: &Value) -> Option<u64> {
    let success = text(entry, "outcome") == Some("success");
    success.then(|| build_seconds(entry)).flatten()
}

/// How long a build took, in seconds, whatever became of it.
pub(crate) fn build_seconds(entry: &Value) -> Option<u64> {
    let seconds: f64 = text(entry, "durationSeconds")?.parse().ok()?;
    let fits = (0.0..=LIMIT_SECONDS).contains(&seconds);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is within its limits"
    )]
    fits.then(|| seconds.ceil() as u64)
}

fn text<'v>(entry: &'v Value, key: &str) -> Option<&'v str> {
    match entry {
        Value::Map(fields) => fields.iter().find_map(|(name, value)| match value {
            Value::Text(text) | Value::Plain(text) if name == key => Some(text.as_str()),
            _ => None,
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stored::read_image;

    #[test]
    fn the_median_of_what_went_well() {
        let many = "[{outcome: success, durationSeconds: 60}, {outcome: success, durationSeconds: 90.5}, {outcome: failure, durationSeconds: 5}, {outcome: success, durationSeconds: '300', other: [1]}]";
        for (history, expected) in [
            (many, Some(91)),
            ("[{outcome: success, durationSeconds: 0}]", Some(0)),
            (
                "[{outcome: success, durationSeconds: 1}, {outcome: success, durationSeconds: 3}]",
                Some(3),
            ),
            ("[{outcome: success}, {durationSeconds: 60}]", None),
            ("[{outcome: success, durationSeconds: -1}]", None),
            ("[{outcome: success, durationSeconds: .nan}]", None),
            ("[{outcome: success, durationSeconds: NaN}]", None),
            ("[{outcome: success, durationSeconds: 1e300}]", None),
            ("[{outcome: success, durationSeconds: [60]}]", None),
            (
                "[{at: 12:30:00, ok: on, version: '1.10'}, text, null]",
                None,
            ),
            ("null", None),
            ("{outcome: success, durationSeconds: 60}", None),
        ] {
            let text = format!("name: a\nrebuildHistory: {history}\n");
            let stored = read_image(text.as_bytes(), None).unwrap();
            assert_eq!(usual_build_seconds(&stored.rest), expected, "{history}");
        }
    }
}
