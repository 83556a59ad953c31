import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type Intake, intakeLayer } from "../app-intake.ts"
import type { AppError } from "./error-table.ts"
import type { ExitCode } from "./exit-codes.ts"
import type { CommandContext } from "./run.ts"
import { runWith } from "./run-program.ts"

/** Runs a program that takes documents in. Apart from run-program.ts, so that commands that only read stay light. */
export const runIntake = (
  context: Pick<CommandContext<unknown>, "globals" | "output" | "env">,
  program: Effect.Effect<ExitCode, AppError, Intake | Scope.Scope>,
): Promise<ExitCode> => runWith(context, intakeLayer, program)
