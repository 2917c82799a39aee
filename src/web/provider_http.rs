//! How the provider is asked: with little patience, and no more of its answer is read than makes sense.

use std::pin::Pin;
use std::sync::OnceLock;
use std::time::Duration;

use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};
use reqwest::redirect::Policy;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For a whole answer; somebody waits.
const TIMEOUT: Duration = Duration::from_secs(10);
/// More than any answer of a provider: metadata, keys and tokens are a few kilobytes.
const LARGEST: usize = 512 * 1024;

/// Made when it is first used: the certificates of the system take a moment, and memory.
#[derive(Default)]
pub(super) struct ProviderHttp(OnceLock<reqwest::Client>);

#[derive(Debug, thiserror::Error)]
pub(super) enum ProviderError {
    #[error("{0}")]
    Http(#[from] reqwest::Error),
    #[error("the answer is too large")]
    TooLarge,
}

impl<'c> AsyncHttpClient<'c> for ProviderHttp {
    type Error = ProviderError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, ProviderError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.ask(request))
    }
}

impl ProviderHttp {
    async fn ask(&self, request: HttpRequest) -> Result<HttpResponse, ProviderError> {
        let mut answer = self.client()?.execute(request.try_into()?).await?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            if body.len() + chunk.len() > LARGEST {
                return Err(ProviderError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        let mut response = HttpResponse::new(body);
        *response.status_mut() = answer.status();
        *response.headers_mut() = answer.headers().clone();
        Ok(response)
    }

    fn client(&self) -> Result<&reqwest::Client, reqwest::Error> {
        if let Some(client) = self.0.get() {
            return Ok(client);
        }
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            // Where the provider is, it says itself; nobody is followed elsewhere with a secret.
            .redirect(Policy::none())
            .pool_max_idle_per_host(1)
            .build()?;
        Ok(self.0.get_or_init(|| client))
    }
}
