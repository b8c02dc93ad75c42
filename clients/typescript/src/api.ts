// Written by generate.py from the OpenAPI description. Do not change it by hand.

import { Sender, segment } from "./sending.js";

/** Which run answers now, and which did before; `verdict` says how they compare. */
export type Activation = {
  run: string;
  before: string;
  forced: boolean;
  verdict: string;
};

/** What the value of one attribute must be: all of what is said. An unknown value meets none of it. */
export type Condition = {
  /** exactly this */
  is?: string | number | null;
  /** one of these */
  any_of?: Array<string | number> | null;
  /** known, and none of these */
  none_of?: Array<string | number> | null;
  /** of several, as 'jazz, soul': one is this */
  has?: string | null;
  /** this number or more */
  at_least?: number | null;
  /** this number or less */
  at_most?: number | null;
  /** whether there is a value */
  known?: boolean | null;
};

/** What was decided for a slate: the request, all candidates with their scores, and what was shown. */
export type Decision = {
  decision: string;
  /** Microseconds since 1970, UTC. */
  time: number;
  user: string;
  scenario: string;
  run: string;
  position: number;
  k: number;
  candidates: Array<string> | null;
  scores: Array<number>;
  slate: Array<string>;
  places: Array<number>;
  propensities: Array<number>;
  said: Array<string>;
  exclude: Array<string>;
  only: Array<string> | null;
  history: Array<string> | null;
  context: Record<string, unknown>;
  filter: Record<string, unknown>;
  seen: string | null;
  earlier: Array<string>;
  rules_version: string;
  effects: Array<Effect>;
  reasons?: boolean;
  user_known?: boolean;
  policy?: Record<string, unknown>;
  seed?: number;
  page?: number;
};

/** What a rule did to a slate: how many items it concerns, and by how much; `note`: why it did nothing. */
export type Effect = {
  rule: string;
  kind: string;
  items: number;
  amount: number;
  note?: string;
};

/** The receipt of an erasure; where `complete` is false, the runs in `failed` still hold the user. */
export type Erasure = {
  id: string;
  /** Microseconds since 1970, UTC. */
  time: number;
  salt: string;
  sha256: string;
  complete: boolean;
  entries: number;
  decisions: number;
  runs: Array<string>;
  failed: Array<string>;
  stays: Array<string>;
};

export type Error = {
  error: {
  code: "bad_request" | "unauthorised" | "forbidden" | "not_found" | "unknown_id" | "method_not_allowed" | "too_slow" | "conflict" | "too_large" | "unsupported_media_type" | "invalid" | "events_refused" | "too_many_requests" | "internal" | "overloaded" | "store_unavailable" | "model_unavailable";
  message: string;
  details: Array<{
  where: string;
  message: string;
}>;
};
};

/** A user did something to an item in a scenario. */
export type EventBody = {
  user: string;
  item: string;
  scenario: string;
  action?: string;
  /** A rating, seconds, an amount: what the action measures. */
  value?: number | null;
  /** ISO 8601; without an offset it is UTC. Left out: now, or next where only order counts. */
  time?: string | null;
  /** By which the event is known again if it is sent twice. */
  id?: string | null;
};

/** Events that are taken together or not at all. */
export type EventsBody = {
  events: Array<EventBody>;
};

/** Why an item stands where it stands; `rank` is null where it may not be shown. */
export type Explanation = {
  user: string;
  scenario: string;
  item: Item;
  rank: number | null;
  candidates: number;
  score: number;
  reason: string;
  /** By signal: what it adds to the score. */
  shares: Record<string, number>;
  /** By signal: its own score. */
  scores: Record<string, number>;
  past: Array<PastItem>;
  /** Which share of the item's vector is its text, each attribute, each medium. */
  parts: Record<string, number>;
};

/** All fields or some. */
export type FieldsBody = {
  /** By the names of the columns of the table; null: missing. */
  fields: Record<string, boolean | number | string | Array<boolean | number | string> | null>;
};

/** The latest items of a user by scenario, newest first. */
export type History = {
  user: string;
  known: boolean;
  latest: Record<string, Array<Item>>;
};

/** An item as people see it. */
export type Item = {
  id: string;
  title: string;
  attributes: Record<string, unknown>;
};

/** An item was changed: it is on the disk, and every later request sees it. */
export type ItemChange = {
  scenario: string;
  item: string;
  offset: number;
};

/** All that is known of an item. */
export type ItemDetails = {
  id: string;
  title: string;
  attributes: Record<string, unknown>;
  scenario: string;
  /** As the language model reads it. */
  text: string;
  fields: Record<string, unknown>;
  not_kept: Array<string>;
  /** Which share of its vector is its text, each attribute, each medium; empty: all text. */
  parts: Record<string, number>;
  /** By attribute: values that training never met; they count as missing. */
  unknown: Record<string, Array<string>>;
};

/** A list that is the same for everybody, best first. */
export type ItemList = {
  scenario: string;
  items: Array<ListedItem>;
};

/** One move of an item; `length` and distances in units of the vector that its text gives it. */
export type ItemMove = {
  kind: "compared" | "described" | "own" | "rolled_back";
  time: number;
  offset: number | null;
  person: number | null;
  action: string | null;
  length: number;
  distance_before: number;
  distance_after: number;
  bias_before: number;
  bias_after: number;
  nearest_before: Array<Neighbour>;
  nearest_after: Array<Neighbour>;
};

/** A page of items; `next` leads to the one behind it. */
export type ItemsPage = {
  scenario: string;
  items: Array<StoredItem>;
  next: number | null;
};

/** How far a job is: of its `rows` so many were `read`, which are `taken` or `refused`. */
export type Job = {
  id: string;
  scenario: string;
  /** Microseconds since 1970, UTC. */
  made: number;
  rows: number;
  status: "cancelled" | "done" | "failed" | "running" | "waiting";
  read: number;
  taken: number;
  refused: number;
  refusals: Array<Refusal>;
  fault: string | null;
};

/** The latest jobs, latest first. */
export type Jobs = {
  jobs: Array<Job>;
};

/** An item of a list that is the same for everybody. */
export type ListedItem = {
  id: string;
  title: string;
  attributes: Record<string, unknown>;
  score: number;
  reason: string;
};

/** The process answers. */
export type Live = {
  status: "live";
};

/** A run of the project; one that is not `usable` has no more than its name. */
export type Model = {
  run: string;
  active: boolean;
  usable: boolean;
  made?: string;
  learned_from?: unknown;
  scenarios?: Array<string>;
  judged?: boolean;
  /** By scenario and metric. */
  metrics?: Record<string, Record<string, number | null>>;
  intervals?: Record<string, Record<string, unknown>>;
};

/** The runs of the project, oldest first. */
export type Models = {
  models: Array<Model>;
};

/** How an item has moved: its longest moves in their order, who moved it furthest, and a curve. */
export type Movement = {
  scenario: string;
  item: string;
  title: string;
  clock: "sequence" | "time";
  distance: number | null;
  bias: number | null;
  /** By what moved it. */
  kinds: Record<string, Share>;
  moves: Array<ItemMove>;
  people: Array<Mover>;
  n_people: number;
  curve: Array<[number, number, number]>;
  nearest: Array<Neighbour>;
  gap: number;
  notes: Array<string>;
  seconds: number;
};

/** How somebody moved an item. */
export type Mover = {
  moves: number;
  path: number;
  person: number;
};

/** An item near another. */
export type Neighbour = {
  id: string;
  title: string;
};

/** What keeps an item out, in words, and the least that takes it away. */
export type Obstacle = {
  stage: string;
  sentence: string;
  change: Record<string, unknown>;
};

/** What a user did that stands behind an item, and the signal that says so. */
export type PastItem = {
  id: string;
  title: string;
  attributes: Record<string, unknown>;
  signal: string;
};

/** A slate of the past. */
export type PastSlate = {
  decision: string;
  /** Microseconds since 1970, UTC. */
  time: number;
  scenario: string;
  run: string;
  slate: Array<string>;
};

/** The latest slates of a user, latest first. */
export type PastSlates = {
  user: string;
  decisions: Array<PastSlate>;
};

/** One place of a slate; `reason` and `signals` are empty where no reasons were asked for. */
export type Place = {
  id: string;
  title: string;
  attributes: Record<string, unknown>;
  score: number;
  /** With which the policy put the item here. */
  propensity: number;
  rules?: Array<string>;
  reason?: string;
  signals?: Record<string, number>;
};

/** A policy with what it may be told: `{ name = "epsilon", epsilon = 0.05 }`, or the bare name. */
export type PolicyChoice = {
  name?: string;
  [more: string]: unknown;
};

/** What to expect of an item: `next_choice`, and what the signal `multitask` predicts, by objective. */
export type Prediction = {
  item: string;
  /** A probability in [0, 1], or a value in its own unit. */
  predictions: Record<string, number>;
};

/** Items of which somebody wants to know how likely they are. */
export type PredictionBody = {
  user: string;
  /** May be left out where there is only one. */
  scenario?: string | null;
  items: Array<string>;
  /** Items, oldest first, in place of what the user did: a visit without an account. */
  history?: Array<string> | null;
};

/** What to expect of given items, in their order. */
export type Predictions = {
  user: string;
  scenario: string;
  run: string;
  items: Array<Prediction>;
};

/** Whether requests can be sent here; of several tenants, how many there are and have problems. */
export type Ready = {
  status: "not ready" | "ready" | "stopping";
  problems: number;
  tenants?: number;
  run?: string;
  behind?: string | null;
  encoder?: string;
  offset?: number;
  replayed?: number;
  unfit?: number;
  waiting?: number;
};

/** What became of events: each is on the disk, and every later request sees it. */
export type Receipt = {
  /** Events that were new. */
  accepted: number;
  /** Events that had come before by their id. */
  duplicates: number;
  /** Whether the request had come before by its key. */
  repeated: boolean;
  /** Place of the log's last event. */
  offset: number;
};

/** What is asked. */
export type RecommendationBody = {
  user: string;
  /** May be left out where there is only one. */
  scenario?: string | null;
  /** How many items at most. */
  k?: number;
  /** Items that shall not be shown. */
  exclude?: Array<string>;
  /** Items that the slate shall consist of; left out: any. */
  only?: Array<string> | null;
  /** Items, oldest first, in place of what the user did: a visit without an account. */
  history?: Array<string> | null;
  /** As `history`, with actions, which count as the scenario weighs them. */
  events?: Array<VisitEventBody> | null;
  /** How the slate is chosen: greedy, epsilon, plackett_luce, ucb, thompson, guarded, learned, or a plug-in's; left out: as the scenario is configured. */
  policy?: PolicyChoice | null;
  /** False: the best in their order, whatever the policy. */
  explore?: boolean;
  /** Facts about the request; rules may look at them, and the decision keeps them. */
  context?: Record<string, boolean | string | number>;
  /** Conditions on attributes, all of which hold. */
  filter?: Record<string, Condition>;
  /** What the user had; left out: as the scenario does. */
  seen?: "hide" | "allow" | null;
  /** Of the page before: nothing that the pages before have shown comes again. */
  cursor?: string | null;
  /** Whether every place gets its reason; without, it is faster. */
  reasons?: boolean;
};

/** A row that was not taken: its number, from 1, and why. */
export type Refusal = {
  row: number;
  reason: string;
};

/** A past slate drawn again: whether it is the `same`, and computed again where that can be. */
export type Replay = {
  decision: string;
  same: boolean;
  slate: Array<string>;
  places: Array<number>;
  propensities: Array<number>;
  recomputed: boolean;
  recomputed_same: boolean | null;
  why_not_recomputed: string | null;
};

/** An item was set back: how many of its events were undone; `exact`: as it was, to the last bit. */
export type Rollback = {
  scenario: string;
  item: string;
  offset: number;
  undone: number;
  exact: boolean;
  before: Standing;
  after: Standing;
  seconds: number;
};

/** To which moment an item is set back: a time, or an offset of the log. */
export type RollbackBody = {
  /** ISO 8601; events of the scenario after it do not count. */
  to?: string | null;
  /** The last one of the log that counts. */
  offset?: number | null;
};

/** The rules that hold, and the version by which decisions name them. */
export type Rules = {
  scenario: string;
  version: string;
  rules: Array<Record<string, unknown>>;
};

/** All rules of a scenario. */
export type RulesBody = {
  /** As in the configuration, in their order. */
  rules: Array<Record<string, unknown>>;
};

/** The rules that hold now; `doubts` names what may be meant otherwise. */
export type RulesChange = {
  scenario: string;
  version: string;
  rules: Array<Record<string, unknown>>;
  doubts: Array<string>;
};

/** A scenario: how many items it has, and which actions it knows. */
export type Scenario = {
  name: string;
  items: number;
  actions: Array<string>;
};

/** The run that answers, and its scenarios. */
export type Scenarios = {
  run: string;
  scenarios: Array<Scenario>;
};

/** How many moves there were, and their lengths together. */
export type Share = {
  moves: number;
  path: number;
};

/** The items most like one item, best first. */
export type SimilarItems = {
  scenario: string;
  item: string;
  items: Array<Place>;
};

/** The users most like one user, best first. */
export type SimilarUsers = {
  user: string;
  users: Array<UserLikeness>;
};

/** What is recommended, best first; `cursor` asks for the next page. */
export type Slate = {
  /** By which the slate can be looked up and drawn again. */
  decision: string;
  user: string;
  scenario: string;
  run: string;
  /** How many events were known. */
  position: number;
  policy: Record<string, unknown>;
  cursor: string | null;
  rules: Array<Effect>;
  user_known: boolean;
  notes: Array<string>;
  items: Array<Place>;
};

/** Where an item stands: its distance from its text, its bias, and what is nearest. */
export type Standing = {
  distance: number | null;
  bias: number | null;
  nearest: Array<Neighbour>;
};

/** An item by the columns of its table; `not_kept` names those of its text that the run does not keep. */
export type StoredItem = {
  id: string;
  fields: Record<string, unknown>;
  not_kept: Array<string>;
};

/** A file in which the bytes of an id occur, or that could not be read wholly. */
export type Trace = {
  file: string;
  cells: number;
  places: Array<string>;
  encodings: Array<string>;
  bytes: number;
  words: Array<string>;
  certain: boolean;
  note: string | null;
};

/** The fields of a user, and the scenarios in which anything is known of them. */
export type User = {
  user: string;
  known_in: Array<string>;
  fields: Record<string, unknown>;
};

/** A user's fields were changed: they are on the disk. */
export type UserChange = {
  user: string;
  offset: number;
};

/** A user, and the cosine of their vector. */
export type UserLikeness = {
  id: string;
  score: number;
};

/** A page of the ids of users; `next` leads to the one behind it. */
export type UsersPage = {
  users: Array<string>;
  next: number | null;
};

/** A receipt; where `searched`, whether all is `clean`, and what was met in which file. */
export type VerifiedErasure = {
  id: string;
  /** Microseconds since 1970, UTC. */
  time: number;
  salt: string;
  sha256: string;
  complete: boolean;
  entries: number;
  decisions: number;
  runs: Array<string>;
  failed: Array<string>;
  stays: Array<string>;
  searched: boolean;
  clean?: boolean;
  files?: number;
  tables?: number;
  kept?: Record<string, number>;
  traces?: Array<Trace>;
};

/** What somebody without an account did during this visit. */
export type VisitEventBody = {
  item: string;
  action?: string;
};

/** What keeps an item out of a slate; `obstacles` is empty where it is in it, at `place`. */
export type WhyNot = {
  user: string;
  item: string;
  scenario: string;
  place: number | null;
  rank: number | null;
  score: number | null;
  /** What its score lacks for the last place. */
  missing: number | null;
  obstacles: Array<Obstacle>;
  /** Whether all changes together bring it in. */
  enough: boolean | null;
};

/** A request, and the item that is missed in its slate. */
export type WhyNotBody = {
  user: string;
  /** May be left out where there is only one. */
  scenario?: string | null;
  /** How many items at most. */
  k?: number;
  /** Items that shall not be shown. */
  exclude?: Array<string>;
  /** Items that the slate shall consist of; left out: any. */
  only?: Array<string> | null;
  /** Items, oldest first, in place of what the user did: a visit without an account. */
  history?: Array<string> | null;
  /** As `history`, with actions, which count as the scenario weighs them. */
  events?: Array<VisitEventBody> | null;
  /** How the slate is chosen: greedy, epsilon, plackett_luce, ucb, thompson, guarded, learned, or a plug-in's; left out: as the scenario is configured. */
  policy?: PolicyChoice | null;
  /** False: the best in their order, whatever the policy. */
  explore?: boolean;
  /** Facts about the request; rules may look at them, and the decision keeps them. */
  context?: Record<string, boolean | string | number>;
  /** Conditions on attributes, all of which hold. */
  filter?: Record<string, Condition>;
  /** What the user had; left out: as the scenario does. */
  seen?: "hide" | "allow" | null;
  /** Of the page before: nothing that the pages before have shown comes again. */
  cursor?: string | null;
  /** Whether every place gets its reason; without, it is faster. */
  reasons?: boolean;
  item: string;
};

/** Asks a service: a method for every endpoint. */
export class Client extends Sender {
  /** Send one event */
  sendEvent(body: EventBody, key?: string): Promise<Receipt> {
    return this.json({ method: "POST", path: `/v1/events`, repeat: true, body, keyed: true, key });
  }

  /** Send many events */
  sendEvents(body: EventsBody, key?: string): Promise<Receipt> {
    return this.json({ method: "POST", path: `/v1/events/batch`, repeat: true, body, keyed: true, key });
  }

  /** Ask for a slate */
  recommend(body: RecommendationBody): Promise<Slate> {
    return this.json({ method: "POST", path: `/v1/recommendations`, repeat: true, body });
  }

  /** Ask for items like one item */
  similarItems(scenario: string, item: string, query: { k?: number } = {}): Promise<SimilarItems> {
    return this.json({ method: "GET", path: `/v1/items/${segment(scenario)}/${segment(item)}/similar`, repeat: true, query });
  }

  /** List the items of a scenario */
  listItems(scenario: string, query: { limit?: number; after?: number } = {}): Promise<ItemsPage> {
    return this.json({ method: "GET", path: `/v1/items/${segment(scenario)}`, repeat: true, query });
  }

  /** Ask what is known of an item */
  getItem(scenario: string, item: string): Promise<ItemDetails> {
    return this.json({ method: "GET", path: `/v1/items/${segment(scenario)}/${segment(item)}`, repeat: true });
  }

  /** Put an item */
  putItem(scenario: string, item: string, body: FieldsBody): Promise<ItemChange> {
    return this.json({ method: "PUT", path: `/v1/items/${segment(scenario)}/${segment(item)}`, repeat: true, body });
  }

  /** Change some fields of an item */
  patchItem(scenario: string, item: string, body: FieldsBody): Promise<ItemChange> {
    return this.json({ method: "PATCH", path: `/v1/items/${segment(scenario)}/${segment(item)}`, repeat: true, body });
  }

  /** Take an item out */
  deleteItem(scenario: string, item: string): Promise<ItemChange> {
    return this.json({ method: "DELETE", path: `/v1/items/${segment(scenario)}/${segment(item)}`, repeat: false });
  }

  /** Put many items */
  putItems(scenario: string, lines: readonly object[]): Promise<Job> {
    return this.json({ method: "POST", path: `/v1/items/${segment(scenario)}/bulk`, repeat: false, lines });
  }

  /** Ask how an item has moved */
  movement(scenario: string, item: string, query: { limit?: number; since?: string | null; until?: string | null } = {}): Promise<Movement> {
    return this.json({ method: "GET", path: `/v1/items/${segment(scenario)}/${segment(item)}/movement`, repeat: true, query, slow: true });
  }

  /** Set an item back */
  rollBackItem(scenario: string, item: string, body: RollbackBody): Promise<Rollback> {
    return this.json({ method: "POST", path: `/v1/items/${segment(scenario)}/${segment(item)}/rollback`, repeat: true, body, slow: true });
  }

  /** Ask how likely given items are chosen next */
  predict(body: PredictionBody): Promise<Predictions> {
    return this.json({ method: "POST", path: `/v1/predictions`, repeat: true, body });
  }

  /** Ask why an item stands where it stands */
  explain(query: { user: string; item: string; scenario?: string | null }): Promise<Explanation> {
    return this.json({ method: "GET", path: `/v1/explanations`, repeat: true, query });
  }

  /** Ask why an item is not in a slate */
  whyNot(query: { user: string; item: string; scenario?: string | null; k?: number; seen?: "hide" | "allow" | null }): Promise<WhyNot> {
    return this.json({ method: "GET", path: `/v1/explanations/why-not`, repeat: true, query });
  }

  /** Ask why an item is not in the slate of a whole request */
  whyNotOf(body: WhyNotBody): Promise<WhyNot> {
    return this.json({ method: "POST", path: `/v1/explanations/why-not`, repeat: true, body });
  }

  /** List the past slates of a user */
  pastSlates(user: string, query: { limit?: number } = {}): Promise<PastSlates> {
    return this.json({ method: "GET", path: `/v1/users/${segment(user)}/decisions`, repeat: true, query });
  }

  /** Look up a past slate */
  decision(decision: string): Promise<Decision> {
    return this.json({ method: "GET", path: `/v1/decisions/${segment(decision)}`, repeat: true });
  }

  /** Draw a past slate again */
  replay(decision: string): Promise<Replay> {
    return this.json({ method: "GET", path: `/v1/decisions/${segment(decision)}/replay`, repeat: true });
  }

  /** List the scenarios */
  scenarios(): Promise<Scenarios> {
    return this.json({ method: "GET", path: `/v1/scenarios`, repeat: true });
  }

  /** Ask what is popular */
  popular(scenario: string, query: { k?: number } = {}): Promise<ItemList> {
    return this.json({ method: "GET", path: `/v1/scenarios/${segment(scenario)}/popular`, repeat: true, query });
  }

  /** Ask what is new */
  latest(scenario: string, query: { k?: number } = {}): Promise<ItemList> {
    return this.json({ method: "GET", path: `/v1/scenarios/${segment(scenario)}/latest`, repeat: true, query });
  }

  /** Ask for users like one user */
  similarUsers(user: string, query: { scenario?: string | null; k?: number } = {}): Promise<SimilarUsers> {
    return this.json({ method: "GET", path: `/v1/users/${segment(user)}/similar`, repeat: true, query });
  }

  /** Ask what a user did lately */
  history(query: { user: string }): Promise<History> {
    return this.json({ method: "GET", path: `/v1/history`, repeat: true, query });
  }

  /** Give a user all that is known of them */
  exportUser(user: string): AsyncGenerator<Record<string, unknown>> {
    return this.stream({ method: "GET", path: `/v1/users/${segment(user)}/export`, repeat: true, slow: true });
  }

  /** Erase a user */
  eraseUser(user: string): Promise<Erasure> {
    return this.json({ method: "POST", path: `/v1/users/${segment(user)}/erasure`, repeat: false, slow: true });
  }

  /** Verify an erasure */
  verifyErasure(receipt: string, query: { user?: string | null } = {}): Promise<VerifiedErasure> {
    return this.json({ method: "GET", path: `/v1/erasures/${segment(receipt)}`, repeat: true, query, slow: true });
  }

  /** List the users */
  listUsers(query: { limit?: number; after?: number } = {}): Promise<UsersPage> {
    return this.json({ method: "GET", path: `/v1/users`, repeat: true, query });
  }

  /** Ask what is known of a user */
  getUser(user: string): Promise<User> {
    return this.json({ method: "GET", path: `/v1/users/${segment(user)}`, repeat: true });
  }

  /** Put the fields of a user */
  putUser(user: string, body: FieldsBody): Promise<UserChange> {
    return this.json({ method: "PUT", path: `/v1/users/${segment(user)}`, repeat: true, body });
  }

  /** Change some fields of a user */
  patchUser(user: string, body: FieldsBody): Promise<UserChange> {
    return this.json({ method: "PATCH", path: `/v1/users/${segment(user)}`, repeat: true, body });
  }

  /** Remove the fields of a user */
  deleteUser(user: string): Promise<UserChange> {
    return this.json({ method: "DELETE", path: `/v1/users/${segment(user)}`, repeat: false });
  }

  /** List the latest jobs */
  listJobs(query: { limit?: number } = {}): Promise<Jobs> {
    return this.json({ method: "GET", path: `/v1/jobs`, repeat: true, query });
  }

  /** Ask how far a job is */
  getJob(job: string): Promise<Job> {
    return this.json({ method: "GET", path: `/v1/jobs/${segment(job)}`, repeat: true });
  }

  /** Cancel a job */
  cancelJob(job: string): Promise<Job> {
    return this.json({ method: "POST", path: `/v1/jobs/${segment(job)}/cancel`, repeat: true });
  }

  /** List the runs */
  listModels(): Promise<Models> {
    return this.json({ method: "GET", path: `/v1/models`, repeat: true });
  }

  /** Go back to the run before */
  rollBackModel(): Promise<Activation> {
    return this.json({ method: "POST", path: `/v1/models/rollback`, repeat: false, slow: true });
  }

  /** Let a run answer */
  activateModel(run: string, query: { force?: boolean } = {}): Promise<Activation> {
    return this.json({ method: "POST", path: `/v1/models/${segment(run)}/activate`, repeat: false, query, slow: true });
  }

  /** Ask for the rules of a scenario */
  getRules(scenario: string): Promise<Rules> {
    return this.json({ method: "GET", path: `/v1/rules/${segment(scenario)}`, repeat: true });
  }

  /** Replace the rules of a scenario */
  putRules(scenario: string, body: RulesBody): Promise<RulesChange> {
    return this.json({ method: "PUT", path: `/v1/rules/${segment(scenario)}`, repeat: true, body });
  }

  /** Go back to the configured rules */
  deleteRules(scenario: string): Promise<RulesChange> {
    return this.json({ method: "DELETE", path: `/v1/rules/${segment(scenario)}`, repeat: true });
  }

  /** Does the process answer? */
  live(): Promise<Live> {
    return this.json({ method: "GET", path: `/health/live`, repeat: true });
  }

  /** Can requests be sent here? */
  ready(): Promise<Ready> {
    return this.json({ method: "GET", path: `/health/ready`, repeat: true, answers: [503] });
  }

  /** Measurements for Prometheus */
  metrics(): Promise<string> {
    return this.text({ method: "GET", path: `/metrics`, repeat: true });
  }
}
