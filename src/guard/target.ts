import type * as Effect from "effect/Effect"
import type { SandboxMode } from "../domain/policy.ts"
import type { ReadOnlyBind } from "../platform/sandbox-mounts.ts"

/** A tree on disk that guards may run on; a candidate is one. */
export interface GuardTarget<E> {
  readonly tree: string
  readonly dir: string
  readonly binds: readonly ReadOnlyBind[]
  readonly dependencies: {
    readonly digest: string
    readonly missing: readonly { readonly path: string; readonly reason: string }[]
  }
  /** Makes `dir` exactly the tree again; called before every run. */
  readonly reset: Effect.Effect<void, E>
}

export interface GuardSettings {
  readonly sandbox: SandboxMode
  /** The operator's environment. Guards see `PATH`, `HOME`, `LANG` and what their `env` names; never a secret. */
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Folders a sandbox never shows: the live tree, Hyperion's state. */
  readonly hidden: readonly string[]
  /** Folder of the logs, each named `<log_sha256>.log`. */
  readonly logDir: string
  /** False for a batch: a red run is then neither repeated nor remembered, because it does not say whose it is. */
  readonly solo: boolean
}
