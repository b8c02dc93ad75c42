// The whole page, put together.
import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { AlikeDialog } from "./alike.js";
import { Choosing, Top, Who } from "./controls.js";
import { DecisionDialog } from "./decision.js";
import { html } from "./html.js";
import { ItemDialog, WhyNotDialog } from "./item.js";
import { HelpDialog, onKey } from "./keyboard.js";
import { KeyForm, Notices } from "./notices.js";
import { Session } from "./session.js";
import { Slate } from "./slate.js";

const NARROW = matchMedia("(max-width: 46rem)");
const DIALOGS = { item: ItemDialog, "why-not": WhyNotDialog, decision: DecisionDialog, alike: AlikeDialog, help: HelpDialog };

const root = document.getElementById("page");
const session = new Session(() => render(html`<${Page} state=${session.state} />`, root));

function Page({ state }) {
  const narrow = useNarrow();
  const ready = !state.needsKey && state.scenarios.length > 0;
  return html`
    <${Top} session=${session}>${ready && html`<${Who} session=${session} /><${Choosing} session=${session} />`}<//>
    <main class=${`wrap ${state.busy ? "busy" : ""}`} aria-busy=${state.busy}>
      <${Notices} state=${state} />
      <p class="status number" id="status" role="status">${state.status}</p>
      ${state.needsKey && html`<${KeyForm} session=${session} />`}
      ${ready && narrow && html`<${Tabs} state=${state} />`}
      ${ready && html`<div class="slates">${state.scenarios
        .filter((one) => !narrow || one.name === state.scenario)
        .map((one) => html`<${Slate} key=${one.name} session=${session} scenario=${one} tab=${narrow ? `tab-${one.name}` : null} />`)}</div>`}
    </main>
    ${state.dialog && html`<${Window} dialog=${state.dialog} />`}`;
}

function Window({ dialog }) {
  const { kind, ...parts } = dialog;
  const name = [kind, parts.scenario?.name, parts.item?.id].join(" ");
  const close = () => session.state.dialog === dialog && session.open(null);
  return html`<${DIALOGS[kind]} key=${name} session=${session} ...${parts} onClose=${close} />`;
}

function Tabs({ state }) {
  const names = state.scenarios.map((one) => one.name);
  const go = (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    const name = names[(names.indexOf(state.scenario) + by + names.length) % names.length];
    session.set({ scenario: name });
    document.getElementById(`tab-${name}`).focus();
  };
  return html`<div class="tabs" role="tablist" aria-label="Scenarios" onKeyDown=${go}>${names.map((name) => html`<button type="button" role="tab"
    id=${`tab-${name}`} aria-selected=${String(name === state.scenario)} aria-controls=${name === state.scenario ? `slate-${name}` : undefined} tabindex=${name === state.scenario ? 0 : -1}
    onClick=${() => session.set({ scenario: name })}>${name}</button>`)}</div>`;
}

function useNarrow() {
  const [narrow, setNarrow] = useState(NARROW.matches);
  useEffect(() => {
    const heed = () => setNarrow(NARROW.matches);
    NARROW.addEventListener("change", heed);
    return () => NARROW.removeEventListener("change", heed);
  }, []);
  return narrow;
}

document.addEventListener("keydown", (event) => onKey(session, event));
root.replaceChildren();
session.start();
