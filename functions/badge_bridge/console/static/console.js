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

// So are the times that he types: they are sent with the moment that they are.
const twoDigits = (number) => String(number).padStart(2, "0");
const inInput = (at) =>
  `${at.getFullYear()}-${twoDigits(at.getMonth() + 1)}-${twoDigits(at.getDate())}` +
  `T${twoDigits(at.getHours())}:${twoDigits(at.getMinutes())}:${twoDigits(at.getSeconds())}`;
for (const input of document.querySelectorAll("input[data-moment]")) {
  if (input.value) input.value = inInput(new Date(`${input.value}Z`));
  input.form.addEventListener("formdata", (sent) => {
    if (input.value) sent.formData.set(input.name, new Date(input.value).toISOString());
  });
}
const {timeZone} = shownHere.resolvedOptions();
document.getElementById("zone").textContent = `Times are in ${timeZone}`;
for (const zone of document.querySelectorAll("[data-zone]")) zone.textContent = `(${timeZone})`;

// What a form leaves empty does not stand in the address.
for (const form of document.querySelectorAll("form[method=get]")) {
  form.addEventListener("formdata", ({formData}) => {
    for (const [name, value] of [...formData]) if (value === "") formData.delete(name);
  });
}

// What a page waits for it shows in a moment.
if (document.querySelector("[data-again]")) setTimeout(() => location.reload(), 1500);

// A redrive of many goes on by itself once somebody has pressed its button here, and not since an address says so.
const redrive = document.querySelector("form[data-redrive]");
const begun = sessionStorage.getItem("redriving");
sessionStorage.removeItem("redriving");
if (redrive) {
  redrive.addEventListener("submit", () => sessionStorage.setItem("redriving", "yes"));
  if (begun && redrive.dataset.redrive === "next") redrive.requestSubmit();
}

// All on the page are ticked at once.
for (const place of document.querySelectorAll("th.tick")) {
  const boxes = [...place.closest("table").querySelectorAll("td.tick input")];
  if (!boxes.length) continue;
  const all = Object.assign(document.createElement("input"), {type: "checkbox", ariaLabel: "Tick all on this page"});
  all.addEventListener("change", () => boxes.forEach((box) => { box.checked = all.checked; }));
  place.replaceChildren(all);
}
