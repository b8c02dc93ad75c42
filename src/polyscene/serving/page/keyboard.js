// Single keys, told in the window "Keyboard", where they can be turned off. They do nothing while one writes.
import { Dialog } from "./dialog.js";
import { html } from "./html.js";
import { goTo } from "./slate.js";

const OFF = "polyscene no shortcuts";
export const KEYS = [
  ["/", "to the field for the user"], ["n", "be somebody new"], ["j  k", "next and previous place"], ["[  ]", "previous and next scenario"],
  ["1 2 3", "the place’s first, second, third action"], ["s", "skip the place"], ["Enter", "why it is there, and what is similar"],
  ["m", "more places of the scenario"], ["w", "why is something not in the slate?"], ["?", "this list"], ["Esc", "close a window"],
];

export function onKey(session, event) {
  const writing = event.target.closest("input, select, textarea, dialog");
  if (writing || event.ctrlKey || event.metaKey || event.altKey || localStorage.getItem(OFF)) return;
  const work = works(session, event.target)[event.key];
  if (!work) return;
  event.preventDefault();
  work();
}

function works(session, target) {
  const place = target.closest(".place");
  const press = (selector) => (place ?? document).querySelector(selector)?.click();
  const inSlate = (selector) => slateOf(session, target)?.querySelector(selector)?.click();
  const own = {
    "/": () => document.getElementById("user")?.select(),
    "?": () => session.open({ kind: "help" }),
    n: () => document.getElementById("stranger")?.click(),
    j: () => step(session, target, 1), k: () => step(session, target, -1),
    "[": () => turn(session, target, -1), "]": () => turn(session, target, 1),
    m: () => inSlate(".more"), w: () => inSlate(".why-not"),
  };
  if (place) own.s = () => press('[data-action="skip"]');
  if (place) for (const nth of [1, 2, 3]) own[nth] = () => place.querySelectorAll('.actions [data-action]:not([data-action="skip"])')[nth - 1]?.click();
  if (target.matches(".place")) own.Enter = () => press(".last");
  return own;
}

function slateOf(session, target) {
  return target.closest(".slate") ?? document.getElementById(`slate-${session.state.scenario}`);
}

function step(session, target, by) {
  const places = [...(slateOf(session, target)?.querySelectorAll(".place") ?? [])];
  const row = places.indexOf(target.closest(".place"));
  goTo(places[Math.min(Math.max(row + by, 0), places.length - 1)]);
}

function turn(session, target, by) {
  const names = session.state.scenarios.map((one) => one.name);
  const now = slateOf(session, target)?.dataset.scenario;
  const name = names[(names.indexOf(now) + by + names.length) % names.length];
  session.set({ scenario: name });
  // On a narrow page the slate is there only after the page is drawn anew.
  requestAnimationFrame(() => goTo(document.getElementById(`slate-${name}`)?.querySelector(".place")));
}

export function HelpDialog({ onClose }) {
  const turnOff = (event) => (event.target.checked ? localStorage.removeItem(OFF) : localStorage.setItem(OFF, "1"));
  return html`<${Dialog} title="Keyboard" onClose=${onClose}>
    <p>Everything on this page can be reached with Tab and pressed with Enter. These keys are faster:</p>
    <dl class="facts">${KEYS.map(([keys, what]) => html`<dt>${keys.split(/ +/).map((one) => html`<kbd>${one}</kbd> `)}</dt><dd>${what}</dd>`)}</dl>
    <label class="check"><input type="checkbox" checked=${!localStorage.getItem(OFF)} onChange=${turnOff} /> use these keys</label>
  <//>`;
}
