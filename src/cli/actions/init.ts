import { resolve } from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { runtimeLayer } from "../../app-runtime.ts"
import { branchHasCommits, type InitReport, initWorkspace } from "../../operations/init.ts"
import { HumanPresence } from "../../platform/HumanPresence.ts"
import { type Piece, styled } from "../../platform/Terminal.ts"
import { workspaceToMake } from "../../platform/Workspace.ts"
import { makeStateFolders } from "../../platform/WorkspaceFiles.ts"
import { Exit, type ExitCode } from "../exit-codes.ts"
import type { CommandContext } from "../run.ts"
import { runOn } from "../run-program.ts"

export interface InitArgs {
  readonly profile: "replay" | undefined
  readonly branch: string | undefined
  readonly yes: boolean
}

export const init = async (context: CommandContext<InitArgs>): Promise<ExitCode> => {
  const { args, globals, output, env } = context
  const start = resolve(globals.root ?? (env["HYPERION_ROOT"] || "."))
  const workspace = workspaceToMake(start, globals.db)
  if (workspace === null) {
    output.error(
      {
        code: "no_repository",
        message: `no git working tree at ${start}`,
        hint: "git init, then hyperion init",
        retryable: false,
      },
      Exit.usage,
    )
    return Exit.usage
  }
  const made = await runOn(context, Layer.empty, Effect.as(makeStateFolders(workspace.stateDir), Exit.ok))
  if (made !== Exit.ok) return made
  return runOn(
    context,
    runtimeLayer(workspace, env, { create: true }),
    Effect.gen(function* () {
      if (args.profile === "replay" && !args.yes) {
        const { branch, hasCommits } = yield* branchHasCommits(args.branch)
        const presence = yield* HumanPresence
        if (hasCommits && !(yield* presence.look()).terminal)
          return output.error(
            {
              code: "needs_yes",
              message: `branch ${branch} has commits, and the profile replay lands on it without approvals or guards`,
              hint: "add --yes, or --branch NAME for another branch",
            },
            Exit.usage,
          ) as ExitCode
        if (hasCommits) {
          const answer = yield* presence.ask(
            `Branch ${branch} has commits. Land on it without approvals and guards? Type yes: `,
          )
          if (answer !== "yes") {
            output.note("nothing was changed")
            return Exit.usage
          }
        }
      }
      const report = yield* initWorkspace({ profile: args.profile, branch: args.branch })
      if (output.format === "text") output.data(text(report))
      else output.json({ schema_version: 1, ...report })
      return report.guards.some((guard) => guard.result === "infra") ? Exit.failed : Exit.ok
    }),
  )
}

const text = (report: InitReport): readonly Piece[] => {
  const row = (name: string, ...value: Piece[]): Piece[] => [`  ${name.padEnd(10)}`, ...value, "\n"]
  const color = (result: string) => (result === "passed" ? "green" : result === "failed" ? "yellow" : "red")
  const guards = report.guards.flatMap((guard) => {
    const how: Piece[] =
      guard.result === null
        ? ["not tried: there is no commit yet"]
        : [styled(color(guard.result), `${guard.result} on the base`), guard.note ? ` (${guard.note})` : ""]
    return row("guard", styled("bold", guard.id), `  ${guard.command.join(" ")}  `, ...how)
  })
  return [
    styled("bold", "Hyperion workspace"),
    ` ${report.root}\n`,
    ...row(
      "policy",
      `${report.policy.file}, ${report.policy.written ? "written" : "kept as it is"}, `,
      report.policy.trusted ? "trusted" : styled("red", "not trusted: read it, then hyperion config trust"),
      report.policy.profile === null ? "" : ` (profile ${report.policy.profile})`,
    ),
    ...row("branch", report.branch),
    ...(guards.length > 0 ? guards : row("guards", styled("yellow", "none: landings are marked unguarded"))),
    ...row(
      "sandbox",
      `${report.sandbox.mode}${report.sandbox.available ? ", bubblewrap works here" : `: ${report.sandbox.reason}`}`,
    ),
    ...row("agents", report.agents.length === 0 ? "none on PATH" : report.agents.join(", ")),
    ...report.switched_off.flatMap((line) => row("off", styled("yellow", line))),
    "next: ",
    styled("bold", "hyperion enqueue FILE"),
    " or ",
    styled("bold", "hyperion request FILE"),
    ", then ",
    styled("bold", "hyperion worker --drain"),
  ]
}
