//! Sign-in by OpenID Connect (Core 1.0, the code flow with PKCE): somebody else vouches for an address.
//!
//! The provider is asked what it is when the first visitor needs it, not at start.

use std::sync::Arc;
use std::time::{Duration, Instant};

use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreProviderMetadata, CoreTokenResponse, CoreUserInfoClaims,
};
use openidconnect::{
    AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret, CsrfToken, EndUserEmail,
    EndpointMaybeSet, EndpointNotSet, EndpointSet, IssuerUrl, Nonce, OAuth2TokenResponse as _,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope, SubjectIdentifier,
    TokenResponse as _,
};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tracing::warn;
use url::Url;

use super::provider_http::ProviderHttp;
use super::refusal::Refusal;
use super::settings::{Provider, is_loopback};

/// How long what the provider said of itself holds, unless its keys change before.
const HOLDS: Duration = Duration::from_secs(24 * 3600);
/// How long a provider that did not answer is left alone.
const PAUSE: Duration = Duration::from_secs(5);

/// The provider did not answer, or not with sense; why is in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Away;

pub(super) struct OpenId {
    provider: Provider,
    http: ProviderHttp,
    known: Mutex<Known>,
}

/// What the provider said of itself, with its keys, and when.
#[derive(Default)]
struct Known {
    metadata: Option<(Instant, Arc<CoreProviderMetadata>)>,
    failed_at: Option<Instant>,
}

/// A sign-in that has begun. The browser keeps it, sealed, until it comes back.
#[derive(Serialize, Deserialize)]
pub(super) struct Begun {
    pub state: String,
    nonce: String,
    verifier: String,
    redirect: String,
    pub next: String,
}

/// What the provider says of an address.
#[derive(Default)]
struct Vouched {
    /// In small letters.
    email: String,
    is_verified: bool,
}

impl Vouched {
    fn of(email: Option<&EndUserEmail>, is_verified: Option<bool>) -> Option<Self> {
        Some(Self { email: email?.to_ascii_lowercase(), is_verified: is_verified == Some(true) })
    }
}

type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

impl OpenId {
    pub fn new(provider: Provider) -> Self {
        Self { provider, http: ProviderHttp::default(), known: Mutex::default() }
    }

    /// What people call it.
    pub fn name(&self) -> String {
        let host = Url::parse(&self.provider.issuer).ok().and_then(|url| url.host_str().map(str::to_owned));
        match host.as_deref() {
            Some("accounts.google.com") => "Google".to_owned(),
            host => host.unwrap_or("OpenID").to_owned(),
        }
    }

    /// Whether the address may enter, by what is set now.
    pub fn admits(&self, email: &str) -> bool {
        self.provider.admits(email)
    }

    /// The address that the browser is sent to, and what it has to bring back.
    pub async fn begin(&self, redirect: String, next: String) -> Result<(Url, Begun), Away> {
        let client = self.client(&*self.metadata().await?, &redirect)?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let flow = CoreAuthenticationFlow::AuthorizationCode;
        let (url, state, nonce) = client
            .authorize_url(flow, CsrfToken::new_random, Nonce::new_random)
            .add_scope(Scope::new("email".to_owned()))
            .set_pkce_challenge(challenge)
            .url();
        let (state, nonce) = (state.into_secret(), nonce.secret().clone());
        Ok((url, Begun { state, nonce, verifier: verifier.into_secret(), redirect, next }))
    }

    /// The address that the provider vouches for, if it may enter.
    pub async fn finish(&self, begun: &Begun, code: String) -> Result<String, Refusal> {
        let Vouched { email, is_verified } =
            self.ask_for_address(begun, code).await.map_err(|Away| Refusal::NotVouchedFor)?;
        if !is_verified {
            Err(Refusal::Unverified)
        } else if !self.provider.admits(&email) {
            Err(Refusal::NotListed)
        } else {
            Ok(email)
        }
    }

    async fn ask_for_address(&self, begun: &Begun, code: String) -> Result<Vouched, Away> {
        let client = self.client(&*self.metadata().await?, &begun.redirect)?;
        let answer = self.exchange(&client, begun, code).await?;
        let verified = match verify(&client, &answer, begun) {
            Err(ClaimsVerificationError::SignatureVerification(_)) => {
                // The provider may have new keys.
                let metadata = self.discover(&mut *self.known.lock().await).await?;
                verify(&self.client(&metadata, &begun.redirect)?, &answer, begun)
            }
            verified => verified,
        };
        match verified {
            Ok((_, Some(vouched))) => Ok(vouched),
            Ok((subject, None)) => self.ask_for_claims(&client, &answer, subject).await,
            Err(error) => {
                warn!(%error, "what the provider says is not believed");
                Err(Away)
            }
        }
    }

    async fn exchange(
        &self,
        client: &Client,
        begun: &Begun,
        code: String,
    ) -> Result<CoreTokenResponse, Away> {
        let request = client.exchange_code(AuthorizationCode::new(code)).map_err(|error| {
            warn!(%error, "the provider has no address for tokens");
            Away
        })?;
        let request = request.set_pkce_verifier(PkceCodeVerifier::new(begun.verifier.clone()));
        request.request_async(&self.http).await.map_err(|error| {
            let error = match error {
                // The code alone: what is described beside it may hold what was sent.
                RequestTokenError::ServerResponse(answer) => answer.error().to_string(),
                RequestTokenError::Request(error) => error.to_string(),
                RequestTokenError::Parse(..) | RequestTokenError::Other(_) => "not understood".to_owned(),
            };
            warn!(error, "the provider gave no token");
            Away
        })
    }

    /// Asks for what the token leaves out (Core 1.0, 5.3 and 5.4); it must be said of the same person.
    async fn ask_for_claims(
        &self,
        client: &Client,
        answer: &CoreTokenResponse,
        subject: SubjectIdentifier,
    ) -> Result<Vouched, Away> {
        let asked = client.user_info(answer.access_token().clone(), Some(subject));
        let request = asked.map_err(|_| {
            warn!("the provider tells no address");
            Away
        })?;
        let claims: CoreUserInfoClaims = request.request_async(&self.http).await.map_err(|_| {
            warn!("the provider does not say whose address it is");
            Away
        })?;
        let vouched = Vouched::of(claims.email(), claims.email_verified());
        // Without an address there is nothing that could be verified.
        Ok(vouched.unwrap_or_default())
    }

    fn client(&self, metadata: &CoreProviderMetadata, redirect: &str) -> Result<Client, Away> {
        let id = ClientId::new(self.provider.client_id.reveal().to_owned());
        let secret = ClientSecret::new(self.provider.client_secret.reveal().to_owned());
        let redirect = RedirectUrl::new(redirect.to_owned()).map_err(|_| Away)?;
        let client = CoreClient::from_provider_metadata(metadata.clone(), id, Some(secret));
        Ok(client.set_redirect_uri(redirect))
    }

    /// What the provider said of itself, asked anew once in a while.
    async fn metadata(&self) -> Result<Arc<CoreProviderMetadata>, Away> {
        // Whoever comes while it is being asked waits for the same answer.
        let mut known = self.known.lock().await;
        if let Some((at, metadata)) = &known.metadata
            && at.elapsed() < HOLDS
        {
            return Ok(Arc::clone(metadata));
        }
        self.discover(&mut known).await
    }

    async fn discover(&self, known: &mut Known) -> Result<Arc<CoreProviderMetadata>, Away> {
        if known.failed_at.is_some_and(|at| at.elapsed() < PAUSE) {
            return Err(Away);
        }
        let issuer = IssuerUrl::new(self.provider.issuer.clone()).map_err(|_| Away)?;
        let error = match CoreProviderMetadata::discover_async(issuer, &self.http).await {
            Ok(metadata) if self.is_private(&metadata) => {
                let metadata = Arc::new(metadata);
                *known = Known { metadata: Some((Instant::now(), Arc::clone(&metadata))), failed_at: None };
                return Ok(metadata);
            }
            Ok(_) => "it names an address without TLS".to_owned(),
            Err(error) => error.to_string(),
        };
        warn!(error, "the provider cannot be asked what it is");
        known.failed_at = Some(Instant::now());
        Err(Away)
    }

    /// Nobody can listen or answer in the provider's place.
    fn is_private(&self, metadata: &CoreProviderMetadata) -> bool {
        let is_here = Url::parse(&self.provider.issuer).is_ok_and(|url| is_loopback(&url));
        let urls = [
            Some(metadata.authorization_endpoint().url()),
            Some(metadata.jwks_uri().url()),
            metadata.token_endpoint().map(|endpoint| endpoint.url()),
            metadata.userinfo_endpoint().map(|endpoint| endpoint.url()),
        ];
        urls.into_iter().flatten().all(|url| url.scheme() == "https" || (is_here && is_loopback(url)))
    }
}

/// Whom the token speaks of, and their address where it holds one. The library looks at signature, issuer, audience, time
/// and nonce.
fn verify(
    client: &Client,
    answer: &CoreTokenResponse,
    begun: &Begun,
) -> Result<(SubjectIdentifier, Option<Vouched>), ClaimsVerificationError> {
    let token = answer.id_token().ok_or_else(|| ClaimsVerificationError::Other("no ID token".to_owned()))?;
    let claims = token.claims(&client.id_token_verifier(), &Nonce::new(begun.nonce.clone()))?;
    Ok((claims.subject().clone(), Vouched::of(claims.email(), claims.email_verified())))
}
