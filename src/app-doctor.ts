import * as Layer from "effect/Layer"
import { Operator } from "./platform/Operator.ts"
import { ProcessRunner } from "./platform/ProcessRunner.ts"
import { Sandbox } from "./platform/Sandbox.ts"
import type { Environment } from "./platform/Terminal.ts"
import { CurrentWorkspace, type Workspace } from "./platform/Workspace.ts"

/** What `doctor` stands on: nothing that can be damaged. */
export const doctorLayer = (
  workspace: Workspace,
  env: Environment,
): Layer.Layer<CurrentWorkspace | Operator | ProcessRunner | Sandbox> =>
  Layer.mergeAll(Operator.layer(env), Layer.succeed(CurrentWorkspace, workspace), Sandbox.layer).pipe(
    Layer.provideMerge(ProcessRunner.layer),
  )
