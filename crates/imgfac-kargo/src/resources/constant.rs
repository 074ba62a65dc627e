//! Texts that are the same in every resource of a kind.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Declares types of one value each, written as one text; reading anything else is an error.
///
/// They make a resource of the wrong `apiVersion` or `kind` unbuildable, and let the untagged
/// [`Resource`](super::Resource) find the right type when it is read.
macro_rules! constants {
    ($($name:ident = $text:literal;)+) => {$(
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub(crate) struct $name;

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
                out.serialize_str($text)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
                let text = Cow::<'de, str>::deserialize(input)?;
                if text == $text {
                    return Ok(Self);
                }
                Err(de::Error::invalid_value(de::Unexpected::Str(&text), &$text))
            }
        }
    )+};
}

/// `apiVersion` of each group.
pub(crate) mod api {
    use super::*;

    constants! {
        Core = "v1";
        Rbac = "rbac.authorization.k8s.io/v1";
        Kargo = "kargo.akuity.io/v1alpha1";
        Rollouts = "argoproj.io/v1alpha1";
    }
}

/// `kind` of each resource.
pub(crate) mod kind {
    use super::*;

    constants! {
        AnalysisTemplate = "AnalysisTemplate";
        ConfigMap = "ConfigMap";
        Namespace = "Namespace";
        Project = "Project";
        ProjectConfig = "ProjectConfig";
        PromotionTask = "PromotionTask";
        Role = "Role";
        RoleBinding = "RoleBinding";
        Secret = "Secret";
        ServiceAccount = "ServiceAccount";
        Stage = "Stage";
        Warehouse = "Warehouse";
    }
}

/// Declares a top-level resource: `apiVersion`, `kind`, `metadata` and the fields given.
macro_rules! resource {
    ($(#[$meta:meta])* $name:ident: $api:ident { $($(#[$fmeta:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        pub struct $name {
            api_version: $crate::resources::constant::api::$api,
            kind: $crate::resources::constant::kind::$name,
            /// Name, namespace and labels.
            pub metadata: $crate::resources::Metadata,
            $($(#[$fmeta])* pub $field: $type,)*
        }

        impl $name {
            /// Puts its parts together.
            #[must_use]
            pub fn new(metadata: $crate::resources::Metadata $(, $field: $type)*) -> Self {
                Self {
                    api_version: Default::default(),
                    kind: Default::default(),
                    metadata,
                    $($field,)*
                }
            }
        }

        impl From<$name> for $crate::resources::Resource {
            fn from(resource: $name) -> Self {
                Self::$name(resource)
            }
        }
    };
}
pub(crate) use resource;
