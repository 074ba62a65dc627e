//! Resources of Kubernetes itself.

use std::collections::BTreeMap;

use super::constant::resource;

resource! {
    /// A namespace.
    ///
    /// Kargo adopts an existing one only when its label `kargo.akuity.io/project` is `"true"`;
    /// without it, creating the project of the same name is refused with 409 (Kargo 1.11).
    Namespace: Core {}
}

resource! {
    /// Who a pod runs as.
    ServiceAccount: Core {
        /// Whether its pods get a token for the API server.
        automount_service_account_token: bool,
    }
}

resource! {
    /// Texts by name.
    ConfigMap: Core {
        /// Keys are of `[-._a-zA-Z0-9]`, at most 253. `None` leaves to others what is in it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        data: Option<BTreeMap<String, String>>,
    }
}

resource! {
    /// The place of a secret. There is no field for values: those never stand in a manifest.
    Secret: Core {
        /// `Opaque`.
        #[serde(rename = "type")]
        secret_type: String,
    }
}
