// Writes the JSON for bertviz away from the page's thread. In: what an Attention is made of. Out: a Blob.

import { bertvizJson } from "./exports.js";
import { Attention } from "./tensor.js";

addEventListener("message", ({ data }) => {
  const attention = new Attention(data.values, data.layers, data.heads, data.tokens);
  postMessage(new Blob([bertvizJson(attention)], { type: "application/json" }));
});
