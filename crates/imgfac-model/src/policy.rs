//! Choices of a fixed set: provider, role of a base, criticality, selection strategy, kind of update.

/// Declares an enum whose variants have one written form each.
macro_rules! choice {
    ($(#[$meta:meta])* $name:ident: $what:literal { $($(#[$vmeta:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[$vmeta])* #[serde(rename = $text)] $variant,)+
        }

        impl $name {
            /// Every written form, in order.
            pub const ALL: &'static [&'static str] = &[$($text),+];

            /// The written form.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::text::InvalidValue;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    _ => Err($crate::text::InvalidValue {
                        what: $what,
                        problem: $crate::text::shown(text),
                        expected: concat!("one of" $(, " ", $text)+),
                    }),
                }
            }
        }
    };
}

pub(crate) use choice;

choice! {
    /// Who builds an image.
    Provider: "provider" {
        /// GitHub Actions, on github.com or a GitHub Enterprise server.
        GitHub = "github",
        /// GitLab CI, on gitlab.com or self-managed.
        GitLab = "gitlab",
        /// Anything that takes an HTTP request.
        Webhook = "webhook",
    }
}

choice! {
    /// What a Dockerfile needs an image for.
    BaseRole: "role" {
        /// `FROM`.
        From = "from",
        /// `COPY --from`.
        Copy = "copy",
        /// `RUN --mount=from=`.
        Mount = "mount",
    }
}

choice! {
    /// How much an image matters: rebuilds are started in this order.
    Criticality: "criticality" {
        /// First.
        Critical = "critical",
        /// Before most.
        High = "high",
        /// As most images.
        Normal = "normal",
        /// Last.
        Low = "low",
    }
}

choice! {
    /// Which of an image's tags a Warehouse follows, in Kargo's terms.
    SelectionStrategy: "image selection strategy" {
        /// The highest semantic version.
        SemVer = "SemVer",
        /// The last tag in alphabetical order.
        Lexical = "Lexical",
        /// The most recently pushed tag.
        NewestBuild = "NewestBuild",
        /// One tag that moves.
        Digest = "Digest",
    }
}

choice! {
    /// Which digest of a base's tag an image is rebuilt on.
    DigestSelection: "digest selection" {
        /// The one that the tag has when the oldest update has waited for the delay: a base that
        /// moves every day cannot put off a rebuild.
        Newest = "newest",
        /// The newest one that stayed on its tag for the whole delay. One that was withdrawn before
        /// is never built on, and the build has to be told the digest. A tag that never rests for
        /// so long causes no rebuild.
        Settled = "settled",
    }
}

impl Default for DigestSelection {
    /// The newest.
    fn default() -> Self {
        Self::Newest
    }
}

choice! {
    /// From when on an update of a base waits.
    DelayClock: "clock of the delay" {
        /// Since it was first seen by us.
        FirstSeen = "first-seen",
        /// Since it was pushed, where the registry says when; else since it was first seen. A time
        /// before the tag had the digest before, or after the first sight, is not believed.
        Registry = "registry",
    }
}

impl Default for DelayClock {
    /// Our own.
    fn default() -> Self {
        Self::FirstSeen
    }
}

choice! {
    /// How a registry is asked when a tag was pushed.
    PushTimes: "source of push times" {
        /// As Docker Hub.
        DockerHub = "docker-hub",
        /// As Google's registries.
        Google = "google",
        /// As Harbor.
        Harbor = "harbor",
        /// As Quay.
        Quay = "quay",
        /// Not at all.
        None = "none",
    }
}

choice! {
    /// Who starts rebuilds.
    RebuildThrough: "way to rebuild" {
        /// Kargo, on a cluster.
        Kargo = "kargo",
        /// The program itself, from a scheduled job.
        Ci = "ci",
    }
}

choice! {
    /// How a consumer's file is kept current.
    UpdateKind: "kind of update" {
        /// The image of a kustomization.
        KustomizeSetImage = "kustomize-set-image",
        /// Any key of a YAML file.
        YamlUpdate = "yaml-update",
        /// The predecessor's word for a `yaml-update` of Helm values.
        HelmUpdateImage = "helm-update-image",
    }
}

choice! {
    /// Who sends webhooks, in Kargo's terms.
    ReceiverKind: "kind of webhook receiver" {
        /// JFrog Artifactory.
        Artifactory = "artifactory",
        /// Azure DevOps and Azure Container Registry.
        Azure = "azure",
        /// Bitbucket.
        Bitbucket = "bitbucket",
        /// Docker Hub.
        DockerHub = "dockerhub",
        /// Gitea.
        Gitea = "gitea",
        /// GitHub, its packages included.
        GitHub = "github",
        /// GitLab.
        GitLab = "gitlab",
        /// Harbor.
        Harbor = "harbor",
        /// Quay.
        Quay = "quay",
    }
}

choice! {
    /// How the last discovery of an image ended.
    DiscoveryStatus: "discovery status" {
        /// Not yet tried.
        Pending = "pending",
        /// An external image: there is nothing to discover.
        External = "external",
        /// The Dockerfile was read and understood.
        Success = "success",
        /// It was not; `discoveryError` says why.
        Failed = "failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_have_one_written_form() {
        assert_eq!("gitlab".parse(), Ok(Provider::GitLab));
        assert_eq!(SelectionStrategy::SemVer.to_string(), "SemVer");
        assert_eq!(
            "hihg".parse::<Criticality>().unwrap_err().to_string(),
            "invalid criticality: \"hihg\"; expected one of critical high normal low"
        );
    }
}
