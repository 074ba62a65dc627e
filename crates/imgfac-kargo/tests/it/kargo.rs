//! As much of Kargo as runs a Promotion: its expressions and the order of steps.
//!
//! What a template makes of a result follows `pkg/expressions/json_templates.go`, what a step sees follows `pkg/promotion/evaluator.go`, and
//! which step runs follows `pkg/promotion/local_orchestrator.go` of Kargo 1.11.2.

use std::collections::BTreeMap;

use imgfac_kargo::{Action, Http, MetadataKind, Stage, Step, Uses, Variable};
use serde_json::{Map, Value as Json, json};

use crate::expr::{Environment, Function, Value};

/// What a cluster has in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cluster {
    /// The time.
    pub(crate) now: String,
    /// Metadata of Stages.
    pub(crate) stages: BTreeMap<String, Json>,
    /// Metadata of Freight.
    pub(crate) freight: BTreeMap<String, Json>,
    /// ConfigMaps.
    pub(crate) maps: BTreeMap<String, BTreeMap<String, String>>,
    /// Secrets.
    pub(crate) secrets: BTreeMap<String, BTreeMap<String, String>>,
    /// Digests by repository, of the Freight that is promoted.
    pub(crate) images: BTreeMap<String, String>,
}

/// A Promotion that runs.
#[derive(Clone, Debug)]
pub(crate) struct Promotion {
    ctx: Json,
    vars: Vec<Variable>,
    steps: Vec<Step>,
    /// The step that runs.
    at: usize,
    outputs: Map<String, Json>,
    statuses: BTreeMap<String, String>,
}

/// How far a Promotion came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It polls.
    Waits,
    /// All its steps are done.
    Ended,
}

impl Promotion {
    /// Begins with the first step; those of a task take the place of the reference.
    pub(crate) fn new(
        stage: &Stage,
        task: &[Step],
        name: &str,
        actor: &str,
        freight: &str,
    ) -> Self {
        let spec = &stage.spec.promotion_template.spec;
        let steps = spec
            .steps
            .iter()
            .flat_map(|step| match &step.action {
                Action::Task { .. } => task.to_vec(),
                Action::Uses(_) => vec![step.clone()],
            })
            .collect();
        Self {
            ctx: json!({
                "stage": stage.metadata.name,
                "promotion": name,
                "targetFreight": {"name": freight},
                "meta": {"promotion": {"actor": actor}},
            }),
            vars: spec.vars.clone(),
            steps,
            at: 0,
            outputs: Map::new(),
            statuses: BTreeMap::new(),
        }
    }

    /// Runs until a step waits or none is left. Requests but those of waits are answered by `ok`
    /// and given to `sent`.
    pub(crate) fn run(
        &mut self,
        cluster: &mut Cluster,
        ok: &Json,
        sent: &mut Vec<Json>,
    ) -> Result<Progress, String> {
        let mut begun = false;
        while let Some(step) = self.steps.get(self.at).cloned() {
            let alias = step.alias.clone().unwrap_or_default();
            let vars = self.vars(cluster, &step)?;
            // The condition is looked at when a step begins, not when it is polled.
            if let Some(condition) = step
                .condition
                .as_ref()
                .filter(|_| begun || self.at == 0 || !self.statuses.contains_key(&alias))
            {
                let met = self.evaluate(cluster, condition.as_str(), &vars)?;
                let met = met.as_bool().ok_or(format!("condition is {met}"))?;
                if !met {
                    self.statuses.insert(alias, "Skipped".into());
                    self.at += 1;
                    continue;
                }
            }
            begun = true;
            let Action::Uses(uses) = &step.action else {
                return Err("a task in a task".into());
            };
            let done = self.step(cluster, uses, &vars, ok, sent, &alias)?;
            if !done {
                self.statuses.insert(alias, "Running".into());
                return Ok(Progress::Waits);
            }
            self.statuses.insert(alias, "Succeeded".into());
            self.at += 1;
        }
        Ok(Progress::Ended)
    }

    /// One step; whether it is done.
    fn step(
        &mut self,
        cluster: &mut Cluster,
        uses: &Uses,
        vars: &Map<String, Json>,
        ok: &Json,
        sent: &mut Vec<Json>,
        alias: &str,
    ) -> Result<bool, String> {
        match uses {
            Uses::ComposeOutput(config) => {
                let mut output = Map::new();
                for (key, value) in config {
                    output.insert(key.clone(), self.evaluate(cluster, value.as_str(), vars)?);
                }
                self.outputs.insert(alias.to_owned(), Json::Object(output));
            }
            Uses::SetMetadata(config) => {
                let mut writes = Vec::new();
                for update in &config.updates {
                    let name = self.evaluate(cluster, update.name.as_str(), vars)?;
                    for (key, value) in &update.values {
                        let value = self.evaluate(cluster, value.as_str(), vars)?;
                        writes.push((update.kind, name.clone(), key.clone(), value));
                    }
                }
                for (kind, name, key, value) in writes {
                    let name = name.as_str().ok_or("the name is no text")?.to_owned();
                    let objects = match kind {
                        MetadataKind::Stage => &mut cluster.stages,
                        MetadataKind::Freight => &mut cluster.freight,
                    };
                    objects.entry(name).or_insert_with(|| json!({}))[key.as_str()] = value;
                }
            }
            Uses::Http(http) => return self.http(cluster, http, vars, ok, sent),
            _ => return Err(format!("{uses:?} is not known here")),
        }
        Ok(true)
    }

    fn http(
        &self,
        cluster: &Cluster,
        http: &Http,
        vars: &Map<String, Json>,
        ok: &Json,
        sent: &mut Vec<Json>,
    ) -> Result<bool, String> {
        let text = |template: &str| {
            let value = self.evaluate(cluster, template, vars)?;
            let text = value.as_str().map(str::to_owned);
            text.ok_or(format!("{template} is {value}, and no text"))
        };
        let url = text(http.url.as_str())?;
        let success = text(http.success_expression.as_str())?;
        if http.method.is_none() {
            return Ok(success == "true");
        }
        let body = http
            .body
            .as_ref()
            .map(|body| text(body.as_str()))
            .transpose()?;
        let body = body.map(|body| serde_json::from_str(&body).unwrap_or(Json::String(body)));
        let mut headers = Map::new();
        for header in &http.headers {
            headers.insert(
                header.name.clone(),
                Json::String(text(header.value.as_str())?),
            );
        }
        sent.push(json!({"url": url, "headers": headers, "body": body}));
        let met = |expression: &str| {
            let mut env = Environment::default();
            env.variables.insert("response".into(), ok.clone());
            Ok::<_, String>(env.evaluate(expression)?.to_json() == Json::Bool(true))
        };
        if let Some(failure) = &http.failure_expression
            && met(failure.as_str())?
        {
            return Err("the request failed for good".into());
        }
        met(&success)
    }

    fn vars(&self, cluster: &Cluster, step: &Step) -> Result<Map<String, Json>, String> {
        let mut vars = Map::new();
        for var in self.vars.iter().chain(&step.vars) {
            let template = var.value.as_ref().ok_or("a variable without a value")?;
            let value = self
                .evaluate(cluster, template.as_str(), &vars)
                .map_err(|error| format!("{}: {error}", var.name))?;
            vars.insert(var.name.clone(), value);
        }
        Ok(vars)
    }

    /// What a template evaluates to.
    fn evaluate(
        &self,
        cluster: &Cluster,
        template: &str,
        vars: &Map<String, Json>,
    ) -> Result<Json, String> {
        let delimiters = [("${{", "}}"), ("${%", "%}")];
        if !delimiters.iter().any(|(open, _)| template.contains(open)) {
            return Ok(Json::String(template.to_owned()));
        }
        let mut env = self.environment(cluster);
        env.variables = BTreeMap::from([
            ("vars".into(), Json::Object(vars.clone())),
            ("ctx".into(), self.ctx.clone()),
            ("task".into(), json!({"outputs": self.outputs})),
            ("outputs".into(), Json::Object(self.outputs.clone())),
        ]);
        let (mut out, mut rest) = (String::new(), template);
        while let Some((at, open, close)) = delimiters
            .iter()
            .filter_map(|(open, close)| Some((rest.find(open)?, open, close)))
            .min()
        {
            out.push_str(&rest[..at]);
            let after = &rest[at + open.len()..];
            let end = after.find(close).ok_or("an expression does not end")?;
            let value = env
                .evaluate(&after[..end])
                .map_err(|error| format!("{error} in {}", &after[..end]))?;
            match value.to_json() {
                // Only what is a text to the language is put in as it is.
                Json::String(text) if !matches!(value, Value::Time(_)) => out.push_str(&text),
                other => out.push_str(&other.to_string()),
            }
            rest = &after[end + close.len()..];
        }
        out.push_str(rest);
        Ok(coerce(&out))
    }

    fn environment<'c>(&'c self, cluster: &'c Cluster) -> Environment<'c> {
        fn name(arguments: &[Value]) -> Result<String, String> {
            match arguments {
                [Value::Json(Json::String(name))] if !name.is_empty() => Ok(name.clone()),
                other => Err(format!("expected a name, not {other:?}")),
            }
        }
        let object = |objects: &'c BTreeMap<String, Json>| -> Function<'c> {
            Box::new(move |arguments| {
                let object = objects.get(&name(arguments)?);
                Ok(object.cloned().unwrap_or(Json::Null).into())
            })
        };
        let texts = |objects: &'c BTreeMap<String, BTreeMap<String, String>>| -> Function<'c> {
            Box::new(move |arguments| {
                let texts = objects.get(&name(arguments)?).cloned();
                Ok(json!(texts.unwrap_or_default()).into())
            })
        };
        let functions = BTreeMap::<_, Function<'c>>::from([
            ("stageMetadata", object(&cluster.stages)),
            ("freightMetadata", object(&cluster.freight)),
            ("configMap", texts(&cluster.maps)),
            ("secret", texts(&cluster.secrets)),
        ]);
        let mut env = Environment {
            variables: BTreeMap::new(),
            functions,
        };
        let mut add = |name, function: Function<'c>| env.functions.insert(name, function);
        add(
            "imageFrom",
            Box::new(move |arguments| {
                let url = name(arguments)?;
                let digest = cluster.images.get(&url).ok_or(format!("no image {url}"))?;
                Ok(json!({"RepoURL": url, "Tag": "latest", "Digest": digest}).into())
            }),
        );
        add(
            "now",
            Box::new(|_| {
                let now = cluster
                    .now
                    .parse()
                    .map_err(|it: jiff::Error| it.to_string())?;
                Ok(Value::Time(now))
            }),
        );
        add("success", Box::new(|_| Ok(Json::Bool(true).into())));
        add(
            "status",
            Box::new(move |arguments| {
                let status = self.statuses.get(&name(arguments)?);
                Ok(Value::text(status.cloned().unwrap_or_default()))
            }),
        );
        add(
            "quote",
            Box::new(|arguments| match arguments {
                [Value::Json(Json::String(text))] => Ok(Value::text(format!("{text:?}"))),
                [other] => Ok(Value::text(format!("\"{}\"", other.to_json()))),
                _ => Err("quote takes one value".into()),
            }),
        );
        env
    }
}

/// A result is a number, a boolean or JSON if it reads as one, and text if it stands in quotes.
fn coerce(text: &str) -> Json {
    let text = text.strip_suffix('\n').unwrap_or(text);
    if text.len() > 1 && text.starts_with('"') && text.ends_with('"') {
        return Json::String(text[1..text.len() - 1].to_owned());
    }
    if let Ok(number) = text.parse::<f64>() {
        return json!(number);
    }
    match text {
        "t" | "T" | "True" | "TRUE" => return Json::Bool(true),
        "f" | "F" | "False" | "FALSE" => return Json::Bool(false),
        _ => {}
    }
    serde_json::from_str(text).unwrap_or_else(|_| Json::String(text.to_owned()))
}
