// Users whose taste is most like that of the user, each of whom one can be.
import { Asked, Dialog } from "./dialog.js";
import { html } from "./html.js";
import { ask } from "./service.js";

const SHOWN = 8;

export function AlikeDialog({ session, scenario, onClose }) {
  const { user } = session.state;
  const work = () => ask(`/v1/users/${encodeURIComponent(user)}/similar?k=${SHOWN}&scenario=${encodeURIComponent(scenario.name)}`);
  const become = (other) => {
    onClose();
    session.become(other);
  };
  return html`<${Dialog} title=${`Most like ${user} in ${scenario.name}`} onClose=${onClose}>
    <${Asked} question=${scenario.name} work=${work}>${(answer) => html`<ul class="listed">
      ${answer.users.map((other) => html`<li><span>${other.id} <span class="soft number">${other.score.toFixed(2)}</span></span>
        <button type="button" aria-label=${`Be ${other.id}`} onClick=${() => become(other.id)}>Be this user</button></li>`)}</ul>
      ${answer.users.length === 0 && html`<p>Nobody is alike yet.</p>`}`}<//>
  <//>`;
}
