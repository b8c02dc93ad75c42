// One past slate: its record, and whether it comes out the same when it is drawn again.
import { Asked, Dialog } from "./dialog.js";
import { html } from "./html.js";
import { ask, key } from "./service.js";
import { signed } from "./signals.js";

export function DecisionDialog({ session, decision, onClose }) {
  const titles = new Map(Object.values(session.state.slates).flatMap((slate) => slate.pages.flatMap((page) => page.items.map((item) => [item.id, item.title]))));
  const address = `/v1/decisions/${encodeURIComponent(decision)}`;
  return html`<${Dialog} title=${`Decision ${decision.slice(0, 8)}`} onClose=${onClose}>
    <section><h3>Drawn again</h3>
      <${Asked} question=${decision} work=${() => ask(`${address}/replay`)}>${(answer) => html`<${Replay} replay=${answer} />`}<//></section>
    <section><h3>Its record</h3>
      <${Asked} question=${decision} work=${() => ask(address)}>${(answer) => html`<${Kept} record=${answer} address=${address} titles=${titles} />`}<//></section>
  <//>`;
}

function Replay({ replay }) {
  const verdict = (same) => (same ? html`<span class="same">the same, bit for bit</span>` : html`<span class="differs">not the same</span>`);
  return html`<dl class="facts">
    <dt>From its record</dt><dd>${verdict(replay.same)}</dd>
    <dt>Computed anew</dt><dd>${replay.recomputed ? verdict(replay.recomputed_same) : `not possible any more: ${replay.why_not_recomputed}`}</dd>
  </dl>`;
}

function Kept({ record, address, titles }) {
  const { name, ...parameters } = record.policy;
  const policy = [name, ...Object.entries(parameters).map(([part, value]) => `${part} ${value}`)].join(", ");
  const facts = {
    When: new Date(record.time / 1000).toLocaleString(), User: record.user, Scenario: record.scenario, Run: record.run,
    Policy: policy, Seed: String(record.seed), "Events known": record.position.toLocaleString("en"),
    Candidates: record.scores.length.toLocaleString("en"), "Page of its chain": String(record.page),
  };
  return html`<dl class="facts">${Object.entries(facts).map(([label, value]) => html`<dt>${label}</dt><dd>${value}</dd>`)}</dl>
    <ol class="listed">${record.slate.map((id, row) => html`<li><span dir="auto">${row + 1}. ${titles.get(id) ?? id} ${titles.has(id) && html`<span class="soft">${id}</span>`}</span>
      <span class="soft number">score ${signed(record.scores[record.places[row]])} · propensity ${record.propensities[row].toPrecision(4)}</span></li>`)}</ol>
    <details><summary>All of it</summary><pre tabindex="0">${JSON.stringify(record, null, 1)}</pre></details>
    <p class="soft"><code>${decisionAddress(address)}</code></p>`;
}

// A link would not carry the key, so with one the address is told only.
function decisionAddress(address) {
  return key.get() ? `GET ${address}` : html`<a href=${address}>GET ${address}</a>`;
}
