/** Stock JIFF's server in a process of its own: relays the messages of the three JIFF parties. */
import { once } from "node:events";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import type { Server } from "socket.io";
import { answer } from "../engine/messages.ts";

const require = createRequire(import.meta.url);
const JIFFServer = require("jiff-mpc/lib/jiff-server.js") as new (
  http: ReturnType<typeof createServer>,
  options: object,
) => { io: Server; apply_extension(extension: unknown): void };

const http = createServer();
const server = new JIFFServer(http, { logs: false });
server.apply_extension(require("jiff-mpc/lib/ext/jiff-server-bignumber.js"));
// jiff-mpc was written for a socket.io that had this table.
const { sockets } = server.io;
Object.defineProperty(sockets, "connected", { get: () => Object.fromEntries(sockets.sockets) });
http.listen(0, "127.0.0.1");
await once(http, "listening");
await answer((http.address() as AddressInfo).port);
