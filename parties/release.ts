/** Whether the bytes are all of their buffer; short ones may be a slice of a pool. */
export function ownsMemory(bytes: Uint8Array): boolean {
  return bytes.length > 0 && bytes.buffer.byteLength === bytes.length;
}

/**
 * Gives the memory of bytes that nobody needs any more back now, where it is theirs alone. Left to the
 * collector, it would have to come for every few megabytes of a large share.
 */
export function release(bytes: Uint8Array): void {
  if (ownsMemory(bytes)) (bytes.buffer as ArrayBuffer).transfer(0);
}
