//! The fake server as a client of kube.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use http::{Request, Response};
use imgfac_cluster::{Applied, ApplyOptions, Cluster, Differences, Error, Object, Options, Stop};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

use crate::fake::{Call, FakeApi};

/// A server, and how many requests it answers at a time.
#[derive(Clone)]
pub(crate) struct Server {
    api: Arc<Mutex<FakeApi>>,
    busy: Arc<Mutex<Busy>>,
}

#[derive(Default)]
struct Busy {
    now: usize,
    most: usize,
}

impl Server {
    pub(crate) fn new(api: FakeApi) -> Self {
        Self {
            api: Arc::new(Mutex::new(api)),
            busy: Arc::default(),
        }
    }

    /// The server's insides.
    pub(crate) fn api(&self) -> MutexGuard<'_, FakeApi> {
        self.api.lock().unwrap()
    }

    /// How many requests were under way at a time, at most.
    pub(crate) fn busiest(&self) -> usize {
        self.busy.lock().unwrap().most
    }

    pub(crate) fn cluster(&self) -> Cluster {
        self.cluster_with(Options::default())
    }

    pub(crate) fn cluster_with(&self, options: Options) -> Cluster {
        let server = self.clone();
        let service = tower::service_fn(move |request| server.clone().answer(request));
        Cluster::new(Client::new(service, "default"), options)
    }

    /// Applies without anybody stopping it.
    pub(crate) fn apply(
        &self,
        objects: &[Object],
        options: &ApplyOptions,
    ) -> Result<Applied, Error> {
        run(async { self.cluster().apply(objects, options, &Stop::never()).await })
    }

    /// Compares without anybody stopping it.
    pub(crate) fn diff(
        &self,
        objects: &[Object],
        prune: Option<&str>,
    ) -> Result<Differences, Error> {
        run(async { self.cluster().diff(objects, prune, &Stop::never()).await })
    }

    async fn answer(self, request: Request<Body>) -> Result<Response<Body>, std::io::Error> {
        let (head, body) = request.into_parts();
        let body = body.collect_bytes().await.unwrap().to_vec();
        {
            let mut busy = self.busy.lock().unwrap();
            busy.now += 1;
            busy.most = busy.most.max(busy.now);
        }
        // The clock of the tests stands still but for this.
        tokio::time::sleep(Duration::from_millis(1)).await;
        self.busy.lock().unwrap().now -= 1;
        let content_type = head.headers.get("content-type");
        let call = Call::new(
            head.method.as_str(),
            &head.uri.to_string(),
            content_type.map_or("", |value| value.to_str().unwrap()),
            body,
        );
        let answer = self.api().answer(&call)?;
        let mut response = Response::builder().status(answer.code);
        if let Some(seconds) = answer.retry_after {
            response = response.header("retry-after", seconds.to_string());
        }
        Ok(response
            .body(Body::from(answer.body.to_string().into_bytes()))
            .unwrap())
    }
}

/// Runs a test whose clock jumps to the next thing that waits for it.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(test)
}

pub(crate) fn object(value: Value) -> Object {
    Object::new(value).unwrap()
}

pub(crate) fn namespace() -> Object {
    object(json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": "imgfac", "labels": {
            "app.kubernetes.io/managed-by": "imgfac", "kargo.akuity.io/project": "true"}},
    }))
}

pub(crate) fn project() -> Object {
    object(json!({
        "apiVersion": "kargo.akuity.io/v1alpha1", "kind": "Project",
        "metadata": {"name": "imgfac", "labels": {"app.kubernetes.io/managed-by": "imgfac"}},
    }))
}

/// An object of ours in the namespace.
pub(crate) fn ours(api_version: &str, kind: &str, name: &str, rest: Value) -> Object {
    let mut value = json!({
        "apiVersion": api_version, "kind": kind,
        "metadata": {"name": name, "namespace": "imgfac",
            "labels": {"app.kubernetes.io/managed-by": "imgfac"}},
    });
    for (key, field) in rest.as_object().unwrap() {
        value[key] = field.clone();
    }
    object(value)
}

pub(crate) fn warehouse(name: &str, interval: &str) -> Object {
    ours(
        "kargo.akuity.io/v1alpha1",
        "Warehouse",
        name,
        json!({"spec": {"interval": interval}}),
    )
}

pub(crate) fn stage(name: &str, warehouses: &[&str]) -> Object {
    let requested: Vec<Value> = warehouses
        .iter()
        .map(|name| json!({"origin": {"kind": "Warehouse", "name": name}}))
        .collect();
    ours(
        "kargo.akuity.io/v1alpha1",
        "Stage",
        name,
        json!({"spec": {"requestedFreight": requested}}),
    )
}

pub(crate) fn overrides(data: Value) -> Object {
    ours("v1", "ConfigMap", "imgfac-overrides", json!({"data": data}))
}

/// A small factory, out of order.
pub(crate) fn factory() -> Vec<Object> {
    vec![
        stage("analyze-web", &["web"]),
        warehouse("web", "10m0s"),
        overrides(json!({})),
        ours(
            "kargo.akuity.io/v1alpha1",
            "ProjectConfig",
            "imgfac",
            json!({"spec": {"promotionPolicies": []}}),
        ),
        project(),
        namespace(),
    ]
}
