//! A plan that a person saw: only that is done, or nothing.

use std::collections::BTreeMap;
use std::path::Path;

use imgfac_rebuild::Plan;
use serde::Deserialize;

use super::plan::ID_SHOWN;
use crate::error::CliError;
use crate::files::read_regular;
use crate::render::clean;

/// What is known of the plan that was seen.
pub(super) struct Shown {
    /// Its identity, or the beginning of it.
    id: String,
    /// What it said, if there is a file of it.
    document: Option<Document>,
}

/// A plan as `--format json` has it.
#[derive(Deserialize)]
struct Document {
    plan: String,
    images: Vec<Image>,
}

#[derive(Deserialize)]
struct Image {
    name: String,
    status: String,
    reason: String,
    identity: Option<String>,
}

/// A plan of ten thousand images is a tenth of this, in bytes.
const FILE_LIMIT: u64 = 256 << 20;

impl Shown {
    /// By the identity that was shown.
    ///
    /// # Errors
    ///
    /// When it is none, or too little of one.
    pub(super) fn by_id(id: &str) -> Result<Self, String> {
        let digits = id
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if !digits || !(ID_SHOWN..=64).contains(&id.len()) {
            return Err(format!(
                "expected what imgfac rebuild --plan shows: at least {ID_SHOWN} hexadecimal digits"
            ));
        }
        Ok(Self {
            id: id.to_owned(),
            document: None,
        })
    }

    /// By a file that `imgfac rebuild --plan --format json` wrote.
    pub(super) fn by_file(path: &Path) -> Result<Self, CliError> {
        let name = clean(&path.display().to_string());
        let failed = |why: String| {
            CliError::failed(format!("{name}: {why}"))
                .with_hint("make it with: imgfac rebuild --plan --format json > FILE")
        };
        let text = read_regular(path, FILE_LIMIT).map_err(|error| failed(error.to_string()))?;
        let document: Document = serde_json::from_slice(&text)
            .map_err(|error| failed(format!("this is no plan: {error}")))?;
        // Too little of an identity would be the beginning of any.
        let Self { id, .. } = Self::by_id(&document.plan)
            .map_err(|_| failed("this is no plan: its identity is none".to_owned()))?;
        Ok(Self {
            id,
            document: Some(document),
        })
    }

    /// Refuses when the plan of now decides anything else.
    pub(super) fn still_holds(&self, plan: &Plan) -> Result<(), CliError> {
        let id = plan.id();
        if id.as_str().starts_with(&self.id) {
            return Ok(());
        }
        let now: String = id.as_str().chars().take(ID_SHOWN).collect();
        let seen: String = self.id.chars().take(ID_SHOWN).collect();
        let mut message = format!(
            "the plan is another one by now: {now}, not {}; nothing was started",
            clean(&seen)
        );
        for line in self.differences(plan) {
            message.push_str("\n  ");
            message.push_str(&line);
        }
        Err(CliError::failed(message).with_hint(match self.document {
            Some(_) => "look at the new plan with: imgfac rebuild --plan",
            None => "look at the new plan with: imgfac rebuild --plan; with --plan-file the difference is shown",
        }))
    }

    fn differences(&self, plan: &Plan) -> Vec<String> {
        let Some(document) = &self.document else {
            return Vec::new();
        };
        let images = document.images.iter();
        let mut before: BTreeMap<&str, &Image> =
            images.map(|image| (image.name.as_str(), image)).collect();
        let mut lines = Vec::new();
        for after in &plan.images {
            let (name, verdict) = (after.name.as_str(), after.verdict());
            let identity = verdict.identity.as_ref().map(|it| it.as_str());
            match before.remove(name) {
                None => lines.push(format!("{name}: is new, and {verdict}")),
                Some(before)
                    if before.status != verdict.status || before.reason != verdict.reason =>
                {
                    let was = clean(&format!("{} ({})", before.status, before.reason));
                    lines.push(format!("{name}: was {was}, is {verdict}"));
                }
                Some(before) if before.identity.as_deref() != identity => {
                    lines.push(format!(
                        "{name}: still {verdict}, but it would build something else"
                    ));
                }
                Some(_) => {}
            }
        }
        lines.extend(
            before
                .keys()
                .map(|name| format!("{}: is gone", clean(name))),
        );
        lines
    }
}
