// The page Try: a mistake leads to its place in the rules, and the place of the caret is told.
"use strict";
{
  const rules = document.getElementById("rules");
  const where = document.getElementById("where");
  const numbers = document.getElementById("numbers");

  const offsetOf = (line, column) => {
    const lines = rules.value.split("\n");
    const before = lines.slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0);
    // Columns count characters, and a text area counts halves of those beyond the first 65,536.
    const units = [...(lines[line - 1] ?? "")].slice(0, column - 1).join("").length;
    return Math.min(before + units, rules.value.length);
  };

  const jumpTo = (line, column) => {
    const at = offsetOf(line, column);
    rules.focus();
    rules.setSelectionRange(at, at);
    const scrolled = numbers === null ? rules : rules.parentElement;
    const height = numbers === null ? rules.scrollHeight / rules.value.split("\n").length : rules.clientHeight / rules.rows;
    scrolled.scrollTop = Math.max((line - 1) * height - scrolled.clientHeight / 3, 0);
    tellPlace();
  };

  const tellPlace = () => {
    const lines = rules.value.slice(0, rules.selectionStart).split("\n");
    where.textContent = `line ${lines.length}, column ${[...lines.at(-1)].length + 1}`;
  };

  // There is a number beside each line that he writes.
  const count = () => {
    const rows = Math.max(rules.value.split("\n").length + 1, 28);
    if (numbers === null || rows === rules.rows) return;
    rules.rows = rows;
    numbers.textContent = Array.from({length: rows}, (_, at) => `${at + 1}\n`).join("");
  };
  rules.addEventListener("input", count);
  count();

  // Who fills something in wants that to be judged.
  for (const filled of document.querySelectorAll("[data-kind]")) {
    filled.addEventListener("input", () => {
      if (filled.value) document.querySelector(`input[name=what][value=${filled.dataset.kind}]`).checked = true;
    });
  }

  for (const link of document.querySelectorAll("a[data-line]")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      jumpTo(Number(link.dataset.line), Number(link.dataset.column));
    });
  }
  for (const name of ["keyup", "click", "input"]) rules.addEventListener(name, tellPlace);

  // After a judgement that is what the reader waits for; after a mistake its place is.
  const mistake = document.querySelector("[role=alert] a[data-line]");
  if (mistake) jumpTo(Number(mistake.dataset.line), Number(mistake.dataset.column));
  else document.getElementById("judgement")?.scrollIntoView();
}
