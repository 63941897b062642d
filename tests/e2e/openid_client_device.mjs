// openid-client as a device without a browser (RFC 8628).
import assert from "node:assert/strict";
import * as client from "openid-client";
import { finish, issuer, task, visit } from "./conversation.mjs";

const config = await client.discovery(issuer, task.client_id, undefined, client.None(), {
  execute: [client.allowInsecureRequests],
});
client.enableNonRepudiationChecks(config);

const begun = await client.initiateDeviceAuthorization(config, { scope: task.scope });
await visit(begun.verification_uri_complete);
const tokens = await client.pollDeviceAuthorizationGrant(config, begun);
const claims = tokens.claims();
const userinfo = await client.fetchUserInfo(config, tokens.access_token, claims.sub);
const fresh = await client.refreshTokenGrant(config, tokens.refresh_token);
assert.equal(fresh.claims().sub, claims.sub);
finish({ scope: tokens.scope, claims, userinfo });
