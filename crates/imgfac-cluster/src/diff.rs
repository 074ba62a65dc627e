//! How the cluster differs from manifests.

use serde_json::Value;

use crate::cluster::Cluster;
use crate::error::{Error, FieldConflict, RequestError};
use crate::noise::{hide_secrets, without_noise};
use crate::object::{Object, ObjectKey};
use crate::run::Run;
use crate::stop::Stop;

/// How one object differs.
#[derive(Clone, Debug, PartialEq)]
pub enum Difference {
    /// The cluster does not have it.
    New,
    /// It has other values.
    Changed {
        /// As it is, without what the server and controllers write.
        live: Value,
        /// As it would be, likewise: what a dry run of server-side apply answers.
        wanted: Value,
        /// The fields that others own and that applying would have to take over.
        conflicts: Vec<FieldConflict>,
    },
    /// It is ours and no longer in the manifests.
    Gone,
    /// It could not be compared.
    Failed(RequestError),
}

/// What [`Cluster::diff`] found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Differences {
    /// What differs or could not be compared, in the order of the manifests; then what is gone.
    pub objects: Vec<(ObjectKey, Difference)>,
    /// How many objects are as they should be.
    pub same: usize,
    /// Whether somebody stopped the run, so that objects are missing from it.
    pub stopped: bool,
}

impl Cluster {
    /// Compares manifests with the cluster and changes nothing there. Values of Secrets are hidden.
    ///
    /// With `prune`, objects of ours in that namespace count, too.
    ///
    /// # Errors
    /// As [`Cluster::apply`].
    pub async fn diff(
        &self,
        objects: &[Object],
        prune: Option<&str>,
        stop: &Stop,
    ) -> Result<Differences, Error> {
        let mut run = Run::start(self, objects, prune, stop).await?;
        run.find_coming(objects).await?;
        let compared = run
            .each(objects.iter().collect(), async |object: &Object| {
                (object.key().clone(), run.compare(object).await)
            })
            .await;
        let mut differences = Differences::default();
        for (key, compared) in compared {
            match compared {
                Ok(None) => differences.same += 1,
                Ok(Some(difference)) => differences.objects.push((key, difference)),
                Err(error) => differences.objects.push((key, Difference::Failed(error))),
            }
        }
        if let Some(namespace) = prune {
            match run.live.first_failure() {
                Some(error) => return Err(error.clone().into()),
                None => differences.objects.extend(
                    run.prunable(objects, namespace)
                        .into_iter()
                        .map(|key| (key, Difference::Gone)),
                ),
            }
        }
        differences.stopped = stop.is_requested();
        Ok(differences)
    }
}

impl Run<'_> {
    async fn compare(&self, object: &Object) -> Result<Option<Difference>, RequestError> {
        if self.ended().is_some() {
            return Err(RequestError::Stopped);
        }
        let compared = self.try_compare(object).await;
        if let Err(error) = &compared {
            self.note(error);
        }
        compared
    }

    async fn try_compare(&self, object: &Object) -> Result<Option<Difference>, RequestError> {
        if let Some(error) = self.live.failure(object.key()) {
            return Err(error.clone());
        }
        self.catalog.of(object.key())?;
        let before = if self.is_coming(object) {
            None
        } else {
            self.before(object).await?
        };
        let Some(before) = before else {
            return Ok(Some(Difference::New));
        };
        if object.is_created_once() {
            return Ok(None);
        }
        let (reply, conflicts) = match self.patch(object, true, false).await {
            Err(RequestError::Conflict(conflicts)) => {
                (self.patch(object, true, true).await?, conflicts)
            }
            other => (other?, Vec::new()),
        };
        let (mut live, mut wanted) = (before.value, without_noise(reply.value));
        if live == wanted {
            return Ok(None);
        }
        hide_secrets(&mut live, &mut wanted);
        Ok(Some(Difference::Changed {
            live,
            wanted,
            conflicts,
        }))
    }
}
