//! Resources of Kubernetes itself.

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
