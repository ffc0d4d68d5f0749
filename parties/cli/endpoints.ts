/** Where chain and bridge are unless an option or the environment says otherwise. */
export const defaultRpc = "http://127.0.0.1:8545";
export const defaultBridge = "http://127.0.0.1:8600";
