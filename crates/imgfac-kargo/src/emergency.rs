//! The account that may start a rebuild at once.

use imgfac_model::Settings;

use crate::labels::metadata;
use crate::resources::{
    PolicyRule, Resource, Role, RoleBinding, RoleRef, RoleSubject, ServiceAccount,
};
use crate::task::OVERRIDES;

/// Its name, and that of its role.
const NAME: &str = "imgfac-rebuilder";

/// The account, its rights and who has them.
///
/// It may write the time of an emergency, and make Promotions of the Stages that rebuild. Kargo
/// asks for the verb `promote` on the Stage besides the right to create a Promotion, so that it can
/// start rebuilds and nothing else. No pod of ours runs as this account; whoever may get a token of
/// it may start rebuilds.
pub(crate) fn account(settings: &Settings, triggers: Vec<String>) -> Vec<Resource> {
    let meta = || metadata(settings, NAME, "emergency", None);
    let rule = |group: &str, resource: &str, names: Vec<String>, verbs: &[&str]| PolicyRule {
        api_groups: vec![group.into()],
        resources: vec![resource.into()],
        resource_names: names,
        verbs: verbs.iter().map(|verb| (*verb).into()).collect(),
    };
    const KARGO: &str = "kargo.akuity.io";
    vec![
        ServiceAccount::new(meta(), false).into(),
        Role::new(
            meta(),
            vec![
                rule("", "configmaps", vec![OVERRIDES.into()], &["get", "patch"]),
                rule(KARGO, "promotions", Vec::new(), &["create", "get"]),
                rule(KARGO, "stages", triggers, &["promote"]),
            ],
        )
        .into(),
        RoleBinding::new(
            meta(),
            RoleRef {
                api_group: "rbac.authorization.k8s.io".into(),
                kind: "Role".into(),
                name: NAME.into(),
            },
            vec![RoleSubject {
                kind: "ServiceAccount".into(),
                name: NAME.into(),
                namespace: settings.namespace.to_string(),
            }],
        )
        .into(),
    ]
}
