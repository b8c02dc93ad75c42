// What went wrong, in the words of the service, and what can be done about it.
import { html } from "./html.js";
import { tryNow } from "./service.js";

export function ErrorText({ error, again }) {
  const { code = "error of this page", details = [], request = null } = error;
  return html`<div class="alarm" role="alert">
    ${code === "unauthorised" && html`<p>The service does not know this key, or it has ended.</p>`}
    <p><strong>${code.replaceAll("_", " ")}</strong>: ${error.message}</p>
    ${details.length > 0 && html`<ul>${details.map((one) => html`<li>${one.where}: ${one.message}</li>`)}</ul>`}
    ${(again || request) && html`<div class="row">
      ${again && html`<button type="button" onClick=${again}>Try again</button>`}
      ${request && html`<span class="soft">request ${request}</span>`}
    </div>`}
  </div>`;
}

export function Notices({ state }) {
  const { away, error, impressionsRefused } = state;
  return html`<div>
    ${away !== null && html`<div class="alarm" role="alert">
      <p><strong>No connection</strong> to the service. It is asked again in ${away} s; nothing that you did is lost.</p>
      <div class="row"><button type="button" onClick=${tryNow}>Try now</button></div>
    </div>`}
    ${error && html`<${ErrorText} ...${error} />`}
    ${impressionsRefused && html`<p class="alarm">What is shown cannot be recorded as impressions: ${impressionsRefused}.</p>`}
  </div>`;
}

export function KeyForm({ session }) {
  const use = (event) => {
    event.preventDefault();
    session.useKey(event.target.querySelector("input").value.trim());
  };
  return html`<form class="key" onSubmit=${use}>
    <h2>This service asks for a key</h2>
    <label>API key <input id="key" type="password" autocomplete="off" spellcheck=${false} required autofocus /></label>
    <button class="main" type="submit">Use key</button>
    <p class="soft">It stays in this tab and is sent to this service alone, never in an address. The scopes that this page
      needs are <code>read</code>, and <code>events</code> for clicks. <code>polyscene serve --new-key NAME</code> makes one.</p>
  </form>`;
}
