// oidc-provider as a peer of the bench: state in memory, production mode, opaque tokens.
//
// Its own in-memory adapter forgets everything beyond a thousand entries, so this one keeps what is stored in a Map.

import { createRequire } from 'node:module';
import { rename, writeFile } from 'node:fs/promises';
import { createHash, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';

import Provider from 'oidc-provider';

const REDIRECT_URI = 'https://client.example/cb';
const VERIFIER = 'the-code-verifier-of-every-code-the-bench-redeems';
const CHALLENGE = createHash('sha256').update(VERIFIER).digest('base64url');
const { version } = createRequire(import.meta.url)('oidc-provider/package.json');
const { BENCH_PORT, BENCH_READY, BENCH_STOCK, BENCH_CLIENT, BENCH_SECRET } = process.env;
const issuer = `http://127.0.0.1:${BENCH_PORT}`;

const stored = new Map();
const grants = new Map();

class MapAdapter {
  constructor(model) {
    this.model = model;
  }

  key(id) {
    return `${this.model}:${id}`;
  }

  async upsert(id, payload) {
    const key = this.key(id);
    if (payload.grantId) {
      const members = grants.get(payload.grantId);
      if (members) members.push(key);
      else grants.set(payload.grantId, [key]);
    }
    stored.set(key, payload);
  }

  async find(id) {
    return stored.get(this.key(id));
  }

  async findByUid() {
    return undefined;
  }

  async findByUserCode() {
    return undefined;
  }

  async consume(id) {
    stored.get(this.key(id)).consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id) {
    stored.delete(this.key(id));
  }

  async revokeByGrantId(grantId) {
    for (const key of grants.get(grantId) ?? []) stored.delete(key);
    grants.delete(grantId);
  }
}

const provider = new Provider(issuer, {
  adapter: MapAdapter,
  clients: [
    {
      client_id: BENCH_CLIENT,
      client_secret: BENCH_SECRET,
      token_endpoint_auth_method: 'client_secret_basic',
      grant_types: ['client_credentials', 'authorization_code', 'refresh_token'],
      redirect_uris: [REDIRECT_URI],
      scope: 'read offline_access',
    },
  ],
  scopes: ['read', 'offline_access'],
  features: {
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
    devInteractions: { enabled: false },
  },
  interactions: { url: () => '/none' },
  cookies: { keys: [randomBytes(16).toString('hex')] },
  rotateRefreshToken: true,
  issueRefreshToken: async () => true,
  findAccount: async (_, id) => ({ accountId: id, claims: async () => ({ sub: id }) }),
  ttl: { AccessToken: 3600, AuthorizationCode: 600, ClientCredentials: 3600, Grant: 86400, RefreshToken: 86400 },
});

const client = await provider.Client.find(BENCH_CLIENT);

async function permit() {
  const grant = new provider.Grant({ accountId: 'load', clientId: BENCH_CLIENT });
  grant.addOIDCScope('read offline_access');
  const grantId = await grant.save();
  return { accountId: 'load', client, grantId, scope: 'read offline_access', gty: 'authorization_code' };
}

const codes = [];
const refreshes = [];
for (let number = 0; number < Number(BENCH_STOCK); number += 1) {
  const code = await new provider.AuthorizationCode({
    ...(await permit()),
    redirectUri: REDIRECT_URI,
    codeChallenge: CHALLENGE,
    codeChallengeMethod: 'S256',
    authTime: Math.floor(Date.now() / 1000),
  }).save();
  codes.push(
    `grant_type=authorization_code&code=${code}&redirect_uri=${REDIRECT_URI}&code_verifier=${VERIFIER}`,
  );
  const token = await new provider.RefreshToken({ ...(await permit()), rotations: 0 }).save();
  refreshes.push(`grant_type=refresh_token&refresh_token=${token}`);
}

const server = createServer(provider.callback());
server.keepAliveTimeout = 75_000;
server.listen(Number(BENCH_PORT), '127.0.0.1', async () => {
  const told = {
    name: `oidc-provider ${version}, Node.js ${process.versions.node}, memory`,
    token: '/token',
    introspection: '/token/introspection',
    codes,
    refreshes,
  };
  await writeFile(`${BENCH_READY}.new`, JSON.stringify(told));
  await rename(`${BENCH_READY}.new`, BENCH_READY);
});
process.on('SIGTERM', () => process.exit(0));
