// The server's HTTP interface, and what can go wrong with it: every failure is an ApiError that says what, where and why.
// It works in the page and in its worker. Native answers are protobuf's JSON: a field at its default is not there.

export class ApiError extends Error {
  // kind: "refused" (the server said no), "key" (it wants one, or another), "lost" (no answer), "cancelled".
  constructor(kind, message, { status = 0, code = "", field = "" } = {}) {
    super(message);
    Object.assign(this, { kind, status, code, field });
  }
}

// The three shapes of an error's body: native, OpenAI's, and anything else.
export function errorOf(status, text) {
  let error = {};
  try {
    error = JSON.parse(text)?.error ?? {};
  } catch {
    // Not ours: a proxy's page, perhaps.
  }
  if (typeof error === "string") error = { message: error };
  const message = error.message || `The server answered ${status} without saying why.`;
  // A proxy that cannot reach the server is as good as no answer.
  const kind = status === 401 ? "key" : [502, 504].includes(status) || (status === 503 && !error.message) ? "lost" : "refused";
  return new ApiError(kind, message, { status, code: String(error.code ?? error.type ?? ""), field: error.field || error.param || "" });
}

async function read(response, how) {
  if (!response.ok) throw errorOf(response.status, await response.text());
  return how === "text" ? response.text() : response.json();
}

// request: {path, body, key, base, signal, read}. base: the page's own address; paths are relative to it, so that the page
// also works below a prefix of a proxy.
export async function call({ path, body, key, base, signal, read: how = "json" }) {
  const headers = {};
  if (key) headers.Authorization = `Bearer ${key}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  try {
    const response = await fetch(new URL(path, base), {
      method: body === undefined ? "GET" : "POST",
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal,
      cache: "no-store",
    });
    return await read(response, how);
  } catch (error) {
    if (error instanceof ApiError) throw error;
    if (signal?.aborted || error.name === "AbortError") throw new ApiError("cancelled", "cancelled");
    if (error instanceof SyntaxError) throw new ApiError("refused", `The answer cannot be read: ${error.message}`);
    throw new ApiError("lost", "The server does not answer.");
  }
}

export const native = (method) => `attendant/v1/${method}`;

export function tokenOf(json) {
  return {
    id: json.id ?? 0,
    text: json.text ?? "",
    special: json.special ?? false,
    typeId: json.typeId ?? 0,
    start: json.start ?? 0,
    end: json.end ?? 0,
  };
}

export function modelOf(json) {
  const limits = json.limits ?? {};
  return {
    name: json.name ?? "",
    fingerprint: json.fingerprint ?? "",
    architecture: json.architecture ?? "",
    precision: json.precision ?? "",
    kernels: json.kernels ?? "",
    dimension: json.dimension ?? 0,
    layers: json.numLayers ?? 0,
    heads: json.numHeads ?? 0,
    maxTokens: json.maxTokens ?? 0,
    vocabulary: json.vocabSize ?? 0,
    pooling: (json.pooling ?? []).map((name) => name.replace("POOLING_", "").toLowerCase()),
    normalize: json.normalize ?? false,
    state: (json.state ?? "").replace("MODEL_STATE_", "").toLowerCase(),
    stateReason: json.stateReason ?? "",
    isDefault: json.isDefault ?? false,
    loadedMs: Number(json.loadedUnixMs ?? 0),
    limits: Object.fromEntries(Object.entries(limits).map(([name, value]) => [name, Number(value)])),
  };
}

// The item's own error, if it has one.
export function checkStatus(status) {
  if (!status?.code) return;
  throw new ApiError("refused", status.message ?? "The server refuses this.", { status: 400, field: status.field ?? "" });
}
