// A real provider of OpenID Connect on 127.0.0.1: `node provider.mjs PORT REDIRECT_URL [apart]`;
// `apart` keeps addresses out of the ID token.
//
// Whoever is named by `login_hint` is signed in without a question. What stands before the `@` says what is wrong with
// what the provider says of them: `unverified`, `expired`, `audience`, `issuer`, `signature`, `unsigned`; else all is well.

import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { SignJWT, UnsecuredJWT, decodeJwt } from 'jose';
import { Provider } from 'oidc-provider';

const [port, redirect, apart] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;
const [key, foreignKey] = [newKey(), newKey()];

function newKey() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const jwk = { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256', kid: randomUUID() };
  return { privateKey, jwk };
}

const flaw = (address) => address.split('@')[0];

const provider = new Provider(issuer, {
  clients: [{
    client_id: 'kafkastore',
    client_secret: 'client-secret-of-the-test',
    redirect_uris: [redirect],
    grant_types: ['authorization_code'],
    response_types: ['code'],
  }],
  jwks: { keys: [key.jwk] },
  cookies: { keys: [randomUUID()] },
  claims: { openid: ['sub'], email: ['email', 'email_verified'] },
  // Google lets them stand in the ID token.
  conformIdTokenClaims: apart === 'apart',
  pkce: { required: () => true, methods: ['S256'] },
  features: { devInteractions: { enabled: false } },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, email: id, email_verified: flaw(id) !== 'unverified' }),
  }),
  ttl: {
    AccessToken: 60,
    AuthorizationCode: 60,
    Grant: 60,
    Interaction: 60,
    Session: 60,
    IdToken: (_, token) => (flaw(token.available.sub) === 'expired' ? -60 : 60),
  },
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  async loadExistingGrant(ctx) {
    const grant = new provider.Grant({
      clientId: ctx.oidc.client.clientId,
      accountId: ctx.oidc.session.accountId,
    });
    grant.addOIDCScope('openid email');
    await grant.save();
    return grant;
  },
});

provider.use(async (ctx, next) => {
  if (ctx.path.startsWith('/interaction/')) {
    const { params } = await provider.interactionDetails(ctx.req, ctx.res);
    const result = params.login_hint
      ? { login: { accountId: params.login_hint } }
      : { error: 'access_denied', error_description: 'the visitor went away' };
    ctx.respond = false;
    return provider.interactionFinished(ctx.req, ctx.res, result);
  }
  await next();
  if (ctx.path === '/token' && ctx.body?.id_token) {
    ctx.body = { ...ctx.body, id_token: await spoiled(ctx.body.id_token) };
  }
});

async function spoiled(token) {
  const claims = decodeJwt(token);
  const sign = (changed, { privateKey, jwk }) => new SignJWT({ ...claims, ...changed })
    .setProtectedHeader({ alg: 'RS256', kid: jwk.kid })
    .sign(privateKey);
  switch (flaw(claims.sub)) {
    case 'audience': return sign({ aud: 'another client' }, key);
    case 'issuer': return sign({ iss: 'http://127.0.0.1:1' }, key);
    case 'signature': return sign({}, { ...foreignKey, jwk: key.jwk });
    case 'unsigned': return new UnsecuredJWT(claims).encode();
    default: return token;
  }
}

provider.listen(Number(port), '127.0.0.1', () => console.log('ready'));
