/** Runs the sandbox request given as JSON, for a test that kills this process. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { ProcessRunner } from "../../src/platform/ProcessRunner.ts"
import { Sandbox, type SandboxRequest } from "../../src/platform/Sandbox.ts"

const request = JSON.parse(process.argv[2] ?? "") as SandboxRequest
const runtime = ManagedRuntime.make(Sandbox.layer.pipe(Layer.provideMerge(ProcessRunner.layer)))
await runtime.runPromise(
  Effect.gen(function* () {
    const sandbox = yield* Sandbox
    const runner = yield* ProcessRunner
    const command = yield* sandbox.wrap(request)
    yield* runner.run({ ...command, timeoutMs: 600_000 })
  }),
)
