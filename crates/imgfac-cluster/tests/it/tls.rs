//! Clusters whose certificate a private authority signed.

use std::fs;
use std::io;
use std::net::TcpStream;
use std::sync::Arc;

use imgfac_cluster::{Access, Applied, ApplyOptions, Error, Options, Stop, connect};
use insta::assert_snapshot;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::api_server::ApiServer;
use crate::cluster::namespace;
use crate::fake::FakeApi;

/// A server, and the authority that it trusts, as PEM.
fn server() -> (ApiServer, String) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let pem = authority.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(authority, key);
    let own = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()])
        .unwrap()
        .signed_by(&own, &issuer)
        .unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(own.serialize_der().into()),
        )
        .unwrap();
    let config = Arc::new(config);
    let wrap = move |stream: TcpStream| {
        let connection = ServerConnection::new(Arc::clone(&config)).map_err(io::Error::other)?;
        Ok(StreamOwned::new(connection, stream))
    };
    (ApiServer::start_with(FakeApi::new(), wrap), pem)
}

/// Applies a namespace with a kubeconfig that has some keys of the cluster.
fn apply(server: &ApiServer, authority: &str, keys: &str) -> Result<Applied, Error> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("ca.pem"), authority).unwrap();
    let file = folder.path().join("config");
    fs::write(&file, server.kubeconfig_with("https", keys)).unwrap();
    let access = Access {
        files: vec![file],
        ..Access::default()
    };
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(async {
            let cluster = connect(&access, Options::default()).await.unwrap();
            cluster
                .apply(&[namespace()], &ApplyOptions::default(), &Stop::never())
                .await
        })
}

#[test]
fn the_authority_of_the_kubeconfig_is_trusted() {
    let (server, authority) = server();
    let applied = apply(&server, &authority, ", certificate-authority: ca.pem").unwrap();
    assert_eq!(applied.counts().created, 1);
    assert!(server.api().get("Namespace", "imgfac").is_some());
}

#[test]
fn an_unknown_authority_is_not() {
    let (server, authority) = server();
    let error = apply(&server, &authority, "").unwrap_err();
    assert_snapshot!(error, @"no connection, attempt 1: client error (Connect): invalid peer certificate: UnknownIssuer");
    assert_snapshot!(error.remedy().unwrap(), @"the kubeconfig should name the authority that signs the cluster's certificate: certificate-authority-data");
    assert!(server.api().log.is_empty());
}

#[test]
fn another_authority_is_not() {
    let (server, _) = server();
    let (_other, authority) = self::server();
    let error = apply(&server, &authority, ", certificate-authority: ca.pem").unwrap_err();
    assert_snapshot!(error, @"no connection, attempt 1: client error (Connect): invalid peer certificate: BadSignature");
}

#[test]
fn verification_can_be_switched_off() {
    let (server, authority) = server();
    let applied = apply(&server, &authority, ", insecure-skip-tls-verify: true").unwrap();
    assert_eq!(applied.counts().created, 1);
}
