//! TLS before a server that speaks without, for clients that insist on it. Its certificate is signed by nobody.

use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// Takes connections until it is dropped.
pub(crate) struct TlsFront {
    _accepting: JoinSet<()>,
    pub(crate) url: String,
}

impl TlsFront {
    /// Before the server at `url`, on a free port.
    pub(crate) async fn start(url: &str) -> TlsFront {
        let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let key = signed.signing_key.serialize_der().try_into().expect("a key just made");
        let chain = vec![signed.cert.der().clone()];
        let config =
            ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).expect("they belong together");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let behind = url.trim_start_matches("http://").to_owned();
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let (acceptor, behind) = (acceptor.clone(), behind.clone());
                connections.spawn(async move {
                    let mut client = acceptor.accept(client).await?;
                    copy_bidirectional(&mut client, &mut TcpStream::connect(behind).await?).await
                });
            }
        });
        TlsFront { _accepting: accepting, url: format!("https://127.0.0.1:{port}") }
    }
}
