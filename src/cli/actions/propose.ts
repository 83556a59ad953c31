import { resolve } from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { counted } from "../../domain/words.ts"
import {
  type ProposeRange,
  type ProposeSummary,
  parseRange,
  proposeAndSubmit,
  proposeEach,
  proposeEdits,
} from "../../operations/propose.ts"
import { submit } from "../../operations/submit.ts"
import { GitRepository } from "../../platform/git/GitRepository.ts"
import { discover } from "../../platform/git/layout.ts"
import { openLines } from "../../platform/line-file.ts"
import { styled } from "../../platform/Terminal.ts"
import { discoverWorkspace } from "../../platform/Workspace.ts"
import { currentBase } from "../../worker/base.ts"
import { Exit, type ExitCode } from "../exit-codes.ts"
import type { CommandContext } from "../run.ts"
import { runIntake } from "../run-intake.ts"
import { runOn } from "../run-program.ts"
import { told } from "./submit.ts"

export interface ProposeArgs {
  readonly from: string | undefined
  readonly ref: string | undefined
  readonly worktree: boolean
  readonly agent: string | undefined
  readonly intent: string | undefined
  readonly squash: boolean
  readonly out: string | undefined
  readonly submit: boolean
}

const describe = ({ proposed, commits, notes }: ProposeSummary): string => {
  const lost = Object.entries(notes).map(([note, count]) => `${count} ${note.replaceAll("_", " ")}`)
  return `${counted(proposed, "change request")} from ${counted(commits, "commit")}${lost.length > 0 ? ` (${lost.join(", ")})` : ""}`
}

/** Writes change requests; needs a repository, not a workspace. Where there is one, its landing branch is left out. */
export const propose = async (context: CommandContext<ProposeArgs>): Promise<ExitCode> => {
  const { args, globals, output, env } = context
  if (args.worktree) return edits(context)
  const range: ProposeRange | null =
    args.from === undefined ? { kind: "ref", ref: args.ref ?? "HEAD", landing: null } : parseRange(args.from)
  if (range === null) {
    output.error(
      {
        code: "bad_value",
        message: "--from takes a range of commits",
        hint: "hyperion propose --from main..HEAD",
        retryable: false,
      },
      Exit.usage,
    )
    return Exit.usage
  }
  const withoutLanding = (landing: string): ProposeRange =>
    range.kind === "ref" ? { ...range, landing } : range
  const start = resolve(globals.root ?? ".")
  const found = discover(start)
  if (args.submit || discoverWorkspace({ cwd: start, env, db: globals.db }).ok)
    return runIntake(
      context,
      Effect.gen(function* () {
        const git = yield* GitRepository
        const base = yield* currentBase()
        const input = {
          // Names such as HEAD are those of the working tree the person stands in.
          gitDir: found.ok ? found.value.gitDir : git.layout.gitDir,
          env,
          range: withoutLanding(base.ref),
          squash: args.squash,
        }
        if (!args.submit) return yield* print(context, input)
        const { summary, results } = yield* proposeAndSubmit(input)
        output.note(describe(summary))
        return told(output, results)
      }),
    )
  if (!found.ok) {
    output.error(
      { code: "no_repository", message: found.error.message, hint: "git init", retryable: false },
      Exit.usage,
    )
    return Exit.usage
  }
  const input = { gitDir: found.value.gitDir, env, range, squash: args.squash }
  return runOn(context, Layer.empty, print(context, input))
}

/** The edits somebody, or an agent in a linked working tree, has made and not committed. */
const edits = (context: CommandContext<ProposeArgs>): Promise<ExitCode> =>
  runIntake(
    context,
    Effect.gen(function* () {
      const { args, globals, output, env } = context
      const git = yield* GitRepository
      const found = discover(resolve(globals.root ?? "."))
      const made = yield* proposeEdits({
        layout: found.ok ? found.value : git.layout,
        env,
        // Edits of whoever worked here: under the operator's own name nobody but others could approve them.
        agent: args.agent ?? "working-tree",
        ...(args.intent !== undefined && { intent: args.intent }),
      })
      if (made === null) {
        output.note("nothing is edited here")
        return Exit.ok
      }
      for (const repository of made.proposal.repositories)
        output.note([styled("yellow", "left out:"), ` ${repository} is a repository of its own`])
      if (args.submit)
        return told(
          output,
          yield* submit([made.document], { supersede: false, dryRun: false, tasks: "open" }),
        )
      const text = JSON.stringify(made.proposal.change_request)
      if (args.out === undefined) output.jsonl(made.proposal.change_request)
      else {
        const write = yield* openLines(args.out)
        yield* write(text)
      }
      return Exit.ok
    }),
  )

const print = ({ args, output }: CommandContext<ProposeArgs>, input: Parameters<typeof proposeEach>[0]) =>
  Effect.gen(function* () {
    const sink = args.out === undefined ? null : yield* openLines(args.out)
    const summary = yield* proposeEach(input, ({ change_request }) =>
      sink === null ? Effect.sync(() => output.jsonl(change_request)) : sink(JSON.stringify(change_request)),
    )
    output.note(describe(summary))
    return Exit.ok
  })
