// What each signal adds to a score, as bars. Bars of one list have one scale.
import { html } from "./html.js";

const LEAST = 0.0005;

export function sharesOf(signals) {
  return Object.entries(signals)
    .filter(([, share]) => Math.abs(share) >= LEAST)
    .sort((one, other) => Math.abs(other[1]) - Math.abs(one[1]));
}

export function signed(value) {
  return value.toFixed(3).replace("-", "−");
}

// `whole` is the share that fills a bar; `most` how many signals are shown.
export function Signals({ signals, whole, most = Infinity }) {
  const shares = sharesOf(signals).slice(0, most);
  if (!shares.length) return html`<p class="soft">No signal says anything in particular.</p>`;
  const scale = whole ?? Math.abs(shares[0][1]);
  return html`<dl class="signals" aria-label="What each signal adds to the score">
    ${shares.map(([name, share]) => html`<div key=${name}>
      <dt>${name.replaceAll("_", " ")}</dt>
      <dd class="track" aria-hidden="true"><span class=${share < 0 ? "against" : ""} style=${{ width: `${Math.max((100 * Math.abs(share)) / scale, 2)}%` }}></span></dd>
      <dd>${share > 0 && "+"}${signed(share)}</dd>
    </div>`)}
  </dl>`;
}
