import type * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { type Core, coreLayer, runApp } from "../app.ts"
import { type Environment, styled } from "../platform/Terminal.ts"
import { discoverWorkspace, type Workspace } from "../platform/Workspace.ts"
import { type AppError, tell } from "./error-table.ts"
import { Exit, type ExitCode } from "./exit-codes.ts"
import { wantsExport, wantsTraces } from "./globals.ts"
import type { CommandContext } from "./run.ts"
import { VERSION } from "./version.ts"

/** Runs a program on a graph and turns its typed error into one line and an exit code. */
export const runOn = async <R, LE extends AppError>(
  { output }: Pick<CommandContext<unknown>, "output">,
  layer: Layer.Layer<R, LE>,
  program: Effect.Effect<ExitCode, AppError, R | Scope.Scope>,
): Promise<ExitCode> => {
  const outcome = await runApp(program, layer)
  switch (outcome.kind) {
    case "done":
      return outcome.value
    case "failed": {
      const { problem, exit } = tell(outcome.error)
      output.error(problem, exit)
      return exit
    }
    case "interrupted":
      output.error({ code: "interrupted", message: "stopped by a signal", retryable: true }, Exit.interrupted)
      return Exit.interrupted
    case "defect":
      throw outcome.defect
  }
}

/** Runs a program on the graph of the workspace at hand. */
export const runWith = async <R, LE extends AppError>(
  { globals, output, env }: Pick<CommandContext<unknown>, "globals" | "output" | "env">,
  layer: (workspace: Workspace, env: Environment) => Layer.Layer<R, LE>,
  program: Effect.Effect<ExitCode, AppError, R | Scope.Scope>,
): Promise<ExitCode> => {
  const found = discoverWorkspace({
    cwd: process.cwd(),
    env,
    root: globals.root,
    db: globals.db,
  })
  if (!found.ok) {
    output.error({ ...found.error, retryable: false }, Exit.usage)
    return Exit.usage
  }
  const graph = layer(found.value, env)
  const exporting = wantsExport(env) ? await exportingLayer(found.value, { output, env }) : null
  return runOn({ output }, exporting === null ? graph : Layer.merge(graph, exporting), program)
}

const exportingLayer = async (
  { root }: Workspace,
  { output, env }: Pick<CommandContext<unknown>, "output" | "env">,
): Promise<Layer.Layer<never> | null> => {
  const { exportingOf } = await import("../app-export.ts")
  const warning = (text: string) => output.note([styled("yellow", "warning:"), ` ${text}`])
  const warn = wantsTraces(env) ? warning : () => {}
  const { layer, problems } = exportingOf({ env, root, version: VERSION, warn })
  for (const problem of problems) warning(problem)
  return layer
}

export const runCore = (
  context: Pick<CommandContext<unknown>, "globals" | "output" | "env">,
  program: Effect.Effect<ExitCode, AppError, Core | Scope.Scope>,
): Promise<ExitCode> => runWith(context, coreLayer, program)
