// Authorization code with PKCE (RFC 7636), as OpenID Connect and RFC 9700 have it for a client without a secret.
//
// Every answer must fit what was asked: the state, which only this page knows; the issuer (RFC 9207); and in the ID token
// the nonce. That token comes straight from the provider, by TLS, so its signature proves nothing more (OpenID Connect
// Core, 3.1.3.7); the access token is verified by the service.

import { BASE } from "../base.js";
import { ask, findProvider, metadataOf, ProviderError } from "./providers.js";

/** @import { Provider } from "./providers.js" */

/**
 * A sign-in that was begun.
 *
 * @typedef {object} Begun
 * @property {string} issuer
 * @property {string} state
 * @property {string} nonce
 * @property {string} verifier
 */

/**
 * What a provider has granted. It is kept in memory alone.
 *
 * @typedef {object} Grant
 * @property {string} issuer
 * @property {string} subject
 * @property {string} access the access token
 * @property {number} expires when it does, in milliseconds since 1970
 * @property {string | null} refresh the refresh token, if there is one
 * @property {string} id the ID token, which signing out shows
 */

const LEEWAY = 600_000; // milliseconds by which the clock of a person's machine may differ from the provider's
const EARLY = 10_000; // milliseconds before its end at which an access token counts as expired
const UNTOLD = 60; // seconds that an access token is taken to live for where the provider does not say

/** The path that providers send people back to, as it is registered there. */
export const RETURN = `${BASE}/signed-in`;

const returnAddress = () => new URL(RETURN, location.origin).href;

/**
 * Begin to sign in: return the address to go to, and what to know when the answer comes.
 *
 * @param {Provider} provider
 * @param {{prompt?: "none" | "login"}} [options] "none": the provider may ask the user nothing, so it knows them or
 *   refuses; "login": it is to ask even whom it knows
 * @returns {Promise<{address: string, begun: Begun}>}
 */
export async function begin(provider, { prompt } = {}) {
  if (!globalThis.crypto?.subtle) throw new ProviderError("Signing in so takes an address of this page by https.");
  const { authorization_endpoint } = await metadataOf(provider);
  const begun = { issuer: provider.issuer, state: random(), nonce: random(), verifier: random() };
  const address = new URL(authorization_endpoint);
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(begun.verifier));
  set(address, {
    response_type: "code",
    client_id: provider.client_id,
    redirect_uri: returnAddress(),
    scope: provider.scope,
    state: begun.state,
    nonce: begun.nonce,
    code_challenge: base64(new Uint8Array(digest)),
    code_challenge_method: "S256",
    ...(prompt ? { prompt } : {}),
  });
  return { address: address.href, begun };
}

/**
 * Finish it by the provider's answer.
 *
 * @param {Begun} begun
 * @param {URLSearchParams} answer
 * @returns {Promise<Grant>}
 */
export async function finish(begun, answer) {
  const provider = known(begun.issuer);
  const metadata = await metadataOf(provider);
  const issuer = answer.get("iss");
  if (answer.get("state") !== begun.state) throw new ProviderError("This is not the answer to what was asked.");
  if (issuer === null ? metadata.authorization_response_iss_parameter_supported : issuer !== provider.issuer) {
    throw new ProviderError(`The answer is not from ${provider.name}, so it was not taken.`);
  }
  const error = answer.get("error");
  if (error !== null) throw refusal(provider, error, answer.get("error_description"));
  const body = await askForTokens(provider, {
    grant_type: "authorization_code",
    code: answer.get("code") ?? "",
    redirect_uri: returnAddress(),
    code_verifier: begun.verifier,
  });
  const claims = read(body.id_token);
  if (!isFor(claims, provider) || claims.nonce !== begun.nonce) {
    throw new ProviderError(`What ${provider.name} says of you is not for this sign-in, so it was not taken.`);
  }
  return granted(provider, body, claims.sub, body.id_token);
}

/**
 * Get another access token by the refresh token, unasked.
 *
 * @param {Grant} grant
 * @returns {Promise<Grant>}
 */
export async function refresh(grant) {
  const provider = known(grant.issuer);
  if (grant.refresh === null) throw new ProviderError(`${provider.name} has to be asked anew.`);
  const body = await askForTokens(provider, { grant_type: "refresh_token", refresh_token: grant.refresh });
  const { id_token = null, refresh_token = grant.refresh } = body;
  const claims = id_token === null ? null : read(id_token);
  if (claims && !(isFor(claims, provider) && claims.sub === grant.subject)) {
    throw new ProviderError(`${provider.name} answered for somebody else, so it was not taken.`);
  }
  return granted(provider, { ...body, refresh_token }, grant.subject, id_token ?? grant.id);
}

/**
 * Return the address at which the provider ends the session that it has with this browser; null if it has none.
 *
 * @param {Grant} grant
 */
export async function endAddress(grant) {
  const provider = known(grant.issuer);
  const { end_session_endpoint } = await metadataOf(provider);
  if (!end_session_endpoint) return null;
  const address = new URL(end_session_endpoint);
  set(address, {
    client_id: provider.client_id,
    id_token_hint: grant.id,
    post_logout_redirect_uri: returnAddress(),
  });
  return address.href;
}

/** @param {string} issuer */
function known(issuer) {
  const provider = findProvider(issuer);
  if (!provider) throw new ProviderError("This service takes no sign-in from there any more.");
  return provider;
}

/**
 * @param {Provider} provider
 * @param {Record<string, string>} parameters
 */
async function askForTokens(provider, parameters) {
  const { token_endpoint } = await metadataOf(provider);
  const { status, body } = await ask(provider.name, token_endpoint, {
    method: "POST",
    body: new URLSearchParams({ client_id: provider.client_id, ...parameters }),
  });
  if (status !== 200) throw refusal(provider, String(body.error ?? status), body.error_description);
  if (typeof body.access_token !== "string" || String(body.token_type).toLowerCase() !== "bearer") {
    throw new ProviderError(`${provider.name} gave no token that this page can use. Tell an administrator.`);
  }
  return body;
}

/**
 * @param {Provider} provider
 * @param {string} code
 * @param {unknown} description
 */
function refusal({ name }, code, description) {
  const reason = typeof description === "string" && description ? description.slice(0, 300) : code.slice(0, 100);
  const said = code === "access_denied" ? "did not let you in" : "refused to sign you in";
  return new ProviderError(`${name} ${said}: ${reason.replace(/\.?$/, ".")}`, code);
}

/**
 * @param {Provider} provider
 * @param {any} body
 * @param {string} subject
 * @param {string} id
 * @returns {Grant}
 */
function granted({ issuer }, { access_token, expires_in, refresh_token }, subject, id) {
  const lives = Number.isFinite(expires_in) && expires_in > 0 ? expires_in : UNTOLD;
  return {
    issuer,
    subject,
    access: access_token,
    expires: Date.now() + Math.max(lives * 1000 - EARLY, lives * 500),
    refresh: typeof refresh_token === "string" ? refresh_token : null,
    id,
  };
}

/**
 * Return whether an ID token is the provider's, for this page, and good now.
 *
 * @param {any} claims
 * @param {Provider} provider
 */
function isFor({ iss, aud, azp, exp, sub }, { issuer, client_id }) {
  const audiences = [aud].flat();
  const forUs = audiences.includes(client_id) && (audiences.length === 1 || azp === client_id);
  return iss === issuer && forUs && typeof sub === "string" && sub !== "" && exp * 1000 + LEEWAY > Date.now();
}

/**
 * Return the claims of a JSON web token, unverified; none if it is none.
 *
 * @param {unknown} token
 */
function read(token) {
  try {
    const text = atob(String(token).split(".")[1].replaceAll("-", "+").replaceAll("_", "/"));
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(text, (each) => each.charCodeAt(0)))) ?? {};
  } catch {
    return {};
  }
}

/**
 * @param {URL} address
 * @param {Record<string, string>} parameters
 */
function set(address, parameters) {
  for (const [name, value] of Object.entries(parameters)) address.searchParams.set(name, value);
}

const random = () => base64(crypto.getRandomValues(new Uint8Array(32)));

/** @param {Uint8Array} bytes */
const base64 = (bytes) =>
  btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
