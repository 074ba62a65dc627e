//! The steps of a rebuild: look, wait, tell the build, remember.
//!
//! A Promotion of a `rebuild-trigger-…` Stage is a worker of its image, not of the Freight that
//! woke it: it looks at all bases of the image, waits until the first update is due, and starts
//! one rebuild for all of them. Kargo runs the Promotions of a Stage one after the other, so the
//! ones that queued meanwhile find that they are covered, and end.
//!
//! What it knows comes from four places. `history` in the metadata of a base's `observe-…` Stage
//! has the digests and when they were first seen. `imgfac-built` says which digest the image was
//! built on, as far as that was recorded. `imgfac-overrides` has the time of an emergency. The
//! metadata of the Stage itself has the last rebuild, and a digest for each base whose build was
//! never recorded: the first one that was seen counts as built on.
//!
//! Looking at metadata asks the API server, and one failed request ends a Promotion for good. So
//! all of it is done once before the wait and once after, and the wait, which may be polled a
//! thousand times, only looks at the parents that are images of ours. Those are the bases whose
//! updates can become due earlier than the one that is waited for.

use std::collections::BTreeMap;

use imgfac_model::{Provider, Settings};

use crate::expression::Template;
use crate::labels::metadata;
use crate::resources::{
    Header, Http, HttpOutput, MetadataKind, MetadataUpdate, PromotionTask, PromotionTaskSpec,
    SetMetadata, Step, Uses, Variable,
};

/// The ConfigMap in which people ask for an emergency.
pub(crate) const OVERRIDES: &str = "imgfac-overrides";

/// What is polled while waiting, if nothing is set: nothing outside, and the answer is ignored.
const PROBE: &str = "https://kubernetes.default.svc/livez";

/// How often a wait is looked at. So long may an emergency take to be noticed.
const POLL: &str = "10m";

/// The name of the task for a provider.
pub(crate) fn task_name(provider: Provider) -> &'static str {
    match provider {
        Provider::GitHub => "rebuild-github",
        Provider::GitLab => "rebuild-gitlab",
        Provider::Webhook => "rebuild-webhook",
    }
}

/// What the Stage says about its image, in the order of the manifest; none may be empty.
pub(crate) const VARS: [&str; 10] = [
    "image",
    "bases",
    "built",
    "url",
    "repo",
    "ref",
    "secret",
    "tokens",
    "inputs",
    "causeInputs",
];

/// What is known of each base among those given.
///
/// `known` is the digest that was recorded, `from` the one that the image counts as built on,
/// `to` the one that the tag points at. `since` is when the oldest update was first seen that no
/// rebuild covers, `seen` when the tag last moved, `dispatched` when a parent of ours was last told
/// to rebuild.
macro_rules! facts {
    ($bases:literal, $last:literal, $baselines:literal) => {
        concat!(
            "map(",
            $bases,
            ", {
  let key = .key;
  let history = stageMetadata(.stage)?.history ?? [];
  let known = configMap(vars.built)[key] ?? \"\";
  let from = known != \"\" ? known : find(",
            $baselines,
            ", .key == key)?.digest ?? \"\";
  let to = len(history) > 0 ? history[-1].digest : \"\";
  let news = filter(history, date(.at) > date(",
            $last,
            ") && .digest != from);
  {
    \"base\": .base, \"key\": key, \"parent\": .parent ?? \"\", \"delay\": .delay, \"hold\": .hold,
    \"from\": from, \"to\": to,
    \"since\": len(news) > 0 ? news[0].at : \"\",
    \"seen\": len(history) > 0 ? history[-1].at : \"\",
    \"dispatched\": .parent == nil ? \"\" : stageMetadata(.parent)?.lastDispatchAt ?? \"\"
  }
})"
        )
    };
}

/// Those of the facts that want a rebuild.
macro_rules! pending {
    ($facts:literal) => {
        concat!(
            "filter(",
            $facts,
            ", .from != \"\" && .to != \"\" && .to != .from && .since != \"\")"
        )
    };
}

/// When an emergency was asked for: RFC 3339, and nothing that `date()` would stumble over, since
/// people write it and an error would end the Promotion. A time to come counts when it has come.
const OVERRIDE: &str = r#"let asked = trim(configMap("imgfac-overrides")[vars.image] ?? "");
asked matches "^(20\\d\\d-((0[13578]|1[02])-(0[1-9]|[12]\\d|3[01])|(0[469]|11)-(0[1-9]|[12]\\d|30)|02-(0[1-9]|1\\d|2[0-8]))|20([02468][048]|[13579][26])-02-29)T([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d{1,9})?(Z|[+-]([01]\\d|2[0-3]):[0-5]\\d)$" ? asked : "1970-01-01T00:00:00Z""#;

/// When a person made this Promotion: the first ten characters of the ULID in its name are
/// milliseconds in Crockford's base 32. Kargo names no actor when it made the Promotion itself.
const CREATED: &str = r#"let name = split(ctx.promotion, ".");
ctx.meta.promotion.actor == "" || len(name) != 3 ? "1970-01-01T00:00:00Z" : date("1970-01-01T00:00:00Z") + duration(string(reduce(map(split(name[1][:10], ""), indexOf("0123456789abcdefghjkmnpqrstvwxyz", #)), #acc * 32 + #)) + "ms")"#;

/// Why nothing may wait: `emergency`, `manual`, or nothing.
const URGENT: &str = r#"date(vars.asked) > date(vars.last) && date(vars.asked) <= now() ? "emergency" : date(vars.created) > date(vars.last) ? "manual" : """#;

/// The updates that a build is told: fifty at most, since GitHub takes so much and no more. The last one
/// says how many are left out.
const CAUSES: &str = r#"let told = map(vars.pending, ({"base": .base, "from": .from, "to": .to, "since": .since}));
len(told) > 50 ? concat(told[:49], [{"base": told[49].base, "from": told[49].from, "to": told[49].to, "since": told[49].since, "omitted": len(told[50:])}]) : told"#;

/// The three tasks; those that no image uses are left out by the caller.
pub(crate) fn task(settings: &Settings, provider: Provider) -> PromotionTask {
    PromotionTask::new(
        metadata(settings, task_name(provider), "rebuild", None),
        PromotionTaskSpec {
            vars: VARS.iter().map(|name| Variable::required(name)).collect(),
            steps: vec![
                plan(),
                remember(),
                wait(settings),
                causes(),
                dispatch(provider),
                confirm(),
            ],
        },
    )
}

fn var(name: &str, expression: &'static str) -> Variable {
    Variable::new(name, Template::ours(expression))
}

fn values(pairs: &[(&str, &'static str)]) -> BTreeMap<String, Template> {
    pairs
        .iter()
        .map(|(key, expression)| ((*key).to_owned(), Template::ours(expression)))
        .collect()
}

fn urgency() -> [Variable; 3] {
    [
        var("asked", OVERRIDE),
        var("created", CREATED),
        var("urgent", URGENT),
    ]
}

fn memory() -> [Variable; 3] {
    [
        var("memory", "stageMetadata(ctx.stage) ?? {}"),
        var(
            "last",
            r#"vars.memory.lastDispatchAt ?? "1970-01-01T00:00:00Z""#,
        ),
        var("baselines", "vars.memory.baselines ?? []"),
    ]
}

fn all_facts() -> Variable {
    var(
        "facts",
        facts!("fromJSON(vars.bases)", "vars.last", "vars.baselines"),
    )
}

/// Looks at everything once.
fn plan() -> Step {
    let vars = memory()
        .into_iter()
        .chain([all_facts(), var("pending", pending!("vars.facts"))])
        .chain(urgency());
    Step::new(Uses::ComposeOutput(values(&[
        ("last", "vars.last"),
        (
            "fresh",
            r#"map(filter(vars.facts, .from == "" && .to != ""), ({"key": .key, "digest": .to}))"#,
        ),
        ("baselines", "vars.baselines"),
        ("pending", "vars.pending"),
        ("todo", r#"len(vars.pending) > 0 || vars.urgent != """#),
    ])))
    .named("plan")
    .with_vars(vars)
}

/// Keeps the first digest of each base whose build was never recorded.
fn remember() -> Step {
    Step::new(Uses::SetMetadata(SetMetadata {
        updates: vec![MetadataUpdate {
            kind: MetadataKind::Stage,
            name: Template::ours("ctx.stage"),
            values: values(&[(
                "baselines",
                "concat(task.outputs.plan.baselines, task.outputs.plan.fresh)",
            )]),
        }],
    }))
    .named("remember")
    .only_if(Template::ours(
        "success() && len(task.outputs.plan.fresh) > 0",
    ))
    .with_retry(10, None)
}

/// Waits until the first update is due, an emergency is asked for, or a build that somebody else
/// started has made it needless.
///
/// A parent of ours that was told to rebuild and has not yet pushed is waited for, six hours at
/// most: with its push the image would be rebuilt again.
fn wait(settings: &Settings) -> Step {
    let vars = [
        var("last", "task.outputs.plan.last"),
        // The language makes nil of two empty lists together.
        var(
            "baselines",
            "len(task.outputs.plan.fresh) > 0 ? concat(task.outputs.plan.baselines, task.outputs.plan.fresh) : task.outputs.plan.baselines",
        ),
        var(
            "parents",
            facts!(
                "filter(fromJSON(vars.bases), .parent != nil)",
                "vars.last",
                "vars.baselines"
            ),
        ),
        var(
            "pending",
            concat!(
                r#"filter(concat(filter(task.outputs.plan.pending, .parent == ""), "#,
                pending!("vars.parents"),
                r#"), (configMap(vars.built)[.key] ?? "") != .to)"#
            ),
        ),
        var(
            "due",
            "any(vars.pending, now() >= date(.since) + duration(.delay) + duration(.hold))",
        ),
        var(
            "busy",
            r#"any(vars.parents, .dispatched != "" && (.seen == "" || date(.dispatched) > date(.seen)) && now() < date(.dispatched) + duration("6h"))"#,
        ),
    ];
    Step::new(Uses::Http(Box::new(Http {
        url: Template::text(settings.probe.as_ref().map_or(PROBE, |url| url.as_str())),
        insecure_skip_tls_verify: settings.probe.is_none(),
        poll_interval: POLL.into(),
        success_expression: Template::ours(
            r#"quote(vars.urgent != "" || len(vars.pending) == 0 || vars.due && !vars.busy)"#,
        ),
        ..Http::default()
    })))
    .named("wait")
    .only_if(Template::ours("success() && task.outputs.plan.todo"))
    // Errors add up over the whole wait, and only those of the network count.
    .with_retry(1_000, None)
    .with_vars(vars.into_iter().chain(urgency()))
}

/// Looks at everything again: what the rebuild carries, and whether it is still wanted.
fn causes() -> Step {
    let vars = memory()
        .into_iter()
        .chain([
            all_facts(),
            var(
                "pending",
                concat!(
                    "filter(",
                    pending!("vars.facts"),
                    r#", (configMap(vars.built)[.key] ?? "") != .to)"#
                ),
            ),
        ])
        .chain(urgency());
    Step::new(Uses::ComposeOutput(values(&[
        ("go", r#"len(vars.pending) > 0 || vars.urgent != """#),
        (
            "reason",
            r#"vars.urgent != "" ? vars.urgent : "base-update""#,
        ),
        (
            "causes",
            CAUSES,
        ),
        (
            "digests",
            r#"map(filter(vars.facts, .to != ""), ({"base": .base, "digest": .to}))"#,
        ),
        (
            "baselines",
            r#"map(filter(vars.facts, .to != "" || .from != ""), ({"key": .key, "digest": .to != "" ? .to : .from}))"#,
        ),
    ])))
    .named("causes")
    .only_if(Template::ours("success() && task.outputs.plan.todo"))
    .with_vars(vars)
}

/// The token for the repository: the first that the Secret has among those of the repository, its
/// owner, and all.
macro_rules! token {
    () => {
        r#"trim(find(map(split(vars.tokens, ","), secret(vars.secret)[#] ?? ""), # != "") ?? "")"#
    };
}

/// An object of pairs, as JSON: ours first, so that a user's of the same name wins.
macro_rules! object {
    ($reason:literal, $causes:literal, $bases:literal, $rebuild:literal) => {
        concat!(
            r#"fromJSON("{" + join(map(concat(vars.causeInputs == "true" ? [["#,
            stringify!($reason),
            r#", task.outputs.causes.reason], ["#,
            stringify!($causes),
            r#", toJSON(task.outputs.causes.causes)], ["#,
            stringify!($bases),
            r#", toJSON(task.outputs.causes.digests)], ["#,
            stringify!($rebuild),
            r#", ctx.promotion]] : [], fromJSON(vars.inputs)), toJSON(#[0]) + ":" + toJSON(#[1])), ",") + "}")"#
        )
    };
}

/// Tells the build to start.
///
/// What a server may get over is asked for again for a day; what it refuses ends the step. GitHub
/// answers 403 when there were too many requests, too.
fn dispatch(provider: Provider) -> Step {
    let header = |name: &str, value: Template| Header {
        name: name.into(),
        value,
    };
    let bearer = || {
        header(
            "Authorization",
            Template::ours(concat!(r#"quote("Bearer " + "#, token!(), ")")),
        )
    };
    let json = || header("Content-Type", Template::text("application/json"));
    let common = Http {
        method: Some("POST".into()),
        url: Template::ours("quote(vars.url)"),
        timeout: Some("30s".into()),
        poll_interval: "5m".into(),
        failure_expression: Some(Template::bare(
            "response.status >= 400 && response.status < 500 && response.status not in [408, 425, 429]",
        )),
        error_expression: Some(Template::bare("response.body?.message")),
        ..Http::default()
    };
    let http = match provider {
        Provider::GitHub => Http {
            headers: vec![
                header("Accept", Template::text("application/vnd.github+json")),
                json(),
                header("X-GitHub-Api-Version", Template::text("2022-11-28")),
                bearer(),
            ],
            body: Some(Template::ours(concat!(
                r#"quote({"ref": vars.ref, "inputs": "#,
                object!(
                    "imgfac_reason",
                    "imgfac_causes",
                    "imgfac_bases",
                    "imgfac_rebuild"
                ),
                "})"
            ))),
            success_expression: Template::bare("response.status in [200, 204]"),
            failure_expression: Some(Template::bare(
                r#"response.status >= 400 && response.status < 500 && response.status not in [408, 425, 429] && !(response.status == 403 && (response.header("Retry-After") != "" || response.header("X-RateLimit-Remaining") == "0"))"#,
            )),
            ..common
        },
        Provider::GitLab => Http {
            headers: vec![json()],
            body: Some(Template::ours(concat!(
                r#"quote({"token": "#,
                token!(),
                r#", "ref": vars.ref, "variables": "#,
                object!(
                    "IMGFAC_REASON",
                    "IMGFAC_CAUSES",
                    "IMGFAC_BASES",
                    "IMGFAC_REBUILD"
                ),
                "})"
            ))),
            success_expression: Template::bare("response.status == 201"),
            outputs: vec![HttpOutput {
                name: "run".into(),
                from_expression: Template::bare(r#"response.body?.web_url ?? """#),
            }],
            ..common
        },
        Provider::Webhook => Http {
            headers: vec![json(), bearer()],
            body: Some(Template::ours(
                r#"quote({"event": "rebuild", "image": vars.image, "repository": vars.repo, "ref": vars.ref, "reason": task.outputs.causes.reason, "causes": task.outputs.causes.causes, "bases": task.outputs.causes.digests, "rebuild": ctx.promotion})"#,
            )),
            success_expression: Template::bare("response.status >= 200 && response.status < 300"),
            ..common
        },
    };
    Step::new(Uses::Http(Box::new(http)))
        .named("dispatch")
        .only_if(Template::ours(
            "success() && (task.outputs.causes?.go ?? false)",
        ))
        .with_retry(20, Some("24h"))
}

/// Remembers the rebuild: what was seen before it is covered.
fn confirm() -> Step {
    Step::new(Uses::SetMetadata(SetMetadata {
        updates: vec![MetadataUpdate {
            kind: MetadataKind::Stage,
            name: Template::ours("ctx.stage"),
            values: values(&[
                ("lastDispatchAt", "now()"),
                (
                    "lastDispatch",
                    r#"{"promotion": ctx.promotion, "reason": task.outputs.causes.reason, "causes": task.outputs.causes.causes, "run": task.outputs.dispatch?.run ?? ""}"#,
                ),
                ("baselines", "task.outputs.causes.baselines"),
            ]),
        }],
    }))
    .named("confirm")
    .only_if(Template::ours(
        r#"success() && status("dispatch") == "Succeeded""#,
    ))
    .with_retry(50, None)
}
