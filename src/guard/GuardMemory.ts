import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { GuardOutput } from "../domain/guard.ts"

export interface GuardMemoryShape {
  /** By `guardKey`. A memory that cannot answer says none: the guard then simply runs. */
  readonly get: (key: string) => Effect.Effect<Option.Option<GuardOutput>>
  /** Only ever given `passed` and confirmed `failed` outputs. */
  readonly put: (key: string, output: GuardOutput) => Effect.Effect<void>
}

/** Results of guards on trees that were seen before. */
export class GuardMemory extends Context.Tag("hyperion/guard/GuardMemory")<GuardMemory, GuardMemoryShape>() {
  /** Forgotten with the process. */
  static readonly layerInMemory = Layer.sync(GuardMemory, () => {
    const outputs = new Map<string, GuardOutput>()
    return {
      get: (key) => Effect.sync(() => Option.fromNullable(outputs.get(key))),
      put: (key, output) => Effect.sync(() => void outputs.set(key, output)),
    }
  })
}
