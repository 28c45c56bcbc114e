// Requests to our own server: JSON in both directions, the CSRF header, and one error class with a text for the user.

import { t } from "./strings.js";

/** A failed request; the message is a translated text for the user. */
export class ApiError extends Error {
  /**
   * `status`: the HTTP status, 0 if there was no response. `error`: the server's key ("signed_out", "csrf",
   * "not_found", ...). `retryAfter`: seconds to wait before a retry, or null.
   */
  constructor(status, error, text, retryAfter = null) {
    super(text);
    this.status = status;
    this.error = error;
    this.retryAfter = retryAfter;
  }

  /** Whether the same request may succeed later: there is no network, or the server is unavailable or overloaded. */
  get passes() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

const token = () => document.querySelector('meta[name="csrf-token"]').content;

/** Request `url` and return its JSON. `body`, if defined, is sent as JSON, by POST unless `method` is given. Throws
 *  ApiError, or the AbortError of `signal`. */
export async function call(url, { method, body, signal } = {}) {
  const headers = { Accept: "application/json" };
  const options = { method: method ?? (body === undefined ? "GET" : "POST"), headers, signal, credentials: "same-origin" };
  if (options.method !== "GET") headers["X-CSRFToken"] = token();
  if (body !== undefined) {
    headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(url, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "offline", t("offline"));
  }
  return read(response);
}

/** Return the JSON of a response, null for status 204. Throws ApiError. */
async function read(response) {
  const json = response.headers.get("Content-Type")?.includes("json");
  const content = json ? await response.json().catch(() => null) : null;
  if (response.ok && content !== null) return content;
  if (response.status === 204) return null;
  const wait = Number.parseFloat(response.headers.get("Retry-After"));
  throw new ApiError(response.status, content?.error ?? "failed", content?.text ?? t("failed"), wait || null);
}
