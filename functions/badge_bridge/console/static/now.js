// The page Now draws itself anew while it is open: the server says when (server-sent events), and what the parts look
// like then (the page itself, so that nothing is drawn in two ways).
"use strict";
{
  const live = document.getElementById("live");
  const drawn = new Map();
  const focusable = "a[href], summary";

  const say = (state, text) => {
    live.dataset.state = state;
    if (live.textContent !== text) live.textContent = text;  // else it would be read aloud each time
  };

  // What the reader has opened stays open, and where he is he stays.
  const fill = (part, fresh) => {
    const open = [...part.querySelectorAll("details")].map((one) => one.open);
    [...fresh.querySelectorAll("details")].forEach((one, at) => { one.open = open[at] ?? false; });
    const at = [...part.querySelectorAll(focusable)].indexOf(document.activeElement);
    part.replaceChildren(...fresh.childNodes);
    localTimes(part);
    if (at >= 0) part.querySelectorAll(focusable)[at]?.focus({preventScroll: true});
  };

  const redraw = async () => {
    const answer = await fetch(location.pathname, {cache: "no-store", headers: {accept: "text/html"}});
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of document.querySelectorAll("[data-part]")) {
      const fresh = page.querySelector(`[data-part="${part.dataset.part}"]`);
      if (fresh === null || fresh.innerHTML === drawn.get(part)) continue;
      drawn.set(part, fresh.innerHTML);
      fill(part, document.importNode(fresh, true));
    }
    say("on", "live");
  };

  let isDrawing = false;
  const draw = async () => {
    if (isDrawing) return;
    isDrawing = true;
    try {
      await redraw();
    } catch {
      say("off", "the connection is lost");
    } finally {
      isDrawing = false;
    }
  };

  // A browser has six connections to a host for all its tabs: one that nobody looks at must not keep one.
  let stream = null;
  const follow = () => {
    if (document.hidden) {
      stream?.close();
      stream = null;
    } else if (stream === null) {
      const opened = stream = new EventSource(live.dataset.stream);
      opened.onmessage = draw;
      opened.onerror = () => {
        const isOver = opened.readyState === EventSource.CLOSED;
        say("off", isOver ? "not live any more: refresh the page" : "the connection is lost, trying again");
      };
    }
  };

  if (live.dataset.stream) {
    document.addEventListener("visibilitychange", follow);
    follow();
  }
}
