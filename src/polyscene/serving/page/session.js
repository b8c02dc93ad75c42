// What the page knows and does: who is looking, which slates are there, and what came of every act.
import { changesBetween } from "./changes.js";
import { ServiceError, ask, key, newId, onConnection } from "./service.js";

const USERS = 1000;
const IMPRESSIONS_WAIT_MS = 300;
const QUIET = ["impression", "skip", "rating", "dwell"];
const NO_CHANGES = { marks: new Map(), gone: [] };

export const CONFIGURED = "as configured";
export const POLICIES = {
  [CONFIGURED]: null,
  greedy: null,
  epsilon: { name: "epsilon", usual: 0.2, least: 0, most: 1, step: 0.05 },
  plackett_luce: { name: "temperature", usual: 0.3, least: 0.01, most: 100, step: 0.05 },
};

// The actions that a click of a button can mean: not those that are measured.
export function buttonsOf(scenario) {
  return scenario.actions.filter((name) => !QUIET.includes(name));
}

export class Session {
  constructor(render) {
    this.render = render;
    this.work = Promise.resolve();
    this.waiting = 0;
    this.impressions = [];
    this.state = {
      run: "", scenarios: [], users: [], user: "", known: true, past: {}, slates: {}, skipped: {},
      choice: { policy: CONFIGURED, parameter: 0, explore: true, k: 5, seen: "" },
      busy: true, needsKey: false, error: null, away: null, status: "", dialog: null,
      scenario: "", focus: null, impressionsRefused: "",
    };
    onConnection((away) => this.set({ away }));
  }

  set(part) {
    this.state = { ...this.state, ...part };
    this.render();
  }

  // One thing after the other, so that no click is lost; what goes wrong is shown, with a way to try it again.
  do(work) {
    this.waiting += 1;
    this.work = this.work.then(async () => {
      this.set({ busy: true });
      let problem = null;
      try {
        await work();
      } catch (error) {
        problem = this.problemOf(error, () => this.do(work));
      }
      this.waiting -= 1;
      this.set({ busy: this.waiting > 0, error: problem });
    });
    return this.work;
  }

  // Return what is shown of an error. Without a key the question for one says enough; a wrong one is told.
  problemOf(error, again) {
    if (!(error instanceof ServiceError)) console.error(error);
    if (error.status !== 401) return { error, again };
    const hadKey = key.get() !== null;
    key.forget();
    this.set({ needsKey: true });
    return hadKey ? { error, again: null } : null;
  }

  start() {
    return this.do(async () => {
      const [all, people] = await Promise.all([ask("/v1/scenarios"), ask(`/v1/users?limit=${USERS}`)]);
      const scenario = all.scenarios[0]?.name ?? "";
      this.set({ needsKey: false, run: all.run, scenarios: all.scenarios, users: people.users, scenario });
      await this.turnInto(this.state.user || people.users[0] || newId("guest"));
    });
  }

  useKey(value) {
    key.set(value);
    this.set({ impressionsRefused: "" });
    return this.start();
  }

  forgetKey() {
    key.forget();
    this.set({ needsKey: true, slates: {}, past: {}, users: [], error: null, status: "The key is forgotten.", dialog: null });
  }

  become(user) {
    return this.do(() => this.turnInto(user));
  }

  async turnInto(user) {
    this.set({ user, slates: {}, past: {}, skipped: {} });
    const began = performance.now();
    await this.load();
    const who = this.state.known ? `Slates for ${user}` : `Nobody called ${user} is known yet: this suits everybody`;
    this.set({ status: `${who}, made in ${since(began)}.` });
  }

  choose(part) {
    const choice = { ...this.state.choice, ...part };
    if (part.policy && POLICIES[part.policy]) choice.parameter = POLICIES[part.policy].usual;
    this.set({ choice });
    return this.do(async () => {
      const count = await this.load();
      this.set({ status: `Chosen anew: ${changed(count)}.` });
    });
  }

  // What a slate is asked by; the question why an item is not in it is asked by the same.
  request(scenario) {
    const { user, choice, skipped } = this.state;
    const body = { user, scenario, k: choice.k, explore: choice.explore, exclude: skipped[scenario] ?? [] };
    if (choice.seen) body.seen = choice.seen;
    if (choice.policy !== CONFIGURED) {
      const parameter = POLICIES[choice.policy];
      body.policy = parameter ? { name: choice.policy, [parameter.name]: choice.parameter } : { name: choice.policy };
    }
    return body;
  }

  // Ask for all slates anew, and return how many places changed. `focus` is where the keyboard goes on.
  async load(focus = null) {
    const names = this.state.scenarios.map((one) => one.name);
    const asked = names.map(async (name) => {
      const began = performance.now();
      const slate = await ask("/v1/recommendations", this.request(name));
      return { slate, time: since(began) };
    });
    const [answers, past] = await Promise.all([
      Promise.all(asked), ask(`/v1/history?user=${encodeURIComponent(this.state.user)}`),
    ]);
    let count = 0;
    const slates = {};
    answers.forEach(({ slate, time }, row) => {
      const before = this.state.slates[names[row]]?.pages[0].items;
      const changes = before ? changesBetween(before, slate.items) : NO_CHANGES;
      count += changes.marks.size + Math.max(changes.gone.length - changes.marks.size, 0);
      slates[names[row]] = { pages: [slate], time, changes };
    });
    this.set({ slates, past: past.latest, known: past.known, focus });
    return count;
  }

  more(scenario) {
    return this.do(async () => {
      const slate = this.state.slates[scenario];
      const cursor = slate.pages.at(-1).cursor;
      const page = await ask("/v1/recommendations", { ...this.request(scenario), cursor });
      const first = slate.pages.reduce((count, one) => count + one.items.length, 0);
      const grown = { ...slate, pages: [...slate.pages, page], changes: NO_CHANGES };
      this.set({
        slates: { ...this.state.slates, [scenario]: grown }, focus: { scenario, row: first, always: true },
        status: page.items.length ? `${page.items.length} more places in ${scenario}.` : `Nothing more in ${scenario}.`,
      });
    });
  }

  // `row` is where the item stood, where the keyboard goes on if the item leaves.
  act(scenario, item, action, row = 0, value = null) {
    const began = performance.now();
    const event = { user: this.state.user, scenario, item: item.id, action, id: newId("page") };
    if (value !== null) event.value = value;
    return this.do(async () => {
      const receipt = await ask("/v1/events", event);
      const kept = since(began);
      if (action === "skip") this.skip(scenario, item.id);
      const count = await this.load({ scenario, row });
      this.set({
        status: `${action}: ${item.title}. Kept as event ${receipt.offset} in ${kept}, seen by every slate in ${since(began)}; ${changed(count)}.`,
      });
    });
  }

  skip(scenario, item) {
    const { skipped } = this.state;
    this.set({ skipped: { ...skipped, [scenario]: [...(skipped[scenario] ?? []), item] } });
  }

  showSkipped(scenario) {
    this.set({ skipped: { ...this.state.skipped, [scenario]: [] } });
    return this.do(async () => {
      const count = await this.load();
      this.set({ status: `What was skipped may come again; ${changed(count)}.` });
    });
  }

  open(dialog) {
    this.set({ dialog });
  }

  // An item was in view. Several go together, and each place of a decision once.
  shown(decision, scenario, item, row) {
    if (this.state.impressionsRefused) return;
    const id = `page-${decision}-${row}`;
    this.impressions.push({ user: this.state.user, scenario, item, action: "impression", id });
    this.flush ??= setTimeout(() => this.sendImpressions(), IMPRESSIONS_WAIT_MS);
  }

  async sendImpressions() {
    this.flush = null;
    const events = this.impressions.splice(0);
    try {
      await ask("/v1/events/batch", { events });
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      this.set({ impressionsRefused: error.message });
    }
  }
}

function since(began) {
  const time = performance.now() - began;
  return time < 10 ? `${time.toFixed(1)} ms` : `${Math.round(time)} ms`;
}

function changed(count) {
  return count === 0 ? "no place changed" : count === 1 ? "1 place changed" : `${count} places changed`;
}
