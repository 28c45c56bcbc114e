// Ask again and again: quickly while things change, ever more slowly while they do not, not at all in a hidden tab.

import { ApiError, call } from "./api.js";

/** Call `url` and hand its JSON to `show(content)`, which returns whether something changed (false slows the polling
 *  down from `fastest` to `slowest` ms). `lost(error)` hears of failures; 401, 404 and 410 end the polling.
 *  Returns a function that asks at once. */
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
