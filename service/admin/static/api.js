// The public API, and nothing but it: this page has no rules of its own.

import { API } from "./base.js";
import { caller, forget, session, usable } from "./session.js";

/** @import { Details, Failure, Me } from "../answers.d.ts" */

/**
 * The query of a call; what is null, undefined or empty is left out.
 *
 * @typedef {Record<string, string | number | null | undefined>} Query
 */

/**
 * What a call may have beside its method and path.
 *
 * @typedef {object} Options
 * @property {Query} [query]
 * @property {object} [body]
 * @property {string | null} [ifMatch] the ETag of the version that may be changed
 * @property {"*"} [ifNoneMatch] that nothing may be there
 * @property {AbortSignal} [signal]
 */

/**
 * An answer of the service, whatever it says.
 *
 * @typedef {object} Answer
 * @property {number} status
 * @property {string | null} tag
 * @property {Failure & {status?: string}} body
 */

const TIMEOUT = 30_000; // milliseconds, longer than the service itself takes before it gives up

/** An answer that is a failure, in the API's own words. */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {Failure} body
   */
  constructor(status, body) {
    super(body.msg);
    this.status = status;
    this.code = body.code;
    this.requestId = body.request_id;
    /** @type {Details} */
    this.details = body.details ?? {};
  }
}

// Of a change that the service may have received.
const UNCERTAIN = "so it is not certain whether this was done. Nothing you typed is lost.";

/** No answer came at all. */
class NoAnswer extends Error {
  /** @param {string} method */
  constructor(method) {
    super(
      method === "GET"
        ? "The service can't be reached. Check the connection, then try again."
        : `No answer came from the service, ${UNCERTAIN}`,
    );
  }
}

/** The user has to sign in first. */
export class SignedOut extends Error {}

/**
 * Return whether a call was given up because nothing waits for its answer any more.
 *
 * @param {unknown} error
 */
export const isAbort = (error) => error instanceof DOMException && error.name === "AbortError";

/**
 * Return what an error says to the user.
 *
 * @param {unknown} error
 */
export const messageOf = (error) => (error instanceof Error ? error.message : String(error));

/**
 * Return the reasons that an error gives for a field, or else its message.
 *
 * @param {unknown} error
 * @param {string} field
 */
export const reasonsOf = (error, field) =>
  (error instanceof ApiError ? error.details[field] : null) ?? [messageOf(error)];

/**
 * Call the API.
 *
 * A token that is refused is forgotten at once, and another asked for over whatever is on the screen. The call then
 * goes on by itself, except that nothing is changed in the name of another user than the one who asked for it.
 *
 * @template Body
 * @param {string} method
 * @param {string} path
 * @param {Options} [options]
 * @returns {Promise<{body: Body, tag: string | null}>} the answer, and its ETag
 */
export async function call(method, path, options = {}) {
  const token = usable();
  const asker = session.me?.username;
  if (token) {
    const answer = await send(method, path, token, options);
    if (answer.status !== 401) return read(answer);
    if (session.token === token) forget();
  }
  if (!usable()) await session.renew();
  const { username } = caller();
  if (method !== "GET" && asker !== username) {
    throw new SignedOut(`You are now signed in as ${username}. Check what you typed, and save it again.`);
  }
  return call(method, path, options);
}

/**
 * Return the user that a token belongs to, before it is used for anything else.
 *
 * @param {string} token
 */
export async function whoIs(token) {
  /** @type {{body: {user: Me}}} */
  const { body } = read(await send("GET", "/users/me", token));
  return body.user;
}

/**
 * Read without asking for another token where this one is refused: for what nobody waits for.
 *
 * @template Body
 * @param {string} path
 * @param {Query} query
 * @param {AbortSignal} signal
 * @returns {Promise<Body>}
 */
export async function getQuietly(path, query, signal) {
  /** @type {{body: Body}} */
  const { body } = read(await send("GET", path, session.token ?? "", { query, signal }));
  return body;
}

/**
 * @param {string} method
 * @param {string} path
 * @param {string} token
 * @param {Options} [options]
 * @returns {Promise<Answer>}
 */
async function send(method, path, token, { query = {}, body, ifMatch, ifNoneMatch, signal } = {}) {
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), TIMEOUT);
  const headers = new Headers({ Authorization: `Bearer ${token}` });
  if (ifMatch) headers.set("If-Match", ifMatch);
  if (ifNoneMatch) headers.set("If-None-Match", ifNoneMatch);
  try {
    const response = await fetch(locate(path, query), {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, deadline.signal]) : deadline.signal,
      credentials: "omit",
      redirect: "error",
      cache: "no-store", // nothing of what is read stays behind in the browser's cache
    });
    return { status: response.status, tag: response.headers.get("ETag"), body: await json(response, method) };
  } catch (error) {
    if (isAbort(error) && !deadline.signal.aborted) throw error;
    throw new NoAnswer(method);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * @param {string} path
 * @param {Query} query
 */
function locate(path, query) {
  const address = new URL(`${API}${path}`);
  for (const [key, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") address.searchParams.set(key, String(value));
  }
  return address;
}

/**
 * Return the body; or a failure that says as much where a proxy answered in the place of the service.
 *
 * @param {Response} response
 * @param {string} method
 */
async function json(response, method) {
  const text = await response.text();
  try {
    const body = JSON.parse(text);
    if (body?.status === "OK" || body?.status === "ERROR") return body;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  const said = `The answer was not the service's own (status ${response.status})`;
  return { msg: method === "GET" ? `${said}. Try again.` : `${said}, ${UNCERTAIN}`, code: "UNKNOWN" };
}

/**
 * @param {Answer} answer
 * @returns {{body: any, tag: string | null}} any, as callers say which body they expect
 */
function read({ status, tag, body }) {
  if (status >= 200 && status < 300 && body.status === "OK") return { body, tag };
  throw new ApiError(status, body);
}

/**
 * @template Body
 * @param {string} path
 * @param {Query} [query]
 * @param {AbortSignal} [signal]
 * @returns {Promise<Body>}
 */
export async function get(path, query, signal) {
  /** @type {{body: Body}} */
  const { body } = await call("GET", path, { query, signal });
  return body;
}

/**
 * @template Body
 * @param {string} path
 * @param {object} body
 * @returns {Promise<Body>}
 */
export async function post(path, body) {
  /** @type {{body: Body}} */
  const answer = await call("POST", path, { body });
  return answer.body;
}

/** @param {string} path */
export const put = (path) => call("PUT", path);

/**
 * @param {string} path
 * @param {Options} [options]
 */
export const remove = (path, options) => call("DELETE", path, options);

// Half a character, which a paste can hold and no address can.
const LONE_SURROGATE = /\p{Surrogate}/gu;

/**
 * Make a path whose values are each one segment, whatever is in them.
 *
 * @param {TemplateStringsArray} strings
 * @param {string[]} values
 */
export function path(strings, ...values) {
  const segments = values.map((value) => encodeURIComponent(value.replace(LONE_SURROGATE, "\ufffd")));
  return strings.reduce((whole, text, index) => whole + segments[index - 1] + text);
}
