import * as Layer from "effect/Layer"
import { type Core, coreLayer } from "./app.ts"
import { type Deciding, decidingLayer, type IntakeError } from "./app-intake.ts"
import { LogExport } from "./audit/LogExport.ts"
import { cacheDir } from "./platform/cache-dir.ts"
import { Database, type DatabaseError } from "./platform/Database.ts"
import { Failpoints } from "./platform/Failpoints.ts"
import { GitRepository } from "./platform/git/GitRepository.ts"
import { Operator } from "./platform/Operator.ts"
import type { Environment } from "./platform/Terminal.ts"
import type { Workspace } from "./platform/Workspace.ts"

/** What writes the log out needs. */
export const logLayer = (
  workspace: Workspace,
  env: Environment,
): Layer.Layer<Core | LogExport, DatabaseError> =>
  Layer.provideMerge(LogExport.layer, coreLayer(workspace, env))

/** What archiving needs: the log, the policy of the base, and a person. */
export const archivingLayer = (
  workspace: Workspace,
  env: Environment,
): Layer.Layer<Deciding | LogExport, IntakeError> =>
  LogExport.layer.pipe(
    Layer.provideMerge(decidingLayer(workspace, env)),
    Layer.provideMerge(Failpoints.layer(env)),
  )

/** The log and, where it can be read, the repository: replaying asks it only for what the log does not hold. */
export const replayLayer = (
  workspace: Workspace,
  env: Environment,
): Layer.Layer<Core | LogExport, DatabaseError> =>
  Layer.provideMerge(repositoryIfAny(workspace.root, env), logLayer(workspace, env))

const repositoryIfAny = (start: string, env: Environment) =>
  Layer.catchAll(GitRepository.layer({ start, cacheDir: cacheDir(env), env }), () => Layer.empty)

/**
 * For segments: no workspace, and a log that holds nothing. The repository of `start`, where there is one, is asked for
 * what they do not hold.
 */
export const filesReplayLayer = (
  env: Environment,
  start: string,
): Layer.Layer<LogExport | Operator, DatabaseError> =>
  LogExport.layer.pipe(
    Layer.provide(Database.layerMemory),
    Layer.merge(Operator.layer(env)),
    Layer.provideMerge(repositoryIfAny(start, env)),
  )
