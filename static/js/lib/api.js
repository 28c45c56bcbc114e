// Calls to our own server: CSRF header, JSON in and out, one error type whose text a person can read.

import { t } from "./strings.js";

export class ApiError extends Error {
  /** status 0: no answer at all; `error` is the server's key ("signed_out", "csrf", "not_found", ...). */
  constructor(status, error, text, retryAfter = null) {
    super(text);
    this.status = status;
    this.error = error;
    this.retryAfter = retryAfter;
  }

  /** Whether the same call may work later: no network, the server is away or asks us to wait. */
  get passes() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

const token = () => document.querySelector('meta[name="csrf-token"]').content;

/** Call `url` and return its JSON. `body` (if not undefined) is sent as JSON by POST. Throws ApiError. */
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

async function read(response) {
  const json = response.headers.get("Content-Type")?.includes("json");
  const content = json ? await response.json().catch(() => null) : null;
  if (response.ok && content !== null) return content;
  if (response.status === 204) return null;
  const wait = Number.parseFloat(response.headers.get("Retry-After"));
  throw new ApiError(response.status, content?.error ?? "failed", content?.text ?? t("failed"), wait || null);
}
