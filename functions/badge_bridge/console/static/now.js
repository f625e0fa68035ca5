// The page Now draws itself anew while it is open: the server sends what it looks like (server-sent events).
"use strict";
{
  const LATE = 6000;  // milliseconds: three beats of the server
  const AGAIN = 10000;
  const live = document.getElementById("live");
  const heard = document.getElementById("heard");
  const main = document.getElementById("main");
  const old = document.getElementById("old");

  const say = (state, text) => {
    live.dataset.state = state;
    if (live.textContent !== text) live.textContent = text;  // else it would be read aloud each time
    // That all is well was so then; nobody knows whether it is.
    const isOld = state === "off";
    main.toggleAttribute("data-old", isOld);
    old.hidden = !isOld;
    if (isOld) {
      const then = document.querySelector(".asof time").textContent;
      old.textContent = `This is how it was at ${then}. How it is now is not known: ${text}.`;
    }
  };

  let stream = null;
  let last = Date.now();

  const hear = (state, text) => {
    last = Date.now();
    heard.textContent = "";
    say(state, text);
  };

  // A server that hangs closes no connection: that nothing comes is all that tells of it. The seconds are not read aloud.
  setInterval(() => {
    const silent = Date.now() - last;
    if (document.hidden || silent < LATE) return;
    if (live.dataset.state === "on") say("off", "nothing is heard: this may be old");
    heard.textContent = `last heard ${Math.round(silent / 1000)} s ago`;
  }, 1000);

  // A browser has six connections to a host for all its tabs: one that nobody looks at must not keep one.
  const follow = () => {
    if (document.hidden) {
      stream?.close();
      stream = null;
    } else if (stream === null) {
      const opened = stream = new EventSource(live.dataset.stream);
      last = Date.now();
      opened.onmessage = ({data}) => {
        redraw(JSON.parse(data));
        hear("on", "live");
      };
      opened.addEventListener("trouble", ({data}) => hear("off", `${JSON.parse(data).error}; this is from before`));
      opened.onerror = () => {
        if (opened.readyState !== EventSource.CLOSED) {
          say("off", "the connection is lost, trying again");
        } else if (stream === opened) {
          stream = null;
          ask();
        }
      };
    }
  };

  // A stream that is refused does not say why; the same address does, when it is asked for as everything else is.
  const ask = async () => {
    if (document.hidden || stream !== null) return;
    const asking = new AbortController();
    try {
      const answer = await fetch(live.dataset.stream, {cache: "no-store", signal: asking.signal});
      if (answer.ok) {
        asking.abort();
        follow();
        return;
      }
      const {error} = await answer.json();
      say("off", `not live any more: ${error.replaceAll("`", "")}`);
      if (answer.status === 401) return;
    } catch {
      say("off", "the connection is lost, trying again");
    }
    setTimeout(ask, AGAIN);
  };

  if (live.dataset.stream) {
    document.addEventListener("visibilitychange", follow);
    follow();
  }
}
