//! The jobs inside the cluster: one reads an image's Dockerfile again, one records a digest.

use std::collections::BTreeMap;

use imgfac_model::{Reference, Settings};

use crate::labels::{MANAGED_BY, metadata};
use crate::resources::{
    AnalysisArg, AnalysisTemplate, AnalysisTemplateSpec, Capabilities, Container,
    ContainerSecurity, EmptyDir, EnvSource, EnvVar, JobProvider, JobSpec, Metric, MetricProvider,
    PodMetadata, PodSecurity, PodSpec, PodTemplate, ResourceRequirements, SeccompProfile,
    SecretKey, Volume, VolumeMount,
};

/// The template that analyses an image.
pub(crate) const ANALYZE_TEMPLATE: &str = "imgfac-analyze";

/// The template that records the digest of a base.
pub(crate) const OBSERVE_TEMPLATE: &str = "imgfac-observe";

/// The account that the jobs run as. It has no rights in the cluster, and its pods get no token:
/// all that the jobs do, they do in Git.
pub(crate) const SERVICE_ACCOUNT: &str = "imgfac-analyzer";

/// A command of the program that runs as a job, and the flags that tell it what about. Each flag
/// has an argument of its name; those of `optional` are empty until something is known.
struct Command {
    template: &'static str,
    name: &'static str,
    flags: &'static [&'static str],
    optional: &'static [&'static str],
}

const ANALYZE: Command = Command {
    template: ANALYZE_TEMPLATE,
    name: "analyze",
    flags: &[
        "image",
        "tag",
        "digest",
        "dockerfile",
        "source-repo",
        "source-provider",
        "git-repo",
        "git-branch",
        "image-factory-dir",
    ],
    // Until the image has been published.
    optional: &["tag", "digest"],
};

const OBSERVE: Command = Command {
    template: OBSERVE_TEMPLATE,
    name: "observe",
    flags: &[
        "base",
        "digest",
        "git-repo",
        "git-branch",
        "image-factory-dir",
    ],
    optional: &[],
};

/// The user and group of the job; any but root would do.
const USER: u32 = 65_532;

/// The template that analyses images.
pub(crate) fn analyze_template(settings: &Settings) -> AnalysisTemplate {
    template(settings, &ANALYZE)
}

/// The template that records digests.
pub(crate) fn observe_template(settings: &Settings) -> AnalysisTemplate {
    template(settings, &OBSERVE)
}

/// Arguments go into a list, never through a shell. Tokens come from the Secret's keys `token`
/// (GitHub) and `gitlab-token` (GitLab), so that no provider sees the token of the other; a key
/// that is absent leaves its variable unset.
fn template(settings: &Settings, command: &Command) -> AnalysisTemplate {
    let spec = AnalysisTemplateSpec {
        args: command
            .flags
            .iter()
            .map(|flag| AnalysisArg {
                name: (*flag).into(),
                value: command.optional.contains(flag).then(String::new),
            })
            .collect(),
        metrics: vec![Metric {
            name: command.name.into(),
            count: 1,
            failure_limit: 0,
            consecutive_error_limit: 1,
            provider: MetricProvider {
                job: JobProvider {
                    spec: JobSpec {
                        backoff_limit: 1,
                        active_deadline_seconds: 900,
                        template: pod(settings, command),
                    },
                },
            },
        }],
    };
    AnalysisTemplate::new(
        metadata(settings, command.template, command.name, None),
        spec,
    )
}

fn pod(settings: &Settings, command: &Command) -> PodTemplate {
    let mut labels = BTreeMap::from([(MANAGED_BY.to_owned(), "imgfac".to_owned())]);
    labels.extend(settings.analysis.labels.clone());
    PodTemplate {
        metadata: PodMetadata { labels },
        spec: PodSpec {
            service_account_name: SERVICE_ACCOUNT.into(),
            automount_service_account_token: false,
            restart_policy: "Never".into(),
            security_context: PodSecurity {
                run_as_non_root: true,
                run_as_user: USER,
                run_as_group: USER,
                fs_group: USER,
                seccomp_profile: SeccompProfile {
                    kind: "RuntimeDefault".into(),
                },
            },
            containers: vec![container(settings, command)],
            volumes: vec![Volume {
                name: "tmp".into(),
                empty_dir: EmptyDir {
                    size_limit: "1Gi".into(),
                },
            }],
        },
    }
}

fn container(settings: &Settings, command: &Command) -> Container {
    let mut args = vec![command.name.to_owned(), "--commit".into(), "--push".into()];
    args.extend(
        command
            .flags
            .iter()
            .map(|flag| format!("--{flag}={{{{args.{flag}}}}}")),
    );
    Container {
        name: "imgfac".into(),
        image: settings.analysis.image.clone(),
        args,
        env: environment(settings),
        resources: ResourceRequirements {
            requests: amounts(&[("cpu", "100m"), ("memory", "64Mi")]),
            limits: amounts(&[("cpu", "1"), ("memory", "512Mi")]),
        },
        security_context: ContainerSecurity {
            allow_privilege_escalation: false,
            read_only_root_filesystem: true,
            capabilities: Capabilities {
                drop: vec!["ALL".into()],
            },
        },
        volume_mounts: vec![VolumeMount {
            name: "tmp".into(),
            mount_path: "/tmp".into(),
        }],
    }
}

/// A token goes to the server that the settings name and to no other, whatever the sources say:
/// many people write images.yaml, and none of them may lead it elsewhere.
fn environment(settings: &Settings) -> Vec<EnvVar> {
    let plain = |name: &str, value: &str| EnvVar {
        name: name.into(),
        value: Some(value.into()),
        value_from: None,
    };
    let analysis = &settings.analysis;
    let hosts = [
        ("GH_HOST", &analysis.github_host),
        ("GITLAB_HOST", &analysis.gitlab_host),
    ];
    let hosts = hosts
        .into_iter()
        .filter_map(|(name, host)| Some(plain(name, host.as_ref()?.as_str())));
    // Git wants a home; the only place that can be written to is the volume.
    let mut environment = vec![plain("HOME", "/tmp")];
    environment.extend(hosts);
    environment.extend([
        token("GITHUB_TOKEN", settings, "token"),
        token("GITLAB_TOKEN", settings, "gitlab-token"),
    ]);
    environment
}

fn token(name: &str, settings: &Settings, key: &str) -> EnvVar {
    EnvVar {
        name: name.into(),
        value: None,
        value_from: Some(EnvSource {
            secret_key_ref: SecretKey {
                name: settings.analysis.git_secret.clone(),
                key: key.into(),
                optional: true,
            },
        }),
    }
}

fn amounts(amounts: &[(&str, &str)]) -> BTreeMap<String, String> {
    amounts
        .iter()
        .map(|(what, amount)| ((*what).into(), (*amount).into()))
        .collect()
}

/// The settings are text that Kubernetes would refuse later, one job at a time, or in which Argo
/// Rollouts would look for `{{…}}`.
pub(crate) fn check(settings: &Settings) -> Result<(), String> {
    let analysis = &settings.analysis;
    if let Err(error) = Reference::parse(&analysis.image) {
        return Err(format!(
            "analysis.image {:?} is not an image: {error}",
            analysis.image
        ));
    }
    if !is_subdomain(&analysis.git_secret) {
        return Err(format!(
            "analysis.gitSecret {:?} is not the name of a Secret",
            analysis.git_secret
        ));
    }
    for (key, value) in &analysis.labels {
        let (prefix, name) = match key.split_once('/') {
            Some((prefix, name)) => (Some(prefix), name),
            None => (None, key.as_str()),
        };
        let good = prefix.is_none_or(is_subdomain)
            && is_label_word(name)
            && (value.is_empty() || is_label_word(value));
        if !good {
            return Err(format!(
                "analysis.labels: {key:?}: {value:?} is not a label"
            ));
        }
    }
    Ok(())
}

fn is_subdomain(text: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label
                .chars()
                .all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

fn is_label_word(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use imgfac_model::Host;

    use super::*;

    fn check_settings(image: &str, secret: &str, label: (&str, &str)) -> Result<(), String> {
        let mut settings = Settings::default();
        settings.analysis.image = image.into();
        settings.analysis.git_secret = secret.into();
        settings
            .analysis
            .labels
            .insert(label.0.into(), label.1.into());
        check(&settings)
    }

    #[test]
    fn settings_that_kubernetes_would_refuse_are_told() {
        let (image, secret, label) = ("ghcr.io/acme/imgfac:v1", "git", ("a.b/c", "D_e"));
        assert_eq!(check_settings(image, secret, label), Ok(()));
        assert_eq!(check_settings("localhost:5000/x:1", secret, label), Ok(()));
        for bad in ["", "{{args.image}}", "a b", "$(GITHUB_TOKEN)"] {
            assert!(check_settings(bad, secret, label).is_err(), "{bad}");
            assert!(check_settings(image, bad, label).is_err(), "{bad}");
            assert!(check_settings(image, secret, (bad, "x")).is_err(), "{bad}");
            if !bad.is_empty() {
                assert!(check_settings(image, secret, ("x", bad)).is_err(), "{bad}");
            }
        }
    }

    #[test]
    fn tokens_are_for_the_servers_of_the_settings() {
        let variables = |settings: &Settings| {
            let metric = analyze_template(settings).spec.metrics.remove(0);
            let container = metric.provider.job.spec.template.spec.containers[0].clone();
            let env = container.env.into_iter();
            env.map(|it| format!("{}={}", it.name, it.value.unwrap_or_default()))
                .collect::<Vec<_>>()
                .join(" ")
        };
        let mut settings = Settings::default();
        assert_eq!(
            variables(&settings),
            "HOME=/tmp GITHUB_TOKEN= GITLAB_TOKEN="
        );
        settings.analysis.github_host = Host::new("github.acme.example").ok();
        settings.analysis.gitlab_host = Host::new("gitlab.acme.example:8443").ok();
        assert_eq!(
            variables(&settings),
            "HOME=/tmp GH_HOST=github.acme.example GITLAB_HOST=gitlab.acme.example:8443 GITHUB_TOKEN= GITLAB_TOKEN="
        );
    }

    #[test]
    fn every_flag_has_an_argument_and_the_metric_a_short_name() {
        let settings = Settings::default();
        for template in [analyze_template(&settings), observe_template(&settings)] {
            let [metric] = template.spec.metrics.as_slice() else {
                panic!("{:?}", template.spec.metrics);
            };
            assert!(metric.name.len() <= 24);
            let args = &metric.provider.job.spec.template.spec.containers[0].args;
            for arg in &template.spec.args {
                let flag = format!("--{0}={{{{args.{0}}}}}", arg.name);
                assert!(args.contains(&flag), "{flag}");
            }
        }
    }
}
