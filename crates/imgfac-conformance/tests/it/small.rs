//! Small schemas in the forms of Kargo's, and a manifest that breaks nothing.

use std::collections::BTreeMap;

use imgfac_conformance::{Checker, File, Report, Schemas, Sources};

/// Kind, plural, scope and the schema of `spec`.
const DEFINITIONS: &[(&str, &str, &str, &str, &str)] = &[
    ("kargo.akuity.io", "Project", "projects", "Cluster", "{type: object}"),
    (
        "kargo.akuity.io",
        "ProjectConfig",
        "projectconfigs",
        "Namespaced",
        "
type: object
properties:
  promotionPolicies:
    type: array
    items:
      type: object
      x-kubernetes-validations:
      - message: exactly one of stage or stageSelector
        rule: 'has(self.stage) != has(self.stageSelector)'
      properties:
        autoPromotionEnabled: {type: boolean}
        stage: {type: string}
        stageSelector:
          type: object
          properties:
            name: {type: string}
            matchLabels: {type: object, additionalProperties: {type: string}}
            matchExpressions:
              type: array
              items:
                type: object
                properties:
                  key: {type: string}
                  operator: {type: string}
                  values: {type: array, items: {type: string}}
  webhookReceivers:
    type: array
    items:
      type: object
      properties:
        name: {type: string}
        github: &receiver
          type: object
          properties:
            secretRef: {type: object, properties: {name: {type: string}}}
        gitlab: *receiver
",
    ),
    (
        "kargo.akuity.io",
        "Warehouse",
        "warehouses",
        "Namespaced",
        "
type: object
properties:
  interval: {type: string}
  freightCreationPolicy: {type: string, enum: [Automatic, Manual]}
  freightCreationCriteria: {type: object, properties: {expression: {type: string}}}
  subscriptions: {type: array, minItems: 1, items: {x-kubernetes-preserve-unknown-fields: true}}
",
    ),
    (
        "kargo.akuity.io",
        "PromotionTask",
        "promotiontasks",
        "Namespaced",
        "
type: object
properties:
  vars: &vars
    type: array
    items: {type: object, required: [name], properties: {name: {type: string}, value: {type: string}}}
  steps: &steps
    type: array
    items:
      type: object
      properties:
        as: {type: string}
        config: {x-kubernetes-preserve-unknown-fields: true}
        continueOnError: {type: boolean}
        if: {type: string}
        retry:
          type: object
          properties: {timeout: {type: string}, errorThreshold: {type: integer, format: int32}}
        task: {type: object, properties: {kind: {type: string}, name: {type: string}}}
        uses: {type: string}
        vars: *vars
",
    ),
    (
        "kargo.akuity.io",
        "Stage",
        "stages",
        "Namespaced",
        "
type: object
properties:
  vars: &vars
    type: array
    items: {type: object, required: [name], properties: {name: {type: string}, value: {type: string}}}
  requestedFreight:
    type: array
    items:
      type: object
      properties:
        origin: {type: object, properties: {kind: {type: string}, name: {type: string}}}
        sources:
          type: object
          properties:
            autoPromotionOptions: {type: object, properties: {selectionPolicy: {type: string}}}
            availabilityStrategy: {type: string}
            direct: {type: boolean}
            requiredSoakTime: {type: string}
            stages: {type: array, x-kubernetes-list-type: set, items: {type: string}}
  promotionTemplate:
    type: object
    properties:
      spec:
        type: object
        properties:
          vars: *vars
          steps:
            type: array
            items:
              type: object
              properties:
                as: {type: string}
                config: {x-kubernetes-preserve-unknown-fields: true}
                continueOnError: {type: boolean}
                if: {type: string}
                retry:
                  type: object
                  properties: {timeout: {type: string}, errorThreshold: {type: integer, format: int32}}
                task: {type: object, properties: {kind: {type: string}, name: {type: string}}}
                uses: {type: string}
                vars: *vars
  verification:
    type: object
    nullable: true
    properties:
      analysisTemplates:
        type: array
        items: {type: object, properties: {kind: {type: string}, name: {type: string}}}
      args: *vars
",
    ),
    (
        "argoproj.io",
        "AnalysisTemplate",
        "analysistemplates",
        "Namespaced",
        "
type: object
properties:
  args:
    type: array
    x-kubernetes-list-type: map
    x-kubernetes-list-map-keys: [name]
    items: {type: object, properties: {name: {type: string}, value: {type: string}}}
  metrics:
    type: array
    items:
      type: object
      properties:
        name: {type: string}
        interval: {type: string}
        count: {x-kubernetes-int-or-string: true, anyOf: [{type: integer}, {type: string}]}
        provider: {x-kubernetes-preserve-unknown-fields: true}
",
    ),
];

const STEPS: &[(&str, &str)] = &[
    (
        "http-config.json",
        r##"{"type": "object", "additionalProperties": false, "required": ["url"], "properties": {
            "url": {"type": "string", "format": "uri"},
            "method": {"enum": ["GET", "POST"]},
            "body": {"type": "string"},
            "headers": {"type": "array", "items": {"$ref": "common.json#/definitions/header"}},
            "outputs": {"type": "array", "items": {"type": "object"}},
            "pollInterval": {"type": "string"},
            "successExpression": {"type": "string"}}}"##,
    ),
    (
        "common.json",
        r#"{"definitions": {"header": {"type": "object", "additionalProperties": false,
            "properties": {"name": {"type": "string"}, "value": {"type": "string", "minLength": 1}}}}}"#,
    ),
    (
        "set-metadata-config.json",
        r#"{"type": "object", "required": ["updates"], "properties": {"updates": {"type": "array", "items": {
            "type": "object", "required": ["kind", "name", "values"]}}}}"#,
    ),
    ("compose-output-config.json", r#"{"type": "object"}"#),
    (
        "git-wait-for-pr-config.json",
        r#"{"type": "object", "properties": {"prNumber": {"type": "integer"}}}"#,
    ),
];

const SUBSCRIPTIONS: &[(&str, &str)] = &[
    (
        "image.json",
        r#"{"type": "object", "additionalProperties": false, "required": ["repoURL"], "properties": {
            "repoURL": {"type": "string"}, "constraint": {"type": "string"},
            "imageSelectionStrategy": {"enum": ["Digest", "Lexical", "SemVer"]},
            "allowTagsRegexes": {"type": "array", "items": {"type": "string"}},
            "allowTags": {"type": "string"},
            "platform": {"type": "string", "pattern": "^\\w+/\\w+$"},
            "discoveryLimit": {"type": "integer", "minimum": 1, "maximum": 100}}}"#,
    ),
    (
        "git.json",
        r#"{"type": "object", "properties": {"repoURL": {"type": "string"}}}"#,
    ),
];

/// A manifest with a resource of every sort, in which nothing is wrong.
pub(crate) const MANIFEST: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: demo, labels: {kargo.akuity.io/project: "true"}}
---
apiVersion: kargo.akuity.io/v1alpha1
kind: Project
metadata: {name: demo}
---
apiVersion: kargo.akuity.io/v1alpha1
kind: ProjectConfig
metadata: {name: demo, namespace: demo}
spec:
  promotionPolicies:
  - {stageSelector: {name: build-web}, autoPromotionEnabled: true}
  - {stageSelector: {name: "glob:*-web", matchLabels: {sort: deploy}}, autoPromotionEnabled: false}
  webhookReceivers:
  - {name: github, github: {secretRef: {name: hook}}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: analyzer, namespace: demo}
automountServiceAccountToken: false
---
apiVersion: v1
kind: ConfigMap
metadata: {name: overrides, namespace: demo}
data: {web: "2026-01-01T00:00:00Z"}
---
apiVersion: v1
kind: Secret
metadata: {name: hook, namespace: demo, labels: {kargo.akuity.io/cred-type: generic}}
stringData: {secret: REPLACE}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: "analyzer:role", namespace: demo}
rules:
- {apiGroups: [kargo.akuity.io], resources: [stages], verbs: [promote], resourceNames: [build-web]}
- {apiGroups: [kargo.akuity.io], resources: [warehouses, stages/status], verbs: [get, list]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: analyzer, namespace: demo}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: "analyzer:role"}
subjects: [{kind: ServiceAccount, name: analyzer, namespace: demo}]
---
apiVersion: kargo.akuity.io/v1alpha1
kind: Warehouse
metadata: {name: web, namespace: demo}
spec:
  interval: 24h0m0s
  freightCreationCriteria: {expression: 'imageFrom("ghcr.io/acme/web").Tag != ""'}
  subscriptions:
  - image: {repoURL: ghcr.io/acme/web, imageSelectionStrategy: Lexical, allowTagsRegexes: ['^v\d+$'], platform: linux/amd64, discoveryLimit: 1}
  - git: {repoURL: https://github.com/acme/shop.git, branch: main}
---
apiVersion: kargo.akuity.io/v1alpha1
kind: PromotionTask
metadata: {name: rebuild, namespace: demo}
spec:
  vars:
  - {name: image}
  - {name: due, value: '${{ duration("24h") }}'}
  steps:
  - uses: http
    as: wait
    if: '${{ success() && vars.due }}'
    retry: {timeout: 1h, errorThreshold: 5}
    config:
      url: '${{ configMap("overrides")[vars.image] }}'
      pollInterval: 10m
      headers: [{name: Authorization, value: "Bearer ${{ secret('hook').secret }}"}]
      body: '${% quote({"image": {"name": vars.image}}) %}'
      successExpression: response.status in [200, 204]
  - uses: compose-output
    as: result
    if: "${{ success() && status('wait') == 'Succeeded' }}"
    config: {status: '${{ task.outputs.wait.status }}'}
  - uses: compose-output
    config: {of: '${{ task.outputs.result.status }}'}
---
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {name: analyze, namespace: demo}
spec:
  args: [{name: image}, {name: tag, value: ""}]
  metrics:
  - name: analyze
    interval: 5m
    count: 1
    provider:
      job:
        spec:
          template:
            spec:
              serviceAccountName: analyzer
              restartPolicy: Never
              volumes: [{name: tmp}]
              containers:
              - image: ghcr.io/acme/imgfac:v1
                volumeMounts: [{name: tmp, mountPath: /tmp}]
                args: ["--image={{args.image}}", "--tag={{ args.tag }}"]
                env: [{name: TOKEN, valueFrom: {secretKeyRef: {name: hook, key: secret}}}]
---
apiVersion: kargo.akuity.io/v1alpha1
kind: Stage
metadata: {name: build-web, namespace: demo}
spec:
  vars: [{name: image, value: web}]
  requestedFreight:
  - origin: {kind: Warehouse, name: web}
    sources: {direct: true}
  promotionTemplate:
    spec:
      vars: [{name: repo, value: acme/shop}]
      steps:
      - {as: rebuild, task: {name: rebuild}}
      - uses: set-metadata
        as: meta
        config:
          updates:
          - {kind: Stage, name: build-web, values: {at: '${{ outputs.rebuild }}', of: '${{ vars.repo }}'}}
      - uses: git-wait-for-pr
        config: {prNumber: '${{ outputs.meta.number }}'}
  verification:
    analysisTemplates: [{name: analyze}]
    args:
    - {name: image, value: '${{ vars.image }}'}
    - {name: tag, value: '${{ quote(imageFrom("ghcr.io/acme/web").Tag) }}'}
---
apiVersion: kargo.akuity.io/v1alpha1
kind: Stage
metadata: {name: deploy-web, namespace: demo, labels: {sort: deploy}}
spec:
  requestedFreight:
  - origin: {kind: Warehouse, name: web}
    sources: {stages: [build-web], requiredSoakTime: 1h30m, availabilityStrategy: OneOf}
  promotionTemplate:
    spec:
      steps: [{uses: compose-output, config: {at: '${{ stageMetadata("build-web")?.at }}'}}]
"#;

pub(crate) fn sources() -> Sources {
    let mut sources = Sources::default();
    for (group, kind, plural, scope, spec) in DEFINITIONS {
        let spec = spec.trim_end().replace('\n', "\n            ");
        let text = format!(
            "kind: CustomResourceDefinition
spec:
  group: {group}
  names: {{kind: {kind}, plural: {plural}}}
  scope: {scope}
  versions:
  - name: v1alpha1
    served: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {spec}
  - {{name: v1, served: false}}
"
        );
        sources
            .definitions
            .insert(format!("crds/{plural}.yaml"), text);
    }
    let files = |folder: &str, files: &[(&str, &str)]| -> BTreeMap<String, String> {
        let path = |name: &str| format!("{folder}/{name}");
        files
            .iter()
            .map(|(name, text)| (path(name), (*text).to_owned()))
            .collect()
    };
    sources.steps = files("step-schemas", STEPS);
    sources.subscriptions = files("subscription-schemas", SUBSCRIPTIONS);
    sources
}

pub(crate) fn checker() -> Checker {
    Checker::new(Schemas::compile(&sources()).unwrap())
}

pub(crate) fn check(text: &str) -> Report {
    checker().check(&[file("m.yaml", text)])
}

pub(crate) fn file(name: &str, text: &str) -> File {
    File {
        name: name.into(),
        text: text.into(),
    }
}
