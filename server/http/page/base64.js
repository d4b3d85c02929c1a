// Base64 to float32, as the server writes tensors: little-endian, row-major.

const VALUES = new Uint8Array(256).fill(255);
for (let i = 0; i < 64; ++i) {
  VALUES["ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".charCodeAt(i)] = i;
}

// Throws a SyntaxError for what is not base64.
export function bytesOfBase64(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  const digits = text.length - padding;
  if (text.length % 4 !== 0) throw new SyntaxError(`base64 of ${text.length} characters`);
  const bytes = new Uint8Array((text.length / 4) * 3 - padding);
  let bits = 0;
  let held = 0;
  let at = 0;
  for (let i = 0; i < digits; ++i) {
    const value = VALUES[text.charCodeAt(i) & 255];
    if (value === 255 || text.charCodeAt(i) > 255) throw new SyntaxError(`no base64 at character ${i}`);
    held = ((held << 6) | value) & 0xffffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      if (at < bytes.length) bytes[at++] = (held >> bits) & 255;
    }
  }
  return bytes;
}

export function floatsOfBase64(text) {
  const bytes = bytesOfBase64(text);
  if (bytes.length % 4 !== 0) throw new SyntaxError(`${bytes.length} bytes are no whole number of floats`);
  if (new Uint8Array(new Uint32Array([1]).buffer)[0] === 1) return new Float32Array(bytes.buffer, 0, bytes.length / 4);
  const view = new DataView(bytes.buffer);
  return Float32Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(i * 4, true));
}
