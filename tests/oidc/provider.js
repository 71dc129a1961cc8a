// An OpenID provider for tests: whoever types a name is that person, by any password.
//
// Arguments: the addresses that the admin page comes back to. It prints its issuer once it listens, and ends with its
// standard input.

import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { Provider } from "oidc-provider";

const AUDIENCE = "flow-pipelines";
const pages = process.argv.slice(2);

const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: "admin-page",
        token_endpoint_auth_method: "none",
        grant_types: ["authorization_code", "refresh_token"],
        redirect_uris: pages,
        post_logout_redirect_uris: pages,
      },
      {
        client_id: "command-line",
        application_type: "native",
        token_endpoint_auth_method: "none",
        grant_types: ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
        redirect_uris: ["http://127.0.0.1/signed-in"],
      },
    ],
    interactions: { url: (_, { uid }) => `/interaction/${uid}` },
    features: {
      devInteractions: { enabled: false },
      rpInitiatedLogout: {
        logoutSource: (context, form) => {
          context.body = page(`${form}<button form="op.logoutForm" name="logout" value="yes">Sign me out</button>`);
        },
      },
      deviceFlow: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => `${issuer}/${AUDIENCE}`,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({
          scope: "",
          audience: AUDIENCE,
          accessTokenFormat: "jwt",
          accessTokenTTL: Number(process.env.ACCESS_TOKEN_SECONDS ?? 300),
        }),
      },
    },
    clientBasedCORS: () => true,
    cookies: { keys: ["of tests"] },
    extraTokenClaims: (_, token) => ({ preferred_username: token.accountId }),
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    issueRefreshToken: () => true,
    // Nobody is asked for consent: an administrator has given it for all.
    loadExistingGrant: async (context) => {
      const { client, session } = context.oidc;
      const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
      grant.addOIDCScope("openid profile");
      grant.addResourceScope(`${issuer}/${AUDIENCE}`, "openid profile");
      await grant.save();
      return grant;
    },
    pkce: { required: () => true },
    rotateRefreshToken: true,
    ttl: { IdToken: 3600, RefreshToken: 3600, Session: 3600, Grant: 3600, Interaction: 600 },
  });
  const answer = provider.callback();
  server.on("request", (request, response) => {
    if (request.url.startsWith("/interaction/")) interact(provider, request, response);
    else answer(request, response);
  });
  process.stdout.write(`${issuer}\n`);
});

async function interact(provider, request, response) {
  if (request.method === "POST") {
    const body = new URLSearchParams(await text(request));
    return provider.interactionFinished(request, response, { login: { accountId: body.get("login") } });
  }
  const { prompt } = await provider.interactionDetails(request, response);
  if (prompt.name === "consent") return provider.interactionFinished(request, response, { consent: {} });
  response.setHeader("Content-Type", "text/html");
  response.end(
    page(`<form method="post"><label>Name <input name="login" autofocus required></label>
      <label>Password <input type="password" name="password"></label><button type="submit">Log in</button></form>`),
  );
}

const page = (content) =>
  `<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>Acme</title><main>${content}</main></html>`;

process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
