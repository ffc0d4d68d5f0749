/** The payloads of web socket frames in one direction of a recorded connection, unmasked (RFC 6455, section 5). */
export function unmaskedWebSocketData(stream: Buffer): Buffer {
  const head = stream.indexOf("\r\n\r\n");
  const isUpgrade = head >= 0 && /upgrade: websocket/i.test(stream.subarray(0, head).toString("latin1"));
  if (!isUpgrade) return Buffer.alloc(0);
  const payloads: Buffer[] = [];
  let at = head + 4;
  while (at + 2 <= stream.length) {
    let length = stream[at + 1] & 0x7f;
    const masked = (stream[at + 1] & 0x80) !== 0;
    at += 2;
    if (length === 126) {
      length = stream.readUInt16BE(at);
      at += 2;
    } else if (length === 127) {
      length = Number(stream.readBigUInt64BE(at));
      at += 8;
    }
    const mask = masked ? stream.subarray(at, at + 4) : Buffer.alloc(4);
    if (masked) at += 4;
    const payload = Buffer.from(stream.subarray(at, at + length));
    for (let i = 0; i < payload.length; i++) payload[i] ^= mask[i & 3];
    payloads.push(payload);
    at += length;
  }
  return Buffer.concat(payloads);
}
