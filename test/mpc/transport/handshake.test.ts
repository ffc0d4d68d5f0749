import { createCipheriv } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { SymbolonError } from "../../../mpc/errors.ts";
import { attemptContext } from "../../../mpc/transport/attempt.ts";
import { Handshake, handshakePrologue } from "../../../mpc/transport/handshake.ts";
import { generateX25519, publicKeyOf } from "../../../mpc/transport/keys.ts";
import vector from "../../vectors/noise-kk.json" with { type: "json" };

const fromHex = (hex: string) => new Uint8Array(Buffer.from(hex, "hex"));
const toHex = (data: Uint8Array) => Buffer.from(data).toString("hex");
const keyPair = (privateHex: string) => ({
  privateKey: fromHex(privateHex),
  publicKey: publicKeyOf(fromHex(privateHex)),
});

const thrown = (run: () => unknown): SymbolonError | undefined => {
  try {
    run();
  } catch (error) {
    return error as SymbolonError;
  }
  return undefined;
};

const jobId = `0x${"07".repeat(32)}`;
const context = attemptContext({ chainId: 1, escrow: `0x${"ab".repeat(20)}`, jobId, attempt: 0 });
const rfc7748 = {
  privateKey: "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
  publicKey: "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
};
const alice = generateX25519();
const bob = generateX25519();

function pair(change: { prologue?: Uint8Array; initiatorKey?: Uint8Array; responderKey?: Uint8Array } = {}) {
  const initiator = new Handshake({
    role: "initiator",
    prologue: handshakePrologue(context, 1, 2),
    staticPrivateKey: change.initiatorKey ?? alice.privateKey,
    peerPublicKey: bob.publicKey,
  });
  const responder = new Handshake({
    role: "responder",
    prologue: change.prologue ?? handshakePrologue(context, 1, 2),
    staticPrivateKey: change.responderKey ?? bob.privateKey,
    peerPublicKey: alice.publicKey,
  });
  return { initiator, responder };
}

function complete({ initiator, responder }: ReturnType<typeof pair>) {
  responder.readMessage(initiator.writeMessage());
  initiator.readMessage(responder.writeMessage());
  return { first: initiator.secrets(), second: responder.secrets() };
}

describe("Noise KK handshake", () => {
  test("reproduces the published vector: messages, hash and transport keys", () => {
    const prologue = fromHex(vector.prologue);
    const initiatorStatic = keyPair(vector.init_static);
    const responderStatic = keyPair(vector.resp_static);
    const initiator = new Handshake({
      role: "initiator",
      prologue,
      staticPrivateKey: initiatorStatic.privateKey,
      peerPublicKey: responderStatic.publicKey,
      ephemeral: keyPair(vector.init_ephemeral),
    });
    const responder = new Handshake({
      role: "responder",
      prologue,
      staticPrivateKey: responderStatic.privateKey,
      peerPublicKey: initiatorStatic.publicKey,
      ephemeral: keyPair(vector.resp_ephemeral),
    });
    const [one, two, ...transport] = vector.messages as { payload: string; ciphertext: string }[];
    const firstMessage = initiator.writeMessage(fromHex(one!.payload));
    expect(toHex(firstMessage)).toBe(one!.ciphertext);
    expect(toHex(responder.readMessage(firstMessage))).toBe(one!.payload);
    const secondMessage = responder.writeMessage(fromHex(two!.payload));
    expect(toHex(secondMessage)).toBe(two!.ciphertext);
    expect(toHex(initiator.readMessage(secondMessage))).toBe(two!.payload);
    const [a, b] = [initiator.secrets(), responder.secrets()];
    expect(toHex(a.handshakeHash)).toBe(vector.handshake_hash);
    expect(toHex(b.handshakeHash)).toBe(vector.handshake_hash);
    // The vector goes on with transport messages in turn, initiator first, each direction counting from 0.
    for (const [i, message] of transport.entries()) {
      const nonce = Buffer.alloc(12);
      nonce.writeUInt32BE(Math.floor(i / 2), 8);
      const cipher = createCipheriv("aes-256-gcm", i % 2 === 0 ? a.sendKey : b.sendKey, nonce);
      const sealed = [cipher.update(message.payload, "hex"), cipher.final(), cipher.getAuthTag()];
      expect(toHex(Buffer.concat(sealed))).toBe(message.ciphertext);
    }
  });

  test("both sides get the same three secrets, all different, fresh in each run", () => {
    const { first, second } = complete(pair());
    expect(toHex(first.sendKey)).toBe(toHex(second.receiveKey));
    expect(toHex(first.receiveKey)).toBe(toHex(second.sendKey));
    expect(toHex(first.pairSecret)).toBe(toHex(second.pairSecret));
    const again = complete(pair()).first;
    const all = [first, again].flatMap((s) => [s.sendKey, s.receiveKey, s.pairSecret, s.handshakeHash]);
    expect(new Set(all.map(toHex)).size).toBe(8);
    for (const secret of all) expect(secret.length).toBe(32);
  });

  test("an initiator without the pinned key is CHANNEL_AUTH", () => {
    const { initiator, responder } = pair({ initiatorKey: generateX25519().privateKey });
    expect(thrown(() => responder.readMessage(initiator.writeMessage()))?.code).toBe("CHANNEL_AUTH");
  });

  test("a responder without the pinned key is CHANNEL_AUTH", () => {
    const { initiator, responder } = pair({ responderKey: generateX25519().privateKey });
    expect(thrown(() => responder.readMessage(initiator.writeMessage()))?.code).toBe("CHANNEL_AUTH");
  });

  test.each([
    [
      "another attempt",
      handshakePrologue(
        attemptContext({ chainId: 1, escrow: `0x${"ab".repeat(20)}`, jobId, attempt: 1 }),
        1,
        2,
      ),
    ],
    ["another pair of parties", handshakePrologue(context, 1, 3)],
    ["the other direction", handshakePrologue(context, 2, 1)],
  ])("%s is CHANNEL_AUTH", (_, prologue) => {
    const { initiator, responder } = pair({ prologue });
    expect(thrown(() => responder.readMessage(initiator.writeMessage()))?.code).toBe("CHANNEL_AUTH");
  });

  test("every altered byte of either message is CHANNEL_AUTH, and no message holds a key", () => {
    for (let at = 0; at < 48; at++) {
      const { initiator, responder } = pair();
      const message = initiator.writeMessage();
      message[at]! ^= 1;
      expect(thrown(() => responder.readMessage(message))?.code).toBe("CHANNEL_AUTH");
    }
    for (let at = 0; at < 48; at++) {
      const { initiator, responder } = pair();
      responder.readMessage(initiator.writeMessage());
      const message = responder.writeMessage();
      message[at]! ^= 128;
      const error = thrown(() => initiator.readMessage(message));
      expect(error?.code).toBe("CHANNEL_AUTH");
      for (const secret of [alice.privateKey, bob.privateKey, message]) {
        expect(`${error?.message}${error?.stack}`).not.toContain(toHex(secret).slice(0, 16));
      }
      // A failed handshake gives no keys.
      expect(thrown(() => initiator.secrets())?.code).toBe("INTERNAL");
    }
  });

  test("a short message is CHANNEL_AUTH", () => {
    const { initiator, responder } = pair();
    expect(thrown(() => responder.readMessage(initiator.writeMessage().subarray(0, 47)))?.code).toBe(
      "CHANNEL_AUTH",
    );
  });

  test.each([
    ["0", new Uint8Array(32)],
    ["1", Uint8Array.from({ length: 32 }, (_, i) => (i === 0 ? 1 : 0))],
    ["a point of order 8", fromHex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")],
  ])("an ephemeral key of small order (%s) is CHANNEL_AUTH", (_, point) => {
    const { initiator, responder } = pair();
    const message = initiator.writeMessage();
    message.set(point, 0);
    const error = thrown(() => responder.readMessage(message));
    expect(error?.code).toBe("CHANNEL_AUTH");
    expect(error?.message).toContain("shared secret");
  });

  test("steps out of order are a defect", () => {
    expect(thrown(() => pair().responder.writeMessage())?.code).toBe("INTERNAL");
    expect(thrown(() => pair().initiator.readMessage(new Uint8Array(48)))?.code).toBe("INTERNAL");
    expect(thrown(() => pair().initiator.secrets())?.code).toBe("INTERNAL");
    const { initiator, responder } = pair();
    complete({ initiator, responder });
    expect(thrown(() => initiator.secrets())?.code).toBe("INTERNAL");
  });

  test("keys of a wrong length are KEY_INVALID", () => {
    expect(thrown(() => publicKeyOf(new Uint8Array(31)))?.code).toBe("KEY_INVALID");
    const options = { role: "initiator", prologue: context, staticPrivateKey: alice.privateKey } as const;
    expect(thrown(() => new Handshake({ ...options, peerPublicKey: new Uint8Array(33) }))?.code).toBe(
      "KEY_INVALID",
    );
  });

  test("Alice's public key of RFC 7748 section 6.1", () => {
    const privateKey = fromHex(rfc7748.privateKey);
    expect(toHex(publicKeyOf(privateKey))).toBe(rfc7748.publicKey);
  });

  test("attempts have names of their own", () => {
    const base = { chainId: 1, escrow: `0x${"ab".repeat(20)}`, jobId, attempt: 0 };
    const changes = [
      {},
      { chainId: 2 },
      { escrow: `0x${"cd".repeat(20)}` },
      { jobId: `0x${"08".repeat(32)}` },
      { attempt: 1 },
    ];
    expect(new Set(changes.map((change) => toHex(attemptContext({ ...base, ...change })))).size).toBe(5);
    expect(thrown(() => attemptContext({ ...base, escrow: "0x12" }))?.code).toBe("USAGE");
    expect(thrown(() => attemptContext({ ...base, jobId: "0x07" }))?.code).toBe("USAGE");
    expect(thrown(() => attemptContext({ ...base, attempt: -1 }))?.code).toBe("USAGE");
  });
});
