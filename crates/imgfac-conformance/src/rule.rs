//! What is checked, under which name, and who says so.

use std::fmt;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The manifest is refused, does nothing, or does something else than it says.
    Error,
    /// It works only if something outside the manifest is as it should be.
    Warning,
}

impl Severity {
    /// `error` or `warning`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

macro_rules! rules {
    ($($rule:ident $name:literal $severity:ident $source:literal $doc:literal)*) => {
        /// A check.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Rule {
            $(#[doc = $doc] $rule,)*
        }

        impl Rule {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$rule),*];

            /// The name that a finding shows.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$rule => $name),* }
            }

            /// How bad it is to break it.
            #[must_use]
            pub fn severity(self) -> Severity {
                match self { $(Self::$rule => Severity::$severity),* }
            }

            /// Who made it: a file of Kargo's sources, an issue, or a page. Findings against a
            /// schema name the schema's file instead.
            #[must_use]
            pub fn source(self) -> &'static str {
                match self { $(Self::$rule => $source),* }
            }

            /// What it asks for, in a sentence.
            #[must_use]
            pub fn summary(self) -> &'static str {
                match self { $(Self::$rule => $doc),* }
            }
        }
    };
}

rules! {
    Yaml "yaml" Error "https://yaml.org/spec/1.2.2/"
        "A file is a stream of YAML documents."
    Document "document" Error "https://kubernetes.io/docs/concepts/overview/working-with-objects/"
        "A document has apiVersion, kind and metadata with a name."
    Kind "kind" Error "the custom resource definitions of the release"
        "Kinds of Kargo and Argo Rollouts exist in the release."
    UncheckedKind "unchecked-kind" Warning "this checker"
        "Every kind is one that the checker knows."
    Schema "schema" Error "the schema"
        "A document fits its schema, and has no field that the schema does not name."
    ListType "list-type" Error "https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy"
        "Items of a list that is a set or a map have different values or keys."
    Cel "cel" Error "the schema"
        "The rules in CEL of a schema hold."
    Core "core" Error "https://kubernetes.io/docs/reference/kubernetes-api/"
        "Namespaces, service accounts, config maps, secrets, roles and their bindings have the fields that Kubernetes knows."
    Duplicate "duplicate" Error "https://kubernetes.io/docs/concepts/overview/working-with-objects/names/"
        "A resource stands in the manifest once."
    Name "name" Error "https://kubernetes.io/docs/concepts/overview/working-with-objects/names/"
        "Names have the characters and the length that Kubernetes and Kargo accept."
    Label "label" Error "https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/"
        "Keys of labels and annotations and values of labels have their form."
    Namespace "namespace" Error "Kargo v1.11.2, pkg/webhook/kubernetes/project.go"
        "Resources of a cluster have no namespace, all others that of the project."
    Order "order" Warning "Kargo v1.11.2, pkg/webhook/kubernetes/project.go"
        "The namespace stands before what lies in it."
    Secret "secret" Error "https://kubernetes.io/docs/concepts/security/secrets-good-practices/"
        "A manifest holds no password, token or key."
    Duration "duration" Error "https://pkg.go.dev/time#ParseDuration"
        "Durations are such that Go can parse: hours are the largest unit."
    Regexp "regexp" Error "https://pkg.go.dev/regexp/syntax"
        "Regular expressions are Go's, without doubled backslashes."
    SubscriptionKey "subscription-key" Error "Kargo v1.11.2, api/v1alpha1/warehouse_types.go"
        "A subscription has exactly one key, and it is known."
    SubscriptionRepeated "subscription-repeated" Error "akuity/kargo#6724"
        "A warehouse subscribes to a repository once."
    SubscriptionIgnored "subscription-ignored" Error "Kargo v1.11.2, pkg/image"
        "A subscription has no field that its strategy ignores, needs otherwise, or that ends discovery."
    Step "step" Error "Kargo v1.11.2, pkg/promotion/runner/builtin"
        "The name of a step exists."
    Task "task" Error "Kargo v1.11.2, pkg/webhook/kubernetes/promotion"
        "A task exists, gets every variable that it needs, and its step has only `as` and `vars`."
    Alias "alias" Error "Kargo v1.11.2, pkg/webhook/kubernetes/promotion_steps.go"
        "Aliases of steps are used once and not reserved."
    AliasUnknown "alias-unknown" Error "https://docs.kargo.io/user-guide/reference-docs/expressions"
        "Expressions name steps that ran before."
    Variable "variable" Error "https://docs.kargo.io/user-guide/reference-docs/expressions"
        "Expressions name variables that are declared."
    If "if" Error "https://docs.kargo.io/user-guide/reference-docs/promotion-templates"
        "A condition is an expression and says success(), always() or failure(), because it replaces the default."
    Expression "expression" Error "Kargo v1.11.2, pkg/expressions/json_templates.go"
        "Expressions are closed, and their brackets and quotes balance."
    HttpUnbounded "http-unbounded" Error "Kargo v1.11.2, pkg/promotion/runner/builtin/http_requester.go"
        "A step `http` says what success is, or it repeats a refused request for ever."
    HttpBody "http-body" Error "Kargo v1.11.2, pkg/expressions/json_templates.go"
        "The body of a step `http` stays text: JSON with expressions becomes an object, which is refused."
    Reference "reference" Error "this checker"
        "What a resource names stands in the manifest or is declared as external."
    ReferenceOutside "reference-outside" Warning "this checker"
        "Secrets and cluster roles that a resource names exist."
    Artifact "artifact" Error "Kargo v1.11.2, pkg/expressions/function/functions.go"
        "Repositories in expressions are subscribed to, letter by letter, by a warehouse that the stage requests."
    FreightSource "freight-source" Error "Kargo v1.11.2, api/v1alpha1/stage_types.go"
        "Freight comes directly or from stages that request it too."
    OriginRepeated "origin-repeated" Error "Kargo v1.11.2, pkg/webhook/kubernetes/stage"
        "A stage requests an origin once."
    Soak "soak" Error "akuity/kargo#4586, akuity/kargo#6360"
        "A soak time is where Kargo looks at it: from stages with steps, and not together with `All`."
    ControlFlow "control-flow" Error "akuity/kargo#6360"
        "A stage that verifies has steps; without steps nothing is verified."
    AnalysisArgument "analysis-argument" Error "https://argo-rollouts.readthedocs.io/en/stable/features/analysis/"
        "Arguments are declared by every template, and all that a template needs are given."
    Metric "metric" Error "argoproj/argo-rollouts, metricproviders/job/job.go"
        "A template has metrics that measure something, and those with a job have names of at most 24 characters, so that the name of the job fits."
    Pod "pod" Error "https://kubernetes.io/docs/concepts/workloads/controllers/job/"
        "A job ends: its pod is not restarted for ever, has containers with images, and mounts volumes that it has."
    Policy "policy" Error "Kargo v1.11.2, api/v1alpha1/project_config_types.go"
        "A promotion policy names a stage, and applies to one: the first that matches wins."
    Receiver "receiver" Error "Kargo v1.11.2, pkg/webhook/kubernetes/projectconfig"
        "Webhook receivers have different names and one type each."
    Role "role" Error "https://kubernetes.io/docs/reference/access-authn-authz/rbac/"
        "Rules of roles name resources and verbs that exist and can be restricted as they are."
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
