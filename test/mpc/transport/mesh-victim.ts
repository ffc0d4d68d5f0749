/** Party 3 in a process of its own, for the test that kills it. Its parameters come as the first message. */
import { connectMesh, MeshListener } from "../../../mpc/transport/mesh.ts";
import { round } from "./mesh-world.ts";

const listener = new MeshListener();
const address = await listener.listen({ host: "127.0.0.1", port: 0 });
process.send!(address);
process.once("message", async (message: { contextId: string; privateKey: string; publicKeys: string[] }) => {
  const fromHex = (hex: string) => Buffer.from(hex, "hex");
  const unused = { host: "127.0.0.1", port: 1 };
  const { transport } = await connectMesh({
    listener,
    contextId: fromHex(message.contextId),
    partyIndex: 3,
    staticPrivateKey: fromHex(message.privateKey),
    peers: {
      1: { ...unused, publicKey: fromHex(message.publicKeys[0]!) },
      2: { ...unused, publicKey: fromHex(message.publicKeys[1]!) },
    },
    deadlineMs: 5_000,
    idleTimeoutMs: 5_000,
  });
  process.send!("connected");
  for (let operation = 0; ; operation++) await round(transport, operation, Buffer.alloc(100));
});
