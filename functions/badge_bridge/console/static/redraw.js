// Parts of a page are drawn anew from the page as the server makes it now, so that nothing is drawn in two ways.
"use strict";

const focusable = "a[href], button, summary, input";
const drawn = new Map();

// A part looks as it did while its mark is the same; where it has none, while its HTML is.
const markOf = (part) => part.dataset.mark ?? part.innerHTML;

// What the reader has opened stays open, and where he is he stays.
const fill = (part, fresh) => {
  const open = [...part.querySelectorAll("details")].map((one) => one.open);
  [...fresh.querySelectorAll("details")].forEach((one, at) => { one.open = open[at] ?? false; });
  const at = [...part.querySelectorAll(focusable)].indexOf(document.activeElement);
  part.className = fresh.className;
  part.toggleAttribute("data-under-way", fresh.hasAttribute("data-under-way"));
  part.replaceChildren(...fresh.childNodes);
  localTimes(part);
  if (at >= 0) part.querySelectorAll(focusable)[at]?.focus({preventScroll: true});
};

const redraw = (html) => {
  const page = new DOMParser().parseFromString(html, "text/html");
  const parts = new Map([...page.querySelectorAll("[data-part]")].map((part) => [part.dataset.part, part]));
  for (const part of document.querySelectorAll("[data-part]")) {
    const fresh = parts.get(part.dataset.part);
    if (fresh === undefined || markOf(fresh) === (drawn.get(part) ?? part.dataset.mark)) continue;
    drawn.set(part, markOf(fresh));
    fill(part, document.importNode(fresh, true));
  }
};

// An event that is under way is looked at again until it has ended: soon at first, and for some minutes at most.
{
  const FIRST = 1000, LONGEST = 15000;  // milliseconds
  let looks = 60;
  const isUnderWay = () => document.querySelector("[data-under-way]") !== null;
  const look = async (wait) => {
    if (!document.hidden) {
      looks -= 1;
      try {
        const answer = await fetch(location.href, {cache: "no-store"});
        if (answer.ok) redraw(await answer.text());
      } catch {
        // It is asked again.
      }
    }
    if (looks > 0 && isUnderWay()) setTimeout(look, wait, Math.min(wait * 1.3, LONGEST));
  };
  if (isUnderWay()) setTimeout(look, FIRST, FIRST);
}
