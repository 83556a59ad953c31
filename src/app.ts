import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { AuditService } from "./audit/AuditService.ts"
import { BlobStore } from "./audit/BlobStore.ts"
import { Database, type DatabaseError } from "./platform/Database.ts"
import { Operator } from "./platform/Operator.ts"
import { PolicyStore } from "./platform/PolicyStore.ts"
import type { Environment } from "./platform/Terminal.ts"
import { CurrentWorkspace, type Workspace } from "./platform/Workspace.ts"
import { QueueService } from "./queue/QueueService.ts"
import { TelemetryService } from "./telemetry/TelemetryService.ts"

/** What commands that only read or decide need: the workspace, its database, the queue and its log. */
export type Core =
  | CurrentWorkspace
  | Operator
  | Database
  | QueueService
  | AuditService
  | BlobStore
  | PolicyStore
  | TelemetryService

/** The core of one workspace; every larger graph is built on it. */
export const coreLayer = (
  workspace: Workspace,
  env: Environment,
  { create }: { readonly create: boolean } = { create: false },
): Layer.Layer<Core, DatabaseError> =>
  Layer.mergeAll(
    QueueService.layer,
    AuditService.layer,
    BlobStore.layer,
    PolicyStore.layer,
    TelemetryService.layer,
  ).pipe(
    Layer.provideMerge(Database.layer({ file: workspace.databaseFile, create })),
    Layer.provideMerge(Layer.succeed(CurrentWorkspace, workspace)),
    Layer.provideMerge(Operator.layer(env)),
  )

/** How a program ended: its value, its typed error, a defect, or Ctrl-C. */
export type Outcome<A, E> =
  | { readonly kind: "done"; readonly value: A }
  | { readonly kind: "failed"; readonly error: E }
  | { readonly kind: "defect"; readonly defect: unknown }
  | { readonly kind: "interrupted" }

/**
 * Runs a program on a layer; the only place where a live graph is provided. The first SIGINT or SIGTERM interrupts it,
 * so that finalizers (leases given back, child processes killed) run; a second one ends the process at once.
 */
export const runApp = async <A, E, R, LE>(
  program: Effect.Effect<A, E, R | Scope.Scope>,
  layer: Layer.Layer<R, LE>,
): Promise<Outcome<A, E | LE>> => {
  // @effect-diagnostics-next-line strictEffectProvide:off
  const fiber = Effect.runFork(Effect.provide(Effect.scoped(program), layer))
  let interrupted = false
  const stop = () => {
    if (interrupted) process.exit(130)
    interrupted = true
    Effect.runFork(Fiber.interrupt(fiber))
  }
  process.on("SIGINT", stop)
  process.on("SIGTERM", stop)
  try {
    const exit = await Effect.runPromise(Fiber.await(fiber))
    if (Exit.isSuccess(exit)) return { kind: "done", value: exit.value }
    const failure = Cause.failureOption(exit.cause)
    if (failure._tag === "Some") return { kind: "failed", error: failure.value }
    if (Cause.isInterruptedOnly(exit.cause)) return { kind: "interrupted" }
    return { kind: "defect", defect: Cause.squash(exit.cause) }
  } finally {
    process.off("SIGINT", stop)
    process.off("SIGTERM", stop)
  }
}
