// How the attention of a text is asked for: in one call, or layer by layer where one answer would be too large for the
// server's limit, or too large to be read in one piece without the page feeling it.

export const COMFORTABLE_BYTES = 24 * 1024 * 1024;
export const MOST_BYTES = 512 * 1024 * 1024; // of all layers, what a browser's tab can hold without trouble

export function attentionBytes(model, tokens) {
  return 4 * model.layers * model.heads * tokens * tokens;
}

// [[layer, ...], ...], or an Error that says what is too much.
export function planLayers(model, tokens) {
  const all = attentionBytes(model, tokens);
  if (all > MOST_BYTES) {
    const megabytes = Math.round(all / (1 << 20));
    throw new RangeError(
      `The attention of ${tokens} tokens is ${megabytes} MB, more than this page can show. A shorter text can be shown.`,
    );
  }
  const layer = all / model.layers;
  const limit = Math.min(model.limits.maxAttentionBytes || Infinity, COMFORTABLE_BYTES);
  const each = Math.max(Math.floor(limit / layer), 1);
  const layers = Array.from({ length: model.layers }, (_, i) => i);
  const calls = [];
  while (layers.length > 0) calls.push(layers.splice(0, each));
  return calls;
}

// The error's field, in the words of the form: which of the two texts is meant?
export function fieldOfAttention(field) {
  if (/pair\.second/.test(field)) return "second";
  if (/(^|\.)model$/.test(field)) return "model";
  return "first";
}

// "input[3]" and "items[3].text" are the fourth line.
export function lineOfField(field) {
  const found = /(?:input|items)\[(\d+)\]/.exec(field);
  return found ? Number(found[1]) : null;
}
