//! Who may do what in the cluster.

use serde::{Deserialize, Serialize};

use super::constant::resource;

resource! {
    /// Rights in a namespace.
    Role: Rbac {
        /// Each allows something; nothing forbids.
        rules: Vec<PolicyRule>,
    }
}

resource! {
    /// Who has the rights of a role.
    RoleBinding: Rbac {
        /// The role.
        role_ref: RoleRef,
        /// Who has it.
        subjects: Vec<RoleSubject>,
    }
}

/// What may be done to which resources.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyRule {
    /// Of which groups; the empty one is Kubernetes' own.
    pub api_groups: Vec<String>,
    /// Which kinds, in the plural.
    pub resources: Vec<String>,
    /// Only these; empty means all. Nothing is allowed by name when it is made, since it has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resource_names: Vec<String>,
    /// What may be done.
    pub verbs: Vec<String>,
}

/// A role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoleRef {
    /// `rbac.authorization.k8s.io`.
    pub api_group: String,
    /// `Role`.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// Who has a role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleSubject {
    /// `ServiceAccount`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
}
