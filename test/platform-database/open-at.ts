/** A process of a test: opens the database FILE at the instant AT (epoch ms), all at once with its siblings. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Database } from "../../src/platform/Database.ts"

const [file, at] = process.argv.slice(2)
// A start barrier: sleeping would let them drift apart.
while (Date.now() < Number(at));
await Effect.runPromise(Effect.scoped(Layer.build(Database.layer({ file: file!, create: true }))))
process.stdout.write("opened\n")
