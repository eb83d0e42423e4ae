/** A random id. `crypto.randomUUID` exists only on pages of localhost or https, and a server may be in use without. */
export function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
