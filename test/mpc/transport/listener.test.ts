/** Who is taken for the expected peer, one connection at a time. */
import { connect } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Channel } from "../../../mpc/transport/channel.ts";
import { dialPeer } from "../../../mpc/transport/dial.ts";
import { Handshake, handshakeMessageBytes, handshakePrologue } from "../../../mpc/transport/handshake.ts";
import { encodeHello } from "../../../mpc/transport/hello.ts";
import { generateX25519 } from "../../../mpc/transport/keys.ts";
import { MeshListener } from "../../../mpc/transport/listener.ts";

const listener = new MeshListener();
const [peer, own] = [generateX25519(), generateX25519()];
let address: { host: string; port: number };
beforeAll(async () => {
  address = await listener.listen({ host: "127.0.0.1", port: 0 });
});
afterAll(() => listener.close());

let contexts = 0;

function expectPeer() {
  contexts += 1;
  const contextId = Buffer.alloc(32, contexts);
  const channels: Channel[] = [];
  const stop = listener.expect({
    contextId,
    from: 1,
    to: 2,
    staticPrivateKey: own.privateKey,
    peerPublicKey: peer.publicKey,
    onChannel: (channel) => channels.push(channel),
    onRefused: () => {},
  });
  const dial = () =>
    dialPeer({
      ...address,
      contextId,
      from: 1,
      to: 2,
      staticPrivateKey: peer.privateKey,
      peerPublicKey: own.publicKey,
      deadline: performance.now() + 100,
      signal: new AbortController().signal,
    });
  return { contextId, channels, stop, dial };
}

const settle = () => new Promise((resolve) => setTimeout(resolve, 30));

test("a handshake without confirmation, as a replay would be, does not take the peer's place", async () => {
  const { contextId, channels, dial } = expectPeer();
  const handshake = new Handshake({
    role: "initiator",
    prologue: handshakePrologue(contextId, 1, 2),
    staticPrivateKey: peer.privateKey,
    peerPublicKey: own.publicKey,
  });
  const socket = connect(address);
  socket.write(encodeHello({ contextId, from: 1, to: 2, message: handshake.writeMessage() }));
  let answered = 0;
  socket.on("data", (chunk) => {
    answered += chunk.length;
  });
  while (answered < handshakeMessageBytes) await settle();
  await settle();
  expect(channels.length).toBe(0);
  expect(listener.strangers).toBe(1);
  await dial();
  await settle();
  expect(channels.length).toBe(1);
  socket.destroy();
});

test("of two connections of the peer one is taken and the other closed", async () => {
  const { channels, dial } = expectPeer();
  const events: string[] = [];
  const [one, two] = await Promise.all([dial(), dial()]);
  for (const { channel } of [one, two]) {
    channel.observe({
      onFrame: () => events.push("frame"),
      onEnd: () => events.push("end"),
      onAbort: () => events.push("abort"),
      onFailure: (error) => events.push(error.code),
    });
  }
  await settle();
  expect(channels.length).toBe(1);
  expect(events).toEqual(["PEER_LOST"]);
  expect(listener.strangers).toBe(0);
});

test("who is no longer expected is not answered", async () => {
  const { channels, dial, stop } = expectPeer();
  stop();
  await expect(dial()).rejects.toMatchObject({ code: "PEER_TIMEOUT" });
  expect(channels.length).toBe(0);
});
