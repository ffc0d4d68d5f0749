// Builds what is generated: the WebAssembly kernels and the contracts' artefacts. Both skip what is up to date.
import { buildContracts } from "../contracts/build.ts";
import { buildKernels } from "../mpc/vector/build.ts";

await buildKernels();
// Long enough to be taken for a standstill.
await buildContracts(() => console.error("Compiling the contracts (about half a minute) ..."));
