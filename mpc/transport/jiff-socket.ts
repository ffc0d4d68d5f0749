/**
 * The WebSocket under JIFF's socket.io client: no polling, no compression, and no message larger than the
 * limit is ever buffered, whatever the relay sends.
 */
import { WebSocket as SocketIoTransport } from "socket.io-client";
import { WebSocket as Connection } from "ws";

interface TransportClass {
  new (
    options: unknown,
  ): { createSocket(uri: string, protocols: string | string[] | undefined, options: object): unknown };
}

/** A transport for socket.io's `transports` option. @param maxMessageBytes largest message from the relay */
export function relayTransport(maxMessageBytes: number): TransportClass {
  // socket.io-client's types do not show the method that is meant to be overridden.
  const Base = SocketIoTransport as unknown as TransportClass;
  return class RelayTransport extends Base {
    override createSocket(uri: string, protocols: string | string[] | undefined, options: object): unknown {
      return new Connection(uri, protocols ?? [], {
        ...options,
        perMessageDeflate: false,
        maxPayload: maxMessageBytes,
        followRedirects: false,
      });
    }
  };
}
