//! Manifests into the cluster.

use std::time::Duration;

use kube::core::params::PostParams;

use crate::cluster::Cluster;
use crate::error::{Error, RequestError};
use crate::noise::without_noise;
use crate::object::{MANAGER, Object, ObjectKey, rank};
use crate::report::{Applied, Outcome};
use crate::request::Repeat;
use crate::run::Run;
use crate::stop::Stop;

/// How manifests are applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplyOptions {
    /// The server checks and answers, and stores nothing.
    pub dry_run: bool,
    /// Take fields over from their owners.
    pub force_conflicts: bool,
    /// Delete what is ours in this namespace and no longer in the manifests, which must be those
    /// of the whole factory.
    pub prune: Option<String>,
    /// How long Kargo may take to make a project ready.
    pub project_timeout: Duration,
}

impl Default for ApplyOptions {
    /// Changes the cluster, takes nothing over, deletes nothing, waits a minute.
    fn default() -> Self {
        Self {
            dry_run: false,
            force_conflicts: false,
            prune: None,
            project_timeout: Duration::from_secs(60),
        }
    }
}

impl Cluster {
    /// Applies manifests by server-side apply as field manager `imgfac`: namespaces, then projects
    /// until they are ready, then their settings, then the rest, Stages last.
    ///
    /// One object's failure stops no other. What is deleted comes last, and only when nothing
    /// failed. The ConfigMap `imgfac-overrides` is made when it is missing and otherwise left to
    /// people.
    ///
    /// # Errors
    /// When two documents name one object, when `prune` is asked for with manifests that lack the
    /// project, and when not even the first requests succeed: then nothing was changed.
    pub async fn apply(
        &self,
        objects: &[Object],
        options: &ApplyOptions,
        stop: &Stop,
    ) -> Result<Applied, Error> {
        let mut run = Run::start(self, objects, options.prune.as_deref(), stop).await?;
        if options.dry_run {
            run.find_coming(objects).await?;
        }
        let mut applied = Applied::default();
        let mut blocked: Option<String> = None;
        for step in 0..=4 {
            let now: Vec<&Object> = objects
                .iter()
                .filter(|object| rank(object.key()) == step)
                .collect();
            let outcomes = run
                .each(now, async |object: &Object| {
                    let outcome = match &blocked {
                        Some(reason) => Outcome::NotAttempted(reason.clone()),
                        None => run.apply_one(object, options).await,
                    };
                    tracing::info!(object = %object.key(), ?outcome, "applied");
                    (object.key().clone(), outcome)
                })
                .await;
            if step == 1 && !options.dry_run {
                blocked = run
                    .wait_for_projects(&outcomes, options.project_timeout)
                    .await;
            }
            applied.outcomes.extend(outcomes);
        }
        if let Some(namespace) = &options.prune {
            run.prune(objects, namespace, options.dry_run, &mut applied)
                .await;
        }
        applied.stopped = stop.is_requested();
        Ok(applied)
    }
}

impl Run<'_> {
    async fn apply_one(&self, object: &Object, options: &ApplyOptions) -> Outcome {
        if let Some(reason) = self.ended() {
            return Outcome::NotAttempted(reason);
        }
        let applied = if object.is_created_once() {
            self.create_once(object, options).await
        } else {
            self.change(object, options).await
        };
        applied.unwrap_or_else(|error| {
            self.note(&error);
            Outcome::Failed(error)
        })
    }

    async fn change(
        &self,
        object: &Object,
        options: &ApplyOptions,
    ) -> Result<Outcome, RequestError> {
        let key = object.key();
        if let Some(error) = self.live.failure(key) {
            return Err(error.clone());
        }
        let namespaced = self.catalog.of(key)?.namespaced;
        let listed = self.live.objects.get(key).map(|live| live.value.clone());
        let before = if listed.is_none() && !(namespaced && object.is_ours()) {
            self.before(object).await?.map(|live| live.value)
        } else {
            listed
        };
        if options.dry_run && before.is_none() && self.is_coming(object) {
            return Ok(Outcome::Created);
        }
        let reply = self
            .patch(object, options.dry_run, options.force_conflicts)
            .await?;
        Ok(if reply.created {
            Outcome::Created
        } else if before.is_some_and(|before| before == without_noise(reply.value)) {
            Outcome::Unchanged
        } else {
            // It was there without our label, which is how it is not in the lists.
            Outcome::Changed
        })
    }

    async fn create_once(
        &self,
        object: &Object,
        options: &ApplyOptions,
    ) -> Result<Outcome, RequestError> {
        let key = object.key();
        if options.dry_run && self.is_coming(object) {
            return Ok(Outcome::Created);
        }
        if self.before(object).await?.is_some() {
            return Ok(Outcome::Unchanged);
        }
        let resource = self.catalog.of(key)?;
        let namespace = key.namespace.as_deref();
        let parameters = PostParams {
            dry_run: options.dry_run,
            field_manager: Some(MANAGER.into()),
        };
        let body = object.value().to_string().into_bytes();
        let request = resource.requests(namespace).create(&parameters, body);
        let asked = resource.asked("create", namespace);
        match self
            .cluster
            .send(request, &asked, Repeat::Harmless, self.stop)
            .await
        {
            Ok(_) => Ok(Outcome::Created),
            // Somebody was faster.
            Err(RequestError::Refused { code: 409, .. }) => Ok(Outcome::Unchanged),
            Err(error) => Err(error),
        }
    }

    async fn prune(
        &self,
        objects: &[Object],
        namespace: &str,
        dry_run: bool,
        applied: &mut Applied,
    ) {
        // What took the place of the old may be among what failed.
        if !applied.counts().is_complete() {
            applied.not_pruned = Some("not everything could be applied".into());
            return;
        }
        if let Some(error) = self.live.first_failure() {
            applied.not_pruned = Some(error.to_string());
            return;
        }
        let gone = self.prunable(objects, namespace);
        for step in (0..=4).rev() {
            let now: Vec<ObjectKey> = gone
                .iter()
                .filter(|key| rank(key) == step)
                .cloned()
                .collect();
            let outcomes = self
                .each(now, async |key: ObjectKey| {
                    let outcome = self.delete(&key, dry_run).await;
                    tracing::info!(object = %key, ?outcome, "pruned");
                    (key, outcome)
                })
                .await;
            applied.outcomes.extend(outcomes);
        }
    }
}
