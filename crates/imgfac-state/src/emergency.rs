//! Emergencies: images that somebody wants rebuilt without any wait, and the record of it.

use imgfac_yaml::{Emitter, Value};
use sha2::{Digest as _, Sha256};

use crate::change::{Change, ChangeKind};
use crate::fleet::{Fleet, Subject};
use crate::lifecycle::entry;
use crate::store::FileChange;
use crate::stored::Fields;

/// The field of an image that has the last emergency.
pub(crate) const EMERGENCY: &str = "emergency";

/// The folder of the record: a file for each time that somebody asked.
pub const AUDIT: &str = "state/audit";

/// An emergency that somebody asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AskedEmergency {
    /// When, RFC 3339.
    pub asked_at: String,
    /// Why, in the words of whoever asked.
    pub reason: String,
    /// Who, by the name in CI; empty when nobody knows.
    pub actor: String,
    /// The vulnerabilities that it is for.
    pub vulnerabilities: Vec<String>,
}

/// The last emergency that was asked for an image.
#[must_use]
pub fn asked_emergency(rest: &Fields) -> Option<AskedEmergency> {
    read(rest.get(EMERGENCY)?)
}

fn read(value: &Value) -> Option<AskedEmergency> {
    let text = |value: &Value| match value {
        Value::Text(text) | Value::Plain(text) => Some(text.clone()),
        _ => None,
    };
    let field = |key| entry(value, key).and_then(text);
    let vulnerabilities = match entry(value, "vulnerabilities") {
        Some(Value::List(items)) => items.iter().filter_map(text).collect(),
        _ => Vec::new(),
    };
    Some(AskedEmergency {
        asked_at: field("askedAt")?,
        reason: field("reason").unwrap_or_default(),
        actor: field("actor").unwrap_or_default(),
        vulnerabilities,
    })
}

impl AskedEmergency {
    fn fields(&self) -> Vec<(String, Value)> {
        let mut fields = Vec::new();
        let texts = [
            ("askedAt", &self.asked_at),
            ("actor", &self.actor),
            ("reason", &self.reason),
        ];
        for (key, text) in texts {
            if !text.is_empty() {
                fields.push((key.to_owned(), Value::Text(text.clone())));
            }
        }
        if !self.vulnerabilities.is_empty() {
            let ids = self.vulnerabilities.iter().cloned().map(Value::Text);
            fields.push(("vulnerabilities".to_owned(), Value::List(ids.collect())));
        }
        fields
    }

    /// The file of the record that tells of it: one for each time that somebody asks, never
    /// changed again.
    #[must_use]
    pub fn record(&self, images: &[&str]) -> FileChange {
        let mut file = Emitter::new();
        file.comment(
            "An emergency: who asked, why, and for which images. Written once, never changed.",
        );
        for (key, value) in self.fields() {
            file.entry(&key, &value);
        }
        let images = images.iter().map(|name| Value::Text((*name).to_owned()));
        file.entry("images", &Value::List(images.collect()));
        let text = file.finish();
        let time = self.asked_at.chars().filter(char::is_ascii_alphanumeric);
        let time: String = time.take(20).collect();
        // Two may ask in the same second.
        let hash = Sha256::digest(text.as_bytes());
        let hash: String = hash
            .iter()
            .take(4)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        FileChange::Write {
            path: format!("{AUDIT}/{time}-{hash}.yaml"),
            text,
        }
    }
}

impl Fleet {
    /// Records that an image is wanted without any wait; `None` when there is no such image.
    pub fn emergency_asked(&mut self, image: &str, asked: &AskedEmergency) -> Option<Change> {
        let stored = self.images.get_mut(image)?;
        stored.rest.set(EMERGENCY, Value::Map(asked.fields()));
        Some(Change {
            subject: Subject::Image(image.to_owned()),
            kind: ChangeKind::Changed,
            details: vec![format!("emergency: {}", asked.reason)],
        })
    }
}
