export * from "./api.js";
export { ApiError, LostAnswerError } from "./sending.js";
export type { Options, Retries } from "./sending.js";
