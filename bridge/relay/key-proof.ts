/**
 * Proof that a connection belongs to the operator whose JIFF key is registered: without it anybody who knows
 * a computation's (public) name could take an operator's place there and keep it out.
 *
 * The relay sends a fresh X25519 key; the party answers with a MAC under the Diffie-Hellman result of that key
 * and its own, over the computation, its number and its session key. The answer is worth nothing for another
 * connection. `mpc/transport/jiff-proof.ts` is the other side; the two are written apart on purpose, since the
 * bridge holds no code that works on shares.
 */
import {
  createHmac,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
  timingSafeEqual,
} from "node:crypto";

export class KeyChallenge {
  /** What the party gets: 64 hexadecimal digits. */
  readonly publicKey: string;
  readonly #privateKey: KeyObject;

  constructor() {
    const { publicKey, privateKey } = generateKeyPairSync("x25519");
    this.publicKey = Buffer.from(publicKey.export({ format: "jwk" }).x!, "base64url").toString("hex");
    this.#privateKey = privateKey;
  }

  /** Whether `proof` answers this challenge with the key behind `registeredKey` (32 bytes). */
  accepts(
    proof: string | undefined,
    registeredKey: Uint8Array,
    claim: { computationId: string; partyIndex: number; sessionKey: string },
  ): boolean {
    if (proof === undefined) return false;
    const x = Buffer.from(registeredKey).toString("base64url");
    let shared: Buffer;
    try {
      const publicKey = createPublicKey({ key: { kty: "OKP", crv: "X25519", x }, format: "jwk" });
      shared = diffieHellman({ privateKey: this.#privateKey, publicKey });
    } catch {
      // A registered key that is no point, or of small order: nobody can prove to hold it.
      return false;
    }
    const info = Buffer.concat([Buffer.from(this.publicKey, "hex"), registeredKey]);
    const key = new Uint8Array(hkdfSync("sha256", shared, "symbolon relay proof v1", info, 32));
    const mac = createHmac("sha256", key);
    mac.update(JSON.stringify([claim.computationId, claim.partyIndex, claim.sessionKey]));
    return timingSafeEqual(mac.digest(), Buffer.from(proof, "hex"));
  }
}
