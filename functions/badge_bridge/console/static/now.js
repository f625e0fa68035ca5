// The page Now draws itself anew while it is open: the server says when (server-sent events), and what the parts look
// like then (the page itself, so that nothing is drawn in two ways).
"use strict";

const sign = document.getElementById("live");
const parts = new Map();
const remember = (root) => {
  for (const part of root.querySelectorAll("[data-part]")) parts.set(part.dataset.part, part.outerHTML);
};

const say = (state, text) => {
  const now = document.getElementById("live");
  now.dataset.state = state;
  if (now.textContent !== text) now.textContent = text;
};

// What the reader has opened stays open, and where he is he stays.
const replaced = (shown, fresh) => {
  const open = [...shown.querySelectorAll("details")].map((one) => one.open);
  [...fresh.querySelectorAll("details")].forEach((one, at) => { one.open = open[at] ?? false; });
  const focused = shown.contains(document.activeElement) ? document.activeElement : null;
  const focusable = "a[href], summary";
  const at = focused ? [...shown.querySelectorAll(focusable)].indexOf(focused) : -1;
  shown.replaceWith(fresh);
  localTimes(fresh);
  if (at >= 0) fresh.querySelectorAll(focusable)[at]?.focus({preventScroll: true});
};

const redraw = async () => {
  const answer = await fetch(location.pathname, {cache: "no-store", headers: {accept: "text/html"}});
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const fresh of page.querySelectorAll("[data-part]")) {
    const name = fresh.dataset.part;
    const written = fresh.outerHTML;
    const shown = document.querySelector(`[data-part="${name}"]`);
    if (shown === null || written === parts.get(name)) continue;
    parts.set(name, written);
    replaced(shown, document.importNode(fresh, true));
  }
  say("on", "live");
};

if (sign.dataset.stream) {
  let drawing = false;
  const stream = new EventSource(sign.dataset.stream);
  stream.onmessage = async () => {
    if (drawing || document.hidden) return;
    drawing = true;
    try {
      await redraw();
    } catch {
      say("off", "the connection is lost");
    } finally {
      drawing = false;
    }
  };
  stream.onerror = () => {
    const over = stream.readyState === EventSource.CLOSED;
    say("off", over ? "not live any more: refresh the page" : "the connection is lost, trying again");
  };
}
