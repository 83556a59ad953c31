import * as Layer from "effect/Layer"
import { type Core, coreLayer } from "./app.ts"
import { RequestStore } from "./intake/RequestStore.ts"
import { cacheDir } from "./platform/cache-dir.ts"
import type { DatabaseError } from "./platform/Database.ts"
import { GitRepository } from "./platform/git/GitRepository.ts"
import { ProcessRunner } from "./platform/ProcessRunner.ts"
import { Sandbox } from "./platform/Sandbox.ts"
import type { Environment } from "./platform/Terminal.ts"
import type { Workspace } from "./platform/Workspace.ts"

/** What `status` looks at. The repository is there when it can be read, and missed when it cannot. */
export const statusLayer = (
  workspace: Workspace,
  env: Environment,
): Layer.Layer<Core | RequestStore, DatabaseError> =>
  Layer.mergeAll(
    RequestStore.layer,
    Layer.provide(Sandbox.layer, ProcessRunner.layer),
    GitRepository.layer({ start: workspace.root, cacheDir: cacheDir(env), env }).pipe(
      Layer.catchAll(() => Layer.empty),
    ),
  ).pipe(Layer.provideMerge(coreLayer(workspace, env)))
