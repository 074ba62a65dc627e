//! Waiting for Kargo to make a project ready: until then it refuses what is in it.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::object::ObjectKey;
use crate::report::Outcome;
use crate::request::before_stop;
use crate::run::Run;

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(1);

impl Run<'_> {
    /// Waits until every project is ready. Says why not, if one is not in time.
    pub(crate) async fn wait_for_projects(
        &self,
        outcomes: &[(ObjectKey, Outcome)],
        timeout: Duration,
    ) -> Option<String> {
        let end = Instant::now() + timeout;
        for (key, outcome) in outcomes {
            if key.kind != "Project" {
                continue;
            }
            if let Some(reason) = self.wait_for_project(key, outcome, timeout, end).await {
                return Some(reason);
            }
        }
        None
    }

    async fn wait_for_project(
        &self,
        key: &ObjectKey,
        outcome: &Outcome,
        timeout: Duration,
        end: Instant,
    ) -> Option<String> {
        let Ok(resource) = self.catalog.of(key) else {
            return Some(format!("there is no {key}"));
        };
        loop {
            if let Some(reason) = self.ended() {
                return Some(reason);
            }
            let project = match self.cluster.get(resource, key, self.stop).await {
                Ok(project) => project,
                // Who may not look cannot wait; the server will say what it thinks of the rest.
                Err(error) if !error.is_fatal() => return None,
                Err(error) => {
                    self.note(&error);
                    return Some(error.to_string());
                }
            };
            let state = match &project {
                None if matches!(outcome, Outcome::Failed(_)) => {
                    return Some(format!("there is no {key}"));
                }
                None => "it is gone".to_owned(),
                Some(project) => match readiness(project) {
                    Ok(()) => return None,
                    Err(state) => state,
                },
            };
            if Instant::now() + PAUSE > end {
                return Some(format!(
                    "{key} is not ready after {} s: {state}",
                    timeout.as_secs()
                ));
            }
            tracing::info!(project = %key.name, state, "waiting for the project");
            // When stopped, the head of the loop says so.
            let _ = before_stop(self.stop, Duration::ZERO, tokio::time::sleep(PAUSE)).await;
        }
    }
}

/// Whether the condition `Ready` is true (`api/v1alpha1/project_types.go` of Kargo 1.11); else
/// what Kargo says.
fn readiness(project: &Value) -> Result<(), String> {
    let conditions = project
        .pointer("/status/conditions")
        .and_then(Value::as_array);
    let ready = conditions
        .into_iter()
        .flatten()
        .find(|condition| condition["type"] == "Ready");
    match ready {
        None => Err("Kargo has not looked at it; is its controller running?".into()),
        Some(condition) if condition["status"] == "True" => Ok(()),
        Some(condition) => Err(condition["message"]
            .as_str()
            .filter(|message| !message.is_empty())
            .or(condition["reason"].as_str())
            .unwrap_or("Kargo gives no reason")
            .to_owned()),
    }
}
