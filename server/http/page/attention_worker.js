// Fetches attention away from the page's thread: reading 25 MB of JSON and base64 would hold up typing and scrolling.
//
// In:  {id, base, key, model, item}; a newer id ends what is under way.
// Out: {id, tokens, dropped, fingerprint} once, then {id, values, derived, layers, heads, took} or, at any time, {id, error}.

import { ApiError, call, checkStatus, native, tokenOf } from "./api.js";
import { floatsOfBase64 } from "./base64.js";
import { planLayers } from "./plan.js";
import { Attention } from "./tensor.js";

let running = null;

async function tokenize({ base, key, model, item }, signal) {
  const answer = await call({ path: native("Tokenize"), body: { model: model.name, items: [item] }, key, base, signal });
  const result = answer.results?.[0] ?? {};
  checkStatus(result.status);
  const tokens = (result.tokens ?? []).map(tokenOf);
  return { tokens, dropped: result.tokensDropped ?? 0, fingerprint: answer.modelFingerprint ?? "" };
}

async function fetchLayers({ base, key, model, item }, tokens, fingerprint, signal) {
  const n = tokens.length;
  const values = new Float32Array(model.layers * model.heads * n * n);
  for (const layers of planLayers(model, n)) {
    const body = { model: model.name, item, layers };
    const answer = await call({ path: native("GetAttention"), body, key, base, signal });
    if (answer.header?.modelFingerprint !== fingerprint) {
      throw new ApiError("refused", "The model was changed meanwhile. Ask again.");
    }
    const part = floatsOfBase64(answer.values_base64 ?? "");
    if (part.length !== layers.length * model.heads * n * n) {
      throw new ApiError("refused", `The answer has ${part.length} values, not those of ${layers.length} layers.`);
    }
    values.set(part, layers[0] * model.heads * n * n);
  }
  return values;
}

async function answer(request, signal) {
  const began = performance.now();
  const { tokens, dropped, fingerprint } = await tokenize(request, signal);
  postMessage({ id: request.id, tokens, dropped, fingerprint });
  const values = await fetchLayers(request, tokens, fingerprint, signal);
  const took = performance.now() - began;
  const { layers, heads } = request.model;
  const attention = new Attention(values, layers, heads, tokens);
  attention.rollout(layers - 1); // and with it every other one, and the means
  const { derived } = attention;
  const buffers = [values, ...derived.values()].map(({ buffer }) => buffer);
  postMessage({ id: request.id, values, derived, layers, heads, took }, buffers);
}

addEventListener("message", async ({ data }) => {
  running?.abort();
  const mine = (running = new AbortController());
  try {
    await answer(data, mine.signal);
  } catch (error) {
    const { kind = "refused", message, status = 0, code = "", field = "" } = error;
    if (kind !== "cancelled") postMessage({ id: data.id, error: { kind, message, status, code, field } });
  }
});
