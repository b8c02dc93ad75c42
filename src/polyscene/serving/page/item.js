// One item: why it stands where it stands, what is similar, why it is not in the slate, and every action.
import { useState } from "preact/hooks";
import { Asked, Dialog } from "./dialog.js";
import { html } from "./html.js";
import { ask } from "./service.js";
import { Signals, signed } from "./signals.js";
import { attributesOf } from "./slate.js";

const SIMILAR = 5;

export function ItemDialog({ session, scenario, item, onClose }) {
  const here = `scenario=${encodeURIComponent(scenario.name)}`;
  const why = () => ask(`/v1/explanations?user=${encodeURIComponent(session.state.user)}&item=${encodeURIComponent(item.id)}&${here}`);
  const similar = () => ask(`/v1/items/${encodeURIComponent(scenario.name)}/${encodeURIComponent(item.id)}/similar?k=${SIMILAR}`);
  const look = (other) => session.open({ kind: "item", scenario, item: other });
  return html`<${Dialog} title=${item.title} onClose=${onClose}>
    <p class="soft" dir="auto">${scenario.name} · ${item.id} · ${attributesOf(item)}</p>
    <section><h3>Why it stands where it stands for ${session.state.user}</h3>
      <${Asked} question=${item.id} work=${why}>${(answer) => html`<${Why} why=${answer} />`}<//></section>
    <section><h3>Similar items</h3>
      <${Asked} question=${item.id} work=${similar}>${(answer) => html`<ul class="listed">
        ${answer.items.map((other) => html`<li><span dir="auto">${other.title} <span class="soft number">${other.score.toFixed(2)}</span></span>
          <button type="button" aria-label=${`Look at ${other.title}`} onClick=${() => look(other)}>Look</button></li>`)}</ul>`}<//></section>
    <section><h3>How it has moved</h3><${Moved} scenario=${scenario} item=${item} /></section>
    <section><h3>Is it missing in the slate?</h3>
      <div><button type="button" onClick=${() => session.open({ kind: "why-not", scenario, item })}>Why is it not in the slate?</button></div></section>
    <${Act} session=${session} scenario=${scenario} item=${item} onClose=${onClose} />
  <//>`;
}

function Why({ why }) {
  const place = why.rank === null ? "It may not be shown to this user." : `Ranked ${why.rank} of ${why.candidates.toLocaleString("en")} that may be shown, score ${signed(why.score)}.`;
  return html`<p>${place} ${why.reason}</p>
    <${Signals} signals=${why.shares} />
    ${why.past.length > 0 && html`<p class="soft">Past items behind it:</p>
      <ul class="listed">${why.past.map((one) => html`<li><span dir="auto">${one.title}</span><span class="soft">${one.signal.replaceAll("_", " ")}</span></li>`)}</ul>`}`;
}

// What events have made of it: asked for by a click, since the service learns its log once more to tell it.
function Moved({ scenario, item }) {
  const [asked, setAsked] = useState(false);
  if (!asked) return html`<div><button type="button" onClick=${() => setAsked(true)}>Which events moved it?</button></div>`;
  const work = () => ask(`/v1/items/${encodeURIComponent(scenario.name)}/${encodeURIComponent(item.id)}/movement?limit=5`);
  return html`<${Asked} question=${item.id} work=${work}>${(answer) => html`<${Curve} points=${answer.curve} />
    <p>${answer.distance.toFixed(3)} from where its text puts it, bias ${signed(answer.bias)}; ${answer.n_people.toLocaleString("en")} people did something to it.</p>
    <ul class="listed">${answer.moves.map((move) => html`<li><span>${move.kind.replaceAll("_", " ")} ${move.action ?? ""}</span>
      <span class="soft number">${answer.clock === "time" ? new Date(move.time / 1000).toISOString().slice(0, 16) : move.time} · ${move.length.toFixed(3)}</span></li>`)}</ul>`}<//>`;
}

const WIDE = 320;
const HIGH = 80;

function Curve({ points }) {
  if (points.length < 2) return null;
  const [first, last] = [points[0][0], points.at(-1)[0]];
  const most = Math.max(...points.map((point) => point[1]), 1e-9);
  const places = points.map(([time, distance]) => `${((time - first) / Math.max(last - first, 1)) * WIDE},${HIGH - (distance / most) * (HIGH - 4)}`);
  return html`<svg viewBox=${`0 0 ${WIDE} ${HIGH}`} width="100%" role="img" aria-label=${`Its distance from its text over time, ${most.toFixed(3)} at most`}>
    <polyline points=${places.join(" ")} fill="none" stroke="currentColor" stroke-width="1.5" /></svg>`;
}

// Every action of the scenario, with what it measures.
function Act({ session, scenario, item, onClose }) {
  const [action, setAction] = useState(scenario.actions[0]);
  const [value, setValue] = useState("");
  const send = (event) => {
    event.preventDefault();
    onClose();
    session.act(scenario.name, item, action, 0, value === "" ? null : Number(value));
  };
  return html`<section><h3>Do something else with it</h3>
    <form class="row" onSubmit=${send}>
      <label>Action <select value=${action} onChange=${(event) => setAction(event.target.value)}>${scenario.actions.map((name) => html`<option value=${name}>${name}</option>`)}</select></label>
      <label>Value: rating, seconds, amount <input type="number" step="any" value=${value} onInput=${(event) => setValue(event.target.value)} /></label>
      <button type="submit">Send</button>
    </form></section>`;
}

export function WhyNotDialog({ session, scenario, item, onClose }) {
  const [id, setId] = useState(item?.id ?? "");
  const [asked, setAsked] = useState(item?.id ?? "");
  const offers = async () => {
    const lists = ["popular", "latest"].map((name) => ask(`/v1/scenarios/${encodeURIComponent(scenario.name)}/${name}?k=50`));
    const items = (await Promise.all(lists)).flatMap((list) => list.items);
    return [...new Map(items.map((one) => [one.id, one.title]))];
  };
  const submit = (event) => {
    event.preventDefault();
    setAsked(id.trim());
  };
  const work = () => ask("/v1/explanations/why-not", { ...session.request(scenario.name), item: asked });
  return html`<${Dialog} title=${`${scenario.name}: why is it not in the slate?`} onClose=${onClose}>
    <form class="row" onSubmit=${submit}>
      <label>Item, by its id <input id="missed" list="items" value=${id} onInput=${(event) => setId(event.target.value)} autocomplete="off" spellcheck=${false} required /></label>
      <button class="main" type="submit">Ask</button>
    </form>
    <${Asked} question=${scenario.name} work=${offers}>${(items) => html`<datalist id="items">
      ${items.map(([one, title]) => html`<option value=${one} label=${title}>${title}</option>`)}</datalist>
      <p class="soft">Some ids are offered with their titles: what is popular and what is new.</p>`}<//>
    ${asked && html`<${Asked} question=${asked} work=${work}>${(answer) => html`<${Obstacles} answer=${answer} />`}<//>`}
  <//>`;
}

function Obstacles({ answer }) {
  if (!answer.obstacles.length) return html`<p role="status">${answer.item} is in the slate, at place ${answer.place}.</p>`;
  return html`<section role="status"><h3>What keeps ${answer.item} out</h3>
    <ol class="listed">${answer.obstacles.map((one) => html`<li><span><strong>${one.stage}</strong>: ${one.sentence}
      <br /><span class="soft">The least change: ${changeText(one.change)}</span></span></li>`)}</ol>
    <p>${answer.enough ? "With all of this changed it would be in the slate." : "Even with all of this changed it would not be in the slate."}</p></section>`;
}

function changeText(change) {
  if ("k" in change && "score" in change) return `${change.k} places, or a score that is higher by ${signed(change.score)}`;
  const parts = Object.entries(change).map(([name, value]) => `${name.replaceAll("_", " ")}: ${typeof value === "string" ? value : JSON.stringify(value)}`);
  return parts.join(", ") || "none is known";
}
