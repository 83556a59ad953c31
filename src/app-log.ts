import * as Layer from "effect/Layer"
import { type Core, coreLayer } from "./app.ts"
import { LogExport } from "./audit/LogExport.ts"
import type { DatabaseError } from "./platform/Database.ts"
import type { Environment } from "./platform/Terminal.ts"
import type { Workspace } from "./platform/Workspace.ts"

/** What writes the log out needs. */
export const logLayer = (
  workspace: Workspace,
  env: Environment,
): Layer.Layer<Core | LogExport, DatabaseError> =>
  Layer.provideMerge(LogExport.layer, coreLayer(workspace, env))
