// A window over the page: the browser's own, which keeps the focus inside and gives it back.
import { useEffect, useRef, useState } from "preact/hooks";
import { html } from "./html.js";
import { ErrorText } from "./notices.js";

export function Dialog({ title, onClose, children }) {
  const node = useRef(null);
  useEffect(() => {
    const opener = document.activeElement;
    node.current.showModal();
    return () => opener?.isConnected && opener.focus();
  }, []);
  return html`<dialog ref=${node} aria-labelledby="dialog-title" onClose=${onClose}>
    <div class="dialog-head">
      <h2 id="dialog-title" dir="auto">${title}</h2>
      <button type="button" onClick=${() => node.current.close()}>Close</button>
    </div>
    <div class="dialog-body">${children}</div>
  </dialog>`;
}

// What is asked of the service for one part of a window; asked anew when `question` changes.
export function Asked({ question, work, children }) {
  const [answer, setAnswer] = useState({});
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    let wanted = true;
    setAnswer({});
    work().then(
      (value) => wanted && setAnswer({ value }),
      (error) => wanted && setAnswer({ error }),
    );
    return () => { wanted = false; };
  }, [question, attempt]);
  if (answer.error) return html`<${ErrorText} error=${answer.error} again=${() => setAttempt(attempt + 1)} />`;
  return answer.value === undefined ? html`<p class="soft" role="status">One moment.</p>` : children(answer.value);
}
