//! A cluster for a command, and the manifests that should be in it.

use std::io::Read as _;
use std::path::PathBuf;

use clap::Args;
use imgfac_cluster::{Access, Cluster, ConnectError, Object, ObjectError, Options, Stop, connect};
use serde_json::Value;

use crate::commands::synth::manifests;
use crate::context::Context;
use crate::error::CliError;
use crate::factory::{Access as FactoryAccess, Factory};
use crate::fleet_graph;
use crate::render;

/// Which cluster
#[derive(Debug, Args)]
pub(crate) struct ContextArg {
    /// The context of the kubeconfig; the default is its current one
    ///
    /// The kubeconfig is the files of KUBECONFIG, else ~/.kube/config. In a pod without either, its
    /// service account is used.
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ClusterArgs {
    #[command(flatten)]
    context: ContextArg,
    /// Manifests from a file instead of those that `imgfac synth` makes; - is standard input
    #[arg(short, long, value_name = "FILE|-")]
    file: Option<PathBuf>,
    /// How many requests are under way at once
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: u16,
}

/// What the cluster should have.
pub(crate) struct Wanted {
    pub(crate) objects: Vec<Object>,
    /// The namespace of the factory, if these are the manifests of a whole one.
    pub(crate) namespace: Option<String>,
    /// Why something that belongs to the factory is not among the objects, so that what they lack
    /// must not be deleted.
    pub(crate) incomplete: Option<String>,
    /// Whether some state could not be read: then the work is not done with these objects.
    pub(crate) unreadable: bool,
}

impl ClusterArgs {
    /// Reads or makes the manifests.
    pub(crate) fn wanted(&self, context: &mut Context<'_>) -> Result<Wanted, CliError> {
        match &self.file {
            Some(file) => from_file(file),
            None => from_factory(context),
        }
    }

    /// As [`ContextArg::run`].
    pub(crate) fn run<T>(
        &self,
        work: impl AsyncFnOnce(&Cluster, &Stop) -> Result<T, imgfac_cluster::Error>,
    ) -> Result<T, CliError> {
        let options = Options {
            concurrency: self.jobs.into(),
            ..Options::default()
        };
        self.context.run(options, work)
    }
}

impl ContextArg {
    /// Whether anything says where a cluster is.
    pub(crate) fn is_configured(&self) -> bool {
        let access = Access::from_environment(self.context.clone());
        access.context.is_some() || access.in_pod || !access.files.is_empty()
    }

    /// Connects, and runs some work until it is done or a signal ends it.
    pub(crate) fn run<T>(
        &self,
        options: Options,
        work: impl AsyncFnOnce(&Cluster, &Stop) -> Result<T, imgfac_cluster::Error>,
    ) -> Result<T, CliError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(CliError::failed)?;
        let access = Access::from_environment(self.context.clone());
        runtime.block_on(async {
            let cluster = connect(&access, options).await?;
            let stop = Stop::on_signal();
            work(&cluster, &stop).await.map_err(|error| {
                let place = match &error {
                    // Which cluster it was matters only if one was asked.
                    imgfac_cluster::Error::Request(_) => format!("{}: ", cluster.place()),
                    _ => String::new(),
                };
                let error = CliError::from(error);
                CliError {
                    message: format!("{place}{}", error.message),
                    ..error
                }
            })
        })
    }
}

fn from_factory(context: &mut Context<'_>) -> Result<Wanted, CliError> {
    let mut factory = Factory::open(context, FactoryAccess::Read)?;
    let fleet = factory.fleet()?;
    let unreadable = factory.tell_unreadable(context, &fleet)?;
    fleet_graph::tell_cycles(context, &factory, &fleet)?;
    let manifests = manifests(context, &factory, &fleet)?;
    let missing = unreadable.len() + manifests.problems.len();
    let values = manifests
        .resources()
        .map(serde_json::to_value)
        .collect::<Result<Vec<Value>, _>>()
        .map_err(CliError::failed)?;
    Ok(Wanted {
        unreadable: !unreadable.is_empty(),
        objects: objects(values, "the manifests")?,
        namespace: Some(factory.configuration.settings.namespace.to_string()),
        incomplete: (missing > 0).then(|| {
            format!(
                "{} kept something out of the manifests",
                render::count(missing, "problem")
            )
        }),
    })
}

/// The largest file of manifests, in bytes: those of ten thousand images are a quarter of it.
const MANIFESTS_LIMIT: u64 = 512 << 20;

fn read_limited(input: impl std::io::Read, name: &str) -> Result<String, CliError> {
    let mut text = String::new();
    input
        .take(MANIFESTS_LIMIT + 1)
        .read_to_string(&mut text)
        .map_err(|error| CliError::failed(format!("cannot read {name}: {error}")))?;
    if text.len() as u64 > MANIFESTS_LIMIT {
        return Err(CliError::failed(format!(
            "{name} is larger than the limit of {MANIFESTS_LIMIT} bytes"
        )));
    }
    Ok(text)
}

fn from_file(file: &PathBuf) -> Result<Wanted, CliError> {
    let (name, text) = if file.as_os_str() == "-" {
        let name = "standard input".to_owned();
        let text = read_limited(std::io::stdin().lock(), &name)?;
        (name, text)
    } else {
        let name = file.display().to_string();
        let opened = std::fs::File::open(file)
            .map_err(|error| CliError::failed(format!("cannot read {name}: {error}")))?;
        let text = read_limited(opened, &name)?;
        (name, text)
    };
    let values = imgfac_yaml::read_documents::<Value>(&text)
        .map_err(|error| CliError::failed(format!("{name} is no file of manifests: {error}")))?;
    let objects = objects(values, &name)?;
    if objects.is_empty() {
        return Err(CliError::failed(format!("{name} has no manifests")));
    }
    let project = objects
        .iter()
        .map(Object::key)
        .find(|key| key.kind == "Project");
    Ok(Wanted {
        namespace: project.map(|key| key.name.clone()),
        objects,
        incomplete: None,
        unreadable: false,
    })
}

fn objects(values: Vec<Value>, name: &str) -> Result<Vec<Object>, CliError> {
    let objects = values.into_iter().enumerate().map(|(index, value)| {
        Object::new(value).map_err(|error: ObjectError| {
            CliError::failed(format!("document {} of {name}: {error}", index + 1))
        })
    });
    objects.collect()
}

impl From<ConnectError> for CliError {
    fn from(error: ConnectError) -> Self {
        Self {
            hint: error.remedy(),
            ..Self::failed(error)
        }
    }
}

impl From<imgfac_cluster::Error> for CliError {
    fn from(error: imgfac_cluster::Error) -> Self {
        Self {
            hint: error.remedy(),
            ..Self::failed(error)
        }
    }
}
