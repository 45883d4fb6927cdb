// Ids that are made here, so that sending a decision twice records it once.

/** A UUID of version 7: sorts by time. */
export function uuid7(now = Date.now()): string {
  // randomUUID is not there when the page comes over plain HTTP from another machine.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  for (let k = 0; k < 6; k++) bytes[k] = Math.floor(now / 2 ** (8 * (5 - k))) % 256;
  bytes[6] = (bytes[6]! & 0x0f) | 0x70;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = [...bytes].map((b) => b.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
