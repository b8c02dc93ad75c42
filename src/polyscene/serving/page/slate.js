// The slate of one scenario: its places, what changed since the one before, and where to go from it.
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { html } from "./html.js";
import { buttonsOf } from "./session.js";
import { Signals, sharesOf, signed } from "./signals.js";

const STILL = matchMedia("(prefers-reduced-motion: reduce)");
const MOVE = { duration: 350, easing: "cubic-bezier(.2, .7, .3, 1)" };
const SIGNALS_SHOWN = 3;
const BUTTONS_SHOWN = 3;

export function attributesOf(item) {
  const known = Object.entries(item.attributes).filter(([, value]) => value !== null);
  return known.map(([name, value]) => (typeof value === "number" ? `${name.replaceAll("_", " ")} ${value}` : value)).join(" · ");
}

export function Slate({ session, scenario, tab }) {
  const { slates, past, skipped, focus } = session.state;
  const slate = slates[scenario.name];
  const places = slate ? slate.pages.flatMap((page) => page.items.map((item, row) => ({ item, row, page }))) : [];
  const list = useRef(null);
  useFocus(list, session, scenario.name, focus); // before anything moves, or it would look where things come from
  useMoves(list, slate);
  const whole = Math.max(...places.flatMap(({ item }) => sharesOf(item.signals).map(([, share]) => Math.abs(share))), 0.001);
  const done = past[scenario.name] ?? [];
  return html`<section class="slate" id=${`slate-${scenario.name}`} role=${tab ? "tabpanel" : "region"} aria-labelledby=${tab ?? `name-${scenario.name}`} data-scenario=${scenario.name}>
    <header><h2 id=${`name-${scenario.name}`}>${scenario.name}</h2><span class="soft">${scenario.items.toLocaleString("en")} items</span></header>
    <${Past} done=${done} />
    ${slate?.pages[0].notes.map((note) => html`<p class="soft">${note}</p>`)}
    ${slate && slate.changes.gone.length > 0 && html`<p class="soft left">Gone: <span class="gone">${slate.changes.gone.map((item) => item.title).join("; ")}</span></p>`}
    <ol class="places" ref=${list}>
      ${places.map(({ item, row, page }, order) => html`<${Place} key=${item.id} session=${session} scenario=${scenario} item=${item}
        order=${order} mark=${slate.changes.marks.get(item.id)} whole=${whole} page=${page} row=${row} />`)}
      ${slate && !places.length && html`<li class="place">Nothing is left to show.</li>`}
      ${!slate && html`<li class="place soft">One moment.</li>`}
    </ol>
    ${slate && html`<${Foot} session=${session} scenario=${scenario} slate=${slate} skipped=${skipped[scenario.name] ?? []} />`}
  </section>`;
}

function Past({ done }) {
  if (!done.length) return html`<p class="past">Nothing done here yet.</p>`;
  return html`<details class="past"><summary>Lately: ${done[0].title}${done.length > 1 && `, and ${done.length - 1} more`}</summary>
    <ol>${done.map((item) => html`<li dir="auto">${item.title}</li>`)}</ol></details>`;
}

function Place({ session, scenario, item, order, mark, whole, page, row }) {
  const node = useRef(null);
  useImpression(node, () => session.shown(page.decision, scenario.name, item.id, row), `${page.decision} ${item.id}`);
  const buttons = buttonsOf(scenario).slice(0, BUTTONS_SHOWN);
  const act = (action) => session.act(scenario.name, item, action, order);
  const kind = mark === undefined ? "" : mark === "new" ? "new" : mark > 0 ? "up" : "down";
  return html`<li ref=${node} class=${`place ${kind}`} tabindex="-1" data-id=${item.id} data-order=${order}>
    <div class="head"><span class="rank"><span class="out-of-sight">Place </span>${order + 1}</span><h3 dir="auto">${item.title}</h3><${Mark} kind=${kind} by=${mark} /></div>
    <p class="soft" dir="auto">${attributesOf(item)}</p>
    <p class="reason">${item.reason}</p>
    <${Signals} signals=${item.signals} whole=${whole} most=${SIGNALS_SHOWN} />
    <p class="soft number">score ${signed(item.score)} · propensity ${percent(item.propensity)}${item.rules && ` · rule: ${item.rules.join(", ")}`}</p>
    <div class="actions">
      ${[...buttons, "skip"].map((name, place) => html`<button type="button" class=${place === 0 && name !== "skip" ? "main" : ""} data-action=${name}
        aria-label=${`${name}: ${item.title}`} onClick=${() => act(name)}>${name}</button>`)}
      <button type="button" class="plain last" aria-label=${`Why, and what is similar: ${item.title}`}
        onClick=${() => session.open({ kind: "item", scenario, item })}>Why?</button>
    </div>
  </li>`;
}

function Mark({ kind, by }) {
  if (!kind) return null;
  if (kind === "new") return html`<span class="mark new">new</span>`;
  return html`<span class=${`mark ${kind}`}><span aria-hidden="true">${kind === "up" ? "▲" : "▼"}</span> <span class="out-of-sight">${kind} by </span>${Math.abs(by)}</span>`;
}

function Foot({ session, scenario, slate, skipped }) {
  const page = slate.pages.at(-1);
  return html`<footer>
    <div class="row">
      ${page.cursor && html`<button type="button" class="more" aria-label=${`More of ${scenario.name}`} onClick=${() => session.more(scenario.name)}>More</button>`}
      <button type="button" class="why-not" onClick=${() => session.open({ kind: "why-not", scenario, item: null })}>Why not another?</button>
      <button type="button" class="alike" aria-label=${`Who is alike in ${scenario.name}?`} onClick=${() => session.open({ kind: "alike", scenario })}>Who is alike?</button>
      ${skipped.length > 0 && html`<button type="button" class="plain" onClick=${() => session.showSkipped(scenario.name)}>Show what was skipped (${skipped.length})</button>`}
    </div>
    <p class="soft number">Made in ${slate.time} from ${page.position.toLocaleString("en")} events, policy ${page.policy.name}.${" "}
      <button type="button" class="plain decision" aria-label=${`Decision ${page.decision}: its record and replay`}
        onClick=${() => session.open({ kind: "decision", decision: page.decision })}>Decision ${page.decision.slice(0, 8)}</button></p>
  </footer>`;
}

function percent(share) {
  return share >= 0.9995 ? "100 %" : `${(100 * share).toPrecision(2)} %`;
}

// Tell that a place was in view, once for each decision.
function useImpression(node, tell, key) {
  useEffect(() => {
    const watch = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      watch.disconnect();
      tell();
    }, { threshold: 0.5 });
    watch.observe(node.current);
    return () => watch.disconnect();
  }, [key]);
}

// Let places glide from where they stood to where they stand.
function useMoves(list, slate) {
  const stood = useRef(new Map());
  useLayoutEffect(() => {
    const stand = new Map();
    for (const node of list.current.children) {
      stand.set(node.dataset.id, node.offsetTop);
      const from = stood.current.get(node.dataset.id);
      if (stood.current.size && !STILL.matches) glide(node, from, node.offsetTop);
    }
    stood.current = stand;
  }, [slate]);
}

function glide(node, from, to) {
  if (from === undefined) node.animate([{ opacity: 0 }, { opacity: 1 }], MOVE);
  else if (from !== to) node.animate([{ transform: `translateY(${from - to}px)` }, { transform: "none" }], MOVE);
}

// Focus a place without a jump where it is in view already.
export function goTo(place) {
  place?.focus({ preventScroll: true });
  place?.scrollIntoView({ block: "nearest" });
}

// Where the item that had the keyboard left or moved, the place where it stood takes over.
function useFocus(list, session, scenario, focus) {
  useLayoutEffect(() => {
    if (focus?.scenario !== scenario) return;
    const places = list.current.children;
    if (focus.always || document.activeElement === document.body) goTo(places[Math.min(focus.row, places.length - 1)]);
    session.state.focus = null;
  }, [focus]);
}
