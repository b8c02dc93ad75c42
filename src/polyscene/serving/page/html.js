// The one place that knows how markup in the modules becomes elements. Texts become text nodes, never markup.
import htm from "htm";
import { h } from "preact";

export const html = htm.bind(h);
