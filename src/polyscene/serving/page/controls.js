// Who is looking, and how slates are chosen.
import { useEffect, useState } from "preact/hooks";
import { html } from "./html.js";
import { key, newId } from "./service.js";
import { CONFIGURED, POLICIES } from "./session.js";

const POLICY_NAMES = { [CONFIGURED]: "as configured", greedy: "greedy: the best", epsilon: "epsilon: now and then any", plackett_luce: "Plackett-Luce: by chance" };

export function Top({ session, children }) {
  const { run } = session.state;
  return html`<header class="top"><div class="wrap">
    <div class="brand">
      <img src="/page/icon.svg" alt="" />
      <h1>Polyscene</h1>
      <p class="soft">Be somebody, click, and see the next slates change.${run && html`<span class="run"> Run ${run}.</span>`}</p>
      <nav aria-label="More">
        <a href="/docs">Endpoints</a>
        <button class="plain" type="button" onClick=${() => session.open({ kind: "help" })}>Keyboard</button>
        ${key.get() && html`<button class="plain" type="button" onClick=${() => session.forgetKey()}>Forget key</button>`}
      </nav>
    </div>
    ${children}
  </div></header>`;
}

export function Who({ session }) {
  const { user, users } = session.state;
  const [text, setText] = useState(user);
  useEffect(() => setText(user), [user]);
  const become = (event) => {
    event.preventDefault();
    if (text.trim()) session.become(text.trim());
  };
  const any = () => session.become(users[Math.floor(Math.random() * users.length)]);
  return html`<form class="who row" onSubmit=${become}>
      <label>Who are you? Search, or invent somebody
        <input id="user" list="users" value=${text} onInput=${(event) => setText(event.target.value)} autocomplete="off" spellcheck=${false} maxlength="256" required /></label>
      <datalist id="users">${users.map((name) => html`<option value=${name} />`)}</datalist>
      <button class="main" type="submit">Show slates</button>
      ${users.length > 1 && html`<button type="button" onClick=${any}>Anybody</button>`}
      <button type="button" id="stranger" onClick=${() => session.become(newId("guest").slice(0, 14))}>Somebody new</button>
    </form>`;
}

export function Choosing({ session }) {
  const { choice } = session.state;
  const parameter = POLICIES[choice.policy];
  const set = (name, read) => (event) => session.choose({ [name]: read(event.target) });
  return html`<details class="choosing">
    <summary>How slates are chosen: <strong>${told(choice)}</strong></summary>
    <div class="row">
      <label>Policy <select id="policy" value=${choice.policy} onChange=${set("policy", (target) => target.value)}>
        ${Object.keys(POLICIES).map((name) => html`<option value=${name}>${POLICY_NAMES[name]}</option>`)}</select></label>
      ${parameter && html`<label>${parameter.name} <${NumberField} id="parameter" least=${parameter.least} most=${parameter.most} step=${parameter.step}
        value=${choice.parameter} onCommit=${(parameter) => session.choose({ parameter })} /></label>`}
      <label>Places <${NumberField} id="places" least="1" most="50" step="1" value=${choice.k} onCommit=${(k) => session.choose({ k: Math.round(k) })} /></label>
      <label>What the user had <select value=${choice.seen} onChange=${set("seen", (target) => target.value)}>
        <option value="">as configured</option><option value="hide">is hidden</option><option value="allow">may come again</option></select></label>
      <label class="check"><input id="explore" type="checkbox" checked=${choice.explore} onChange=${set("explore", (target) => target.checked)} /> explore</label>
    </div>
  </details>`;
}

// A number that is taken once it is written: what is half typed outlives the answers that arrive meanwhile, and
// an emptied field goes back to what it was.
function NumberField({ id, value, least, most, step, onCommit }) {
  const [draft, setDraft] = useState(null);
  const commit = (event) => {
    setDraft(null);
    if (event.target.value) onCommit(Math.min(Math.max(Number(event.target.value), Number(least)), Number(most)));
  };
  return html`<input id=${id} type="number" min=${least} max=${most} step=${step} value=${draft ?? value}
    onInput=${(event) => setDraft(event.target.value)} onChange=${commit} />`;
}

function told({ policy, parameter, explore, k }) {
  const name = POLICIES[policy] ? `${policy.replaceAll("_", " ")}, ${POLICIES[policy].name} ${parameter}` : policy;
  return `${name}, ${k} places${explore ? "" : ", no exploration"}`;
}
