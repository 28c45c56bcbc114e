// Polling with adaptive intervals: short while the content changes, increasing while it does not; none in a hidden tab.

import { ApiError, call } from "./api.js";

/**
 * Poll `url` and pass its JSON to `show(content)`, which returns whether something changed.
 *
 * The interval starts at `fastest` ms and grows up to `slowest` ms while nothing changes. `lost(error)` is called after
 * failures; 401, 403, 404 and 410 end the polling. Returns a function that polls at once.
 */
export function poll(url, show, lost = () => {}, { fastest = 2000, slowest = 30000 } = {}) {
  let wait = fastest;
  let timer = null;
  let running = false;

  async function ask() {
    clearTimeout(timer);
    if (running || document.hidden) return;
    running = true;
    try {
      wait = show(await call(url)) ? fastest : Math.min(wait * 1.5, slowest);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      lost(error);
      if ([401, 403, 404, 410].includes(error.status)) return;
      wait = Math.min(Math.max(wait * 2, (error.retryAfter ?? 0) * 1000), slowest);
    } finally {
      running = false;
    }
    timer = setTimeout(ask, wait);
  }

  document.addEventListener("visibilitychange", () => document.hidden || ask());
  timer = setTimeout(ask, fastest);
  return () => {
    wait = fastest;
    return ask();
  };
}
