// What the pages do better with a script. All of them are read, and all forms are sent, without it.
"use strict";

// Times are written in UTC; the reader sees his own, and the other one when he points at it.
const shownHere = new Intl.DateTimeFormat("sv-SE", {dateStyle: "short", timeStyle: "medium"});
const localTimes = (root) => {
  for (const time of root.querySelectorAll("time[datetime]:not([data-local])")) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    time.textContent = shownHere.format(at);
    time.dataset.local = "";
  }
};
localTimes(document);
