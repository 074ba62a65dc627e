//! One broken manifest for each way to break a rule.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use imgfac_conformance::Rule;

use crate::small::{MANIFEST, checker, file};

/// A rule, and what is replaced in the manifest to break it. Text to be replaced stands in it.
const BROKEN: &[(Rule, &[(&str, &str)])] = &[
    (Rule::Yaml, &[("kind: Namespace", "kind: [Namespace")]),
    (
        Rule::Yaml,
        &[("kind: Namespace", "kind: Namespace\nkind: Namespace")],
    ),
    (Rule::Document, &[("kind: Namespace\n", "")]),
    (
        Rule::Document,
        &[("metadata: {name: demo}", "metadata: {}")],
    ),
    (
        Rule::Document,
        &[(
            "\napiVersion: v1\nkind: Namespace",
            "\n- 1\n---\napiVersion: v1\nkind: Namespace",
        )],
    ),
    (Rule::Kind, &[("kind: Project\n", "kind: Projekt\n")]),
    (
        Rule::Kind,
        &[("argoproj.io/v1alpha1", "argoproj.io/v1beta1")],
    ),
    (
        Rule::UncheckedKind,
        &[(
            "apiVersion: v1\nkind: ConfigMap",
            "apiVersion: apps/v1\nkind: Deployment",
        )],
    ),
    (
        Rule::Schema,
        &[("autoPromotionEnabled: true", "autoPromotion: true")],
    ),
    (
        Rule::Schema,
        &[("autoPromotionEnabled: true", "autoPromotionEnabled: 'yes'")],
    ),
    (
        Rule::Schema,
        &[("errorThreshold: 5", "errorThreshold: 5000000000")],
    ),
    (Rule::Schema, &[("count: 1", "count: 1.5")]),
    (
        Rule::Schema,
        &[(
            "metadata: {name: demo}",
            "metadata: {name: demo}\nstatus: {}",
        )],
    ),
    (
        Rule::Schema,
        &[("discoveryLimit: 1", "discoveryLimit: 101")],
    ),
    (Rule::Schema, &[("discoveryLimit: 1", "discoveryLimit: 0")]),
    (Rule::Schema, &[("linux/amd64", "linux")]),
    (Rule::Schema, &[("discoveryLimit: 1", "discoverLimit: 1")]),
    (Rule::Schema, &[("pollInterval: 10m", "pollIntervall: 10m")]),
    (Rule::Schema, &[("pollInterval: 10m", "pollInterval: 10")]),
    (Rule::Schema, &[("pollInterval: 10m", "method: PUT")]),
    (
        Rule::Schema,
        &[("prNumber: '${{ outputs.meta.number }}'", "prNumber: '7'")],
    ),
    (
        Rule::Schema,
        &[("\"Bearer ${{ secret('hook').secret }}\"", "''")],
    ),
    (
        Rule::Schema,
        &[(
            "config: {status: '${{ task.outputs.wait.status }}'}",
            "config: no",
        )],
    ),
    (
        Rule::ListType,
        &[(
            "[{name: image}, {name: tag",
            "[{name: image}, {name: image}, {name: tag",
        )],
    ),
    (
        Rule::ListType,
        &[("stages: [build-web]", "stages: [build-web, build-web]")],
    ),
    (
        Rule::Cel,
        &[(
            "{stageSelector: {name: build-web}",
            "{stage: build-web, stageSelector: {name: build-web}",
        )],
    ),
    (
        Rule::Core,
        &[(
            "automountServiceAccountToken: false",
            "automountToken: false",
        )],
    ),
    (
        Rule::Core,
        &[(
            "automountServiceAccountToken: false",
            "automountServiceAccountToken: 'no'",
        )],
    ),
    (
        Rule::Core,
        &[(
            "automountServiceAccountToken: false",
            "imagePullSecrets: [hook]",
        )],
    ),
    (
        Rule::Core,
        &[("data: {web: \"2026", "data: {\"a b\": x, web: \"2026")],
    ),
    (
        Rule::Core,
        &[("data: {web: \"2026-01-01T00:00:00Z\"}", "data: {web: 1}")],
    ),
    (
        Rule::Core,
        &[("data: {web: \"2026-01-01T00:00:00Z\"}", "data: [web]")],
    ),
    (
        Rule::Core,
        &[(
            "data: {web: \"2026-01-01T00:00:00Z\"}",
            "binaryData: {web: '%'}",
        )],
    ),
    (Rule::Core, &[("cred-type: generic", "cred-type: docker")]),
    (Rule::Core, &[("cred-type: generic", "cred-type: git")]),
    (
        Rule::Core,
        &[(
            "{name: analyzer, namespace: demo}\nautomount",
            "{name: analyzer, namespace: demo, uid: x}\nautomount",
        )],
    ),
    (Rule::Core, &[("verbs: [get, list]", "verbs: get")]),
    (Rule::Core, &[("verbs: [get, list]", "verbs: []")]),
    (Rule::Core, &[("verbs: [get, list]", "verb: [get]")]),
    (Rule::Core, &[("verbs: [get, list]", "verbs: [1]")]),
    (
        Rule::Core,
        &[("resources: [warehouses, stages/status], ", "")],
    ),
    (
        Rule::Core,
        &[(
            "roleRef: {apiGroup: rbac.authorization.k8s.io, ",
            "roleRef: {",
        )],
    ),
    (Rule::Core, &[("kind: Role, name", "kind: Roll, name")]),
    (
        Rule::Core,
        &[(
            "[{kind: ServiceAccount, name: analyzer, namespace: demo}]",
            "[{kind: ServiceAccount, name: analyzer}]",
        )],
    ),
    (
        Rule::Core,
        &[("[{kind: ServiceAccount,", "[{kind: Account,")],
    ),
    (
        Rule::Duplicate,
        &[(
            "metadata: {name: demo}\n",
            "metadata: {name: demo}\n---\napiVersion: kargo.akuity.io/v1alpha1\nkind: Project\nmetadata: {name: demo}\n",
        )],
    ),
    (
        Rule::Name,
        &[
            (
                "kind: ConfigMap\nmetadata: {name: overrides",
                "kind: ConfigMap\nmetadata: {name: a..b",
            ),
            ("configMap(\"overrides\")", "configMap(\"a..b\")"),
        ],
    ),
    (
        Rule::Name,
        &[
            (
                "kind: AnalysisTemplate\nmetadata: {name: analyze",
                "kind: AnalysisTemplate\nmetadata: {name: a.b",
            ),
            (
                "analysisTemplates: [{name: analyze}]",
                "analysisTemplates: [{name: a.b}]",
            ),
        ],
    ),
    (
        Rule::Name,
        &[(
            "name: deploy-web",
            "name: deploy-web-that-has-a-name-of-more-than-sixty-three-characters-web",
        )],
    ),
    (
        Rule::Name,
        &[
            (
                "{name: \"analyzer:role\", namespace",
                "{name: a/b, namespace",
            ),
            ("name: \"analyzer:role\"}", "name: a/b}"),
        ],
    ),
    (
        Rule::Label,
        &[("{sort: deploy}}\nspec", "{sort: deploy, \"a b\": c}}\nspec")],
    ),
    (
        Rule::Label,
        &[("{sort: deploy}}\nspec", "{sort: deploy, ver: a/b}}\nspec")],
    ),
    (
        Rule::Label,
        &[("{sort: deploy}}\nspec", "{sort: deploy, ver: 1.0}}\nspec")],
    ),
    (
        Rule::Label,
        &[(
            "{sort: deploy}}\nspec",
            "{sort: deploy, ver: a23456789-b23456789-c23456789-d23456789-e23456789-f23456789-g234}}\nspec",
        )],
    ),
    (
        Rule::Namespace,
        &[(
            "kind: Project\nmetadata: {name: demo}",
            "kind: Project\nmetadata: {name: demo, namespace: demo}",
        )],
    ),
    (
        Rule::Namespace,
        &[(
            "kind: ServiceAccount\nmetadata: {name: analyzer, namespace: demo}\n",
            "kind: ServiceAccount\nmetadata: {name: unused}\n---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {name: analyzer, namespace: demo}\n",
        )],
    ),
    (
        Rule::Namespace,
        &[(
            "---\napiVersion: v1\nkind: ConfigMap",
            "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: other}\n---\napiVersion: v1\nkind: ConfigMap",
        )],
    ),
    (
        Rule::Namespace,
        &[(
            "kind: ProjectConfig\nmetadata: {name: demo,",
            "kind: ProjectConfig\nmetadata: {name: config,",
        )],
    ),
    (
        Rule::Namespace,
        &[(", labels: {kargo.akuity.io/project: \"true\"}", "")],
    ),
    (
        Rule::Order,
        &[(
            "\napiVersion: v1\nkind: Namespace",
            "\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: first, namespace: demo}\n---\napiVersion: v1\nkind: Namespace",
        )],
    ),
    (Rule::Secret, &[("secret: REPLACE", "secret: hunter2")]),
    (
        Rule::Secret,
        &[("{web: \"2026", "{web-password: hunter2, web: \"2026")],
    ),
    (
        Rule::Secret,
        &[(
            "value: acme/shop",
            "value: ghp_0123456789abcdef0123456789abcdef0123",
        )],
    ),
    (
        Rule::Secret,
        &[(
            "value: acme/shop",
            "value: 'https://me:hunter2@example.com/x'",
        )],
    ),
    (
        Rule::Secret,
        &[("value: acme/shop", "value: '-----BEGIN PRIVATE KEY-----'")],
    ),
    (Rule::Duration, &[("interval: 24h0m0s", "interval: 1d")]),
    (Rule::Duration, &[("timeout: 1h,", "timeout: 7d,")]),
    (
        Rule::Duration,
        &[("pollInterval: 10m", "pollInterval: 1d10m")],
    ),
    (
        Rule::Duration,
        &[("requiredSoakTime: 1h30m", "requiredSoakTime: 1h 30m")],
    ),
    (Rule::Duration, &[("interval: 5m", "interval: 5min")]),
    (Rule::Duration, &[("duration(\"24h\")", "duration(\"7d\")")]),
    (Rule::Regexp, &[("['^v\\d+$']", "['^v\\\\d+$']")]),
    (Rule::Regexp, &[("['^v\\d+$']", "['^v(?=1)']")]),
    (
        Rule::Regexp,
        &[("branch: main}", "branch: main, includePaths: ['regex:a(']}")],
    ),
    (
        Rule::SubscriptionKey,
        &[("  - git: {repoURL", "  - git: {}\n    chart: {repoURL")],
    ),
    (
        Rule::SubscriptionKey,
        &[("  - git: {repoURL", "  - helm: {repoURL")],
    ),
    (
        Rule::SubscriptionRepeated,
        &[(
            "  - git: {repoURL",
            "  - image: {repoURL: ghcr.io/acme/web}\n  - git: {repoURL",
        )],
    ),
    (
        Rule::SubscriptionIgnored,
        &[("Lexical, allowTagsRegexes: ['^v\\d+$']", "Digest")],
    ),
    (
        Rule::SubscriptionIgnored,
        &[("Lexical,", "Digest, constraint: main,")],
    ),
    (
        Rule::SubscriptionIgnored,
        &[("Lexical,", "Lexical, constraint: main,")],
    ),
    (
        Rule::SubscriptionIgnored,
        &[("allowTagsRegexes: ['^v\\d+$']", "allowTags: ^v")],
    ),
    (
        Rule::SubscriptionIgnored,
        &[("branch: main}", "branch: main, semverConstraint: 1.x}")],
    ),
    (
        Rule::SubscriptionIgnored,
        &[(
            "branch: main}",
            "branch: main, commitSelectionStrategy: SemVer}",
        )],
    ),
    (
        Rule::Step,
        &[("uses: git-wait-for-pr", "uses: git-wait-for-merge")],
    ),
    (
        Rule::Task,
        &[("task: {name: rebuild}", "task: {name: rebuilt}")],
    ),
    (
        Rule::Task,
        &[(
            "task: {name: rebuild}",
            "task: {name: rebuild, kind: ClusterPromotionTask}",
        )],
    ),
    (
        Rule::Task,
        &[(
            "task: {name: rebuild}",
            "if: '${{ success() }}', task: {name: rebuild}",
        )],
    ),
    (
        Rule::Task,
        &[("- {name: image}\n", "- {name: image}\n  - {name: ref}\n")],
    ),
    (
        Rule::Alias,
        &[
            ("as: meta", "as: step-1"),
            ("outputs.meta.number", "outputs.rebuild.number"),
        ],
    ),
    (
        Rule::Alias,
        &[
            ("as: meta", "as: rebuild"),
            ("outputs.meta.number", "outputs.rebuild.number"),
        ],
    ),
    (
        Rule::AliasUnknown,
        &[("outputs.meta.number", "outputs.mata.number")],
    ),
    (
        Rule::AliasUnknown,
        &[
            ("        as: meta\n", ""),
            ("of: '${{ vars.repo }}'", "of: '${{ outputs[\"later\"] }}'"),
            ("outputs.meta.number", "outputs.rebuild"),
        ],
    ),
    (
        Rule::AliasUnknown,
        &[("status('wait')", "status('weight')")],
    ),
    (Rule::AliasUnknown, &[("task.outputs.wait", "outputs.wait")]),
    (
        Rule::AliasUnknown,
        &[("outputs.meta.number", "task.outputs.meta.number")],
    ),
    (Rule::Variable, &[("vars.due }}", "vars.dew }}")]),
    (
        Rule::Variable,
        &[("${{ vars.repo }}", "${{ vars[\"ripo\"] }}")],
    ),
    (
        Rule::Variable,
        &[("value: '${{ vars.image }}'", "value: '${{ vars.repo }}'")],
    ),
    (
        Rule::If,
        &[("${{ success() && vars.due }}", "${{ vars.due }}")],
    ),
    (Rule::If, &[("${{ success() && vars.due }}", "success()")]),
    (
        Rule::Expression,
        &[("'${{ vars.repo }}'", "'${{ vars.repo }'")],
    ),
    (Rule::Expression, &[("'${{ vars.repo }}'", "'${{}} x'")]),
    (
        Rule::Expression,
        &[("'${{ vars.repo }}'", "'${{ f(vars.repo }}'")],
    ),
    (
        Rule::Expression,
        &[("'${{ vars.repo }}'", "'${{ {\"a\": {}} }}'")],
    ),
    (
        Rule::Expression,
        &[("'${{ vars.repo }}'", "'${{ vars.repo ${{ vars.repo }}'")],
    ),
    (
        Rule::Expression,
        &[(
            "response.status in [200, 204]",
            "response.status == vars.due",
        )],
    ),
    (
        Rule::Expression,
        &[("response.status in [200, 204]", "response.status in [200")],
    ),
    (
        Rule::Expression,
        &[(
            "'imageFrom(\"ghcr.io/acme/web\").Tag != \"\"'",
            "'${{ true }}'",
        )],
    ),
    (
        Rule::Expression,
        &[(
            "'imageFrom(\"ghcr.io/acme/web\").Tag != \"\"'",
            "'imageFrom(\"'",
        )],
    ),
    (
        Rule::HttpUnbounded,
        &[(
            "      successExpression: response.status in [200, 204]\n",
            "",
        )],
    ),
    (
        Rule::HttpBody,
        &[(
            "'${% quote({\"image\": {\"name\": vars.image}}) %}'",
            "'{\"image\": \"${{ vars.image }}\"}'",
        )],
    ),
    (
        Rule::Reference,
        &[("configMap(\"overrides\")", "configMap(\"overwrites\")")],
    ),
    (
        Rule::Reference,
        &[(
            "stageMetadata(\"build-web\")",
            "stageMetadata(\"built-web\")",
        )],
    ),
    (
        Rule::Reference,
        &[(
            "imageFrom(\"ghcr.io/acme/web\").Tag) }}",
            "imageFrom(\"ghcr.io/acme/web\", warehouse(\"wob\")).Tag) }}",
        )],
    ),
    (
        Rule::Reference,
        &[(
            "{kind: Stage, name: build-web, values",
            "{kind: Stage, name: built-web, values",
        )],
    ),
    (
        Rule::Reference,
        &[(
            "analysisTemplates: [{name: analyze}]",
            "analysisTemplates: [{name: analyse}]",
        )],
    ),
    (
        Rule::Reference,
        &[(
            "serviceAccountName: analyzer",
            "serviceAccountName: analyser",
        )],
    ),
    (
        Rule::Reference,
        &[
            (
                "origin: {kind: Warehouse, name: web}\n    sources: {direct",
                "origin: {kind: Warehouse, name: wob}\n    sources: {direct",
            ),
            ("imageFrom(\"ghcr.io/acme/web\").Tag) }}", "1) }}"),
        ],
    ),
    (
        Rule::Reference,
        &[("stages: [build-web]", "stages: [built-web]")],
    ),
    (
        Rule::Reference,
        &[(
            "verbs: [promote], resourceNames: [build-web]",
            "verbs: [promote], resourceNames: [built-web]",
        )],
    ),
    (
        Rule::Reference,
        &[(
            "kind: Role, name: \"analyzer:role\"",
            "kind: Role, name: analyzer",
        )],
    ),
    (
        Rule::Reference,
        &[(
            "name: analyzer, namespace: demo}]",
            "name: default, namespace: demo}]",
        )],
    ),
    (
        Rule::Reference,
        &[(
            "env: [",
            "envFrom: [{configMapRef: {name: env}}]\n                env: [",
        )],
    ),
    (
        Rule::ReferenceOutside,
        &[("secret('hook')", "secret('hok')")],
    ),
    (
        Rule::ReferenceOutside,
        &[("secretKeyRef: {name: hook", "secretKeyRef: {name: hok")],
    ),
    (
        Rule::ReferenceOutside,
        &[("{secretRef: {name: hook}}", "{secretRef: {name: hok}}")],
    ),
    (
        Rule::ReferenceOutside,
        &[(
            "kind: Role, name: \"analyzer:role\"",
            "kind: ClusterRole, name: view",
        )],
    ),
    (
        Rule::Artifact,
        &[(
            "imageFrom(\"ghcr.io/acme/web\").Tag) }}",
            "imageFrom(\"acme/web\").Tag) }}",
        )],
    ),
    (
        Rule::Artifact,
        &[(
            "${{ vars.repo }}",
            "${{ commitFrom(\"https://github.com/acme/shop\").ID }}",
        )],
    ),
    (
        Rule::FreightSource,
        &[("sources: {direct: true}", "sources: {}")],
    ),
    (
        Rule::FreightSource,
        &[(
            "sources: {direct: true}",
            "sources: {direct: true, autoPromotionOptions: {selectionPolicy: MatchUpstream}}",
        )],
    ),
    (
        Rule::FreightSource,
        &[(
            "sources: {direct: true}",
            "sources: {direct: true, stages: [build-web]}",
        )],
    ),
    (
        Rule::FreightSource,
        &[
            (
                "sources: {stages: [build-web],",
                "sources: {stages: [build-web, other],",
            ),
            (
                "---\napiVersion: argoproj.io",
                "---\napiVersion: kargo.akuity.io/v1alpha1\nkind: Stage\nmetadata: {name: other, namespace: demo}\nspec: {promotionTemplate: {spec: {steps: [{uses: compose-output}]}}}\n---\napiVersion: argoproj.io",
            ),
        ],
    ),
    (
        Rule::OriginRepeated,
        &[(
            "    sources: {direct: true}\n",
            "    sources: {direct: true}\n  - origin: {kind: Warehouse, name: web}\n    sources: {direct: true}\n",
        )],
    ),
    (
        Rule::Soak,
        &[("availabilityStrategy: OneOf", "availabilityStrategy: All")],
    ),
    (
        Rule::Soak,
        &[(
            "sources: {direct: true}",
            "sources: {direct: true, requiredSoakTime: 1h}",
        )],
    ),
    (
        Rule::Soak,
        &[
            (
                "sources: {stages: [build-web],",
                "sources: {stages: [build-web, other],",
            ),
            (
                "---\napiVersion: argoproj.io",
                "---\napiVersion: kargo.akuity.io/v1alpha1\nkind: Stage\nmetadata: {name: other, namespace: demo}\nspec: {requestedFreight: [{origin: {name: web}, sources: {direct: true}}]}\n---\napiVersion: argoproj.io",
            ),
        ],
    ),
    (
        Rule::ControlFlow,
        &[(
            "      steps: [{uses: compose-output, config: {at: '${{ stageMetadata(\"build-web\")?.at }}'}}]\n",
            "      steps: []\n  verification: {analysisTemplates: [{name: analyze}], args: [{name: image, value: web}]}\n",
        )],
    ),
    (
        Rule::AnalysisArgument,
        &[(
            "- {name: image, value: '${{ vars.image }}'}\n",
            "- {name: tug, value: x}\n",
        )],
    ),
    (
        Rule::AnalysisArgument,
        &[(
            "- {name: image, value: '${{ vars.image }}'}\n",
            "- {name: image, value: x}\n    - {name: image, value: x}\n",
        )],
    ),
    (
        Rule::AnalysisArgument,
        &[("{{args.image}}", "{{args.imge}}")],
    ),
    (
        Rule::Metric,
        &[("  metrics:\n", "  metrics: []\n---\nunused:\n")],
    ),
    (
        Rule::Metric,
        &[(
            "    provider:\n      job:",
            "    provider: {}\n    unused:\n      job:",
        )],
    ),
    (
        Rule::Pod,
        &[("restartPolicy: Never", "restartPolicy: Always")],
    ),
    (
        Rule::Pod,
        &[("              containers:", "              initContainers:")],
    ),
    (
        Rule::Pod,
        &[("- image: ghcr.io/acme/imgfac:v1", "- image: ''")],
    ),
    (
        Rule::Pod,
        &[("volumes: [{name: tmp}]", "volumes: [{name: temp}]")],
    ),
    (
        Rule::AliasUnknown,
        &[("task.outputs.result.status", "task.outputs.result.state")],
    ),
    (
        Rule::Core,
        &[(
            "subjects: [{kind: ServiceAccount, name: analyzer, namespace: demo}]",
            "subjects: []",
        )],
    ),
    (
        Rule::Namespace,
        &[(
            "kind: Namespace\nmetadata: {name: demo",
            "kind: Namespace\nmetadata: {name: dema",
        )],
    ),
    (
        Rule::Metric,
        &[("- name: analyze\n", "- name: analyze-dockerfile-of-web\n")],
    ),
    (
        Rule::Policy,
        &[(
            "{stageSelector: {name: build-web}",
            "{stageSelector: {name: built-web}",
        )],
    ),
    (
        Rule::Policy,
        &[(
            "{name: \"glob:*-web\", matchLabels: {sort: deploy}}",
            "{name: \"glob:build-*\"}",
        )],
    ),
    (
        Rule::Policy,
        &[(
            "{name: \"glob:*-web\", matchLabels: {sort: deploy}}",
            "{name: \"glob:*-web\", matchLabels: {sort: build}}",
        )],
    ),
    (
        Rule::Policy,
        &[(
            "{name: \"glob:*-web\", matchLabels: {sort: deploy}}",
            "{matchExpressions: [{key: sort, operator: NotIn, values: [deploy]}]}",
        )],
    ),
    (
        Rule::Policy,
        &[("{name: \"glob:*-web\"", "{name: \"globs:*-web\"")],
    ),
    (
        Rule::Policy,
        &[("{name: \"glob:*-web\"", "{name: \"regex:(\"")],
    ),
    (
        Rule::Policy,
        &[("{name: \"glob:*-web\", matchLabels: {sort: deploy}}", "{}")],
    ),
    (
        Rule::Receiver,
        &[(
            "  - {name: github, ",
            "  - {name: github, gitlab: {secretRef: {name: hook}}}\n  - {name: github, ",
        )],
    ),
    (
        Rule::Receiver,
        &[(
            "  - {name: github, ",
            "  - {name: github, gitlab: {secretRef: {name: hook}}, ",
        )],
    ),
    (
        Rule::Role,
        &[(
            "resources: [warehouses, stages/status]",
            "resources: [warehouse]",
        )],
    ),
    (
        Rule::Role,
        &[("verbs: [promote]", "verbs: [promote, create]")],
    ),
];

#[test]
fn nothing_is_wrong_in_the_manifest() {
    let report = crate::small::check(MANIFEST);
    assert_eq!(report.documents, 13);
    let findings: Vec<_> = report.findings.iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

#[test]
fn every_rule_can_be_broken() {
    let broken: BTreeSet<Rule> = BROKEN.iter().map(|(rule, _)| *rule).collect();
    let all: BTreeSet<Rule> = Rule::ALL.iter().copied().collect();
    assert_eq!(broken, all);
}

#[test]
fn what_breaks_a_rule_is_found() {
    let checker = checker();
    let mut out = String::new();
    let mut unbroken = Vec::new();
    for (rule, edits) in BROKEN {
        let mut text = MANIFEST.to_owned();
        for (from, to) in *edits {
            assert!(text.contains(from), "{from:?} is not in the manifest");
            text = text.replacen(from, to, 1);
        }
        let report = checker.check(&[file("m.yaml", &text)]);
        let (_, change) = edits.first().unwrap();
        writeln!(out, "{rule}: {change:?}").unwrap();
        for finding in &report.findings {
            writeln!(out, "    {finding}").unwrap();
        }
        if !report.findings.iter().any(|finding| finding.rule == *rule) {
            unbroken.push((rule, change));
        }
    }
    assert!(unbroken.is_empty(), "{unbroken:#?}\n{out}");
    insta::assert_snapshot!(out);
}
