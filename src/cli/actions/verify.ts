import * as Effect from "effect/Effect"
import { counted } from "../../domain/words.ts"
import { type Verified, verify } from "../../operations/verify.ts"
import { type Piece, styled } from "../../platform/Terminal.ts"
import { Exit, type ExitCode } from "../exit-codes.ts"
import type { CommandContext } from "../run.ts"
import { runIntake } from "../run-intake.ts"

export interface VerifyArgs {
  readonly id: string | undefined
  readonly all: boolean
}

export const verifyLandings = (context: CommandContext<VerifyArgs>) =>
  runIntake(
    context,
    Effect.gen(function* () {
      const { args, output } = context
      const results: Verified[] = []
      const counts = yield* verify(args.all ? undefined : args.id, (verified) =>
        Effect.sync(() => {
          if (output.format === "jsonl") output.jsonl(verified)
          else if (output.format === "json") results.push(verified)
          else if (!args.all || !verified.ok) output.data(verifiedText(verified))
        }),
      )
      const ok = counts.faults === 0
      if (output.format === "json")
        output.json({ schema_version: 1, ok, verified: counts.verified, faults: counts.faults, results })
      else if (output.format === "text" && args.all)
        output.data(`${counted(counts.verified, "landing")} verified, ${counts.faults} not as recorded`)
      if (counts.archived > 0)
        output.note(
          `${counts.archived} more ${counts.archived === 1 ? "is" : "are"} archived: hyperion replay --from FOLDER --to EMPTY, and verify --all there`,
        )
      if (ok) return Exit.ok as ExitCode
      return output.error(
        {
          code: "not_as_recorded",
          message: `${counts.faults} of ${counted(counts.verified, "landing is", "landings are")} not as recorded`,
          hint: "hyperion audit verify checks the log; compare with a backup or the shipped segments",
        },
        Exit.failed,
      ) as ExitCode
    }),
  )

const WORDS: Readonly<Record<Verified["paths"][number]["method"], string>> = {
  patch: "git apply",
  canonical: "git apply of the repaired patch",
  content: "whole content",
  "post-image": "stored post-image",
}

const verifiedText = (verified: Verified): readonly Piece[] => [
  styled(verified.ok ? "green" : "red", verified.ok ? "verified" : "differs"),
  ` entry ${verified.entry_id} (${verified.task_id})`,
  ...(verified.fault === null
    ? [
        `: base ${verified.base_tree} gives ${verified.result_tree}`,
        ...verified.paths.map(({ path, method }) => `\n  ${path}: ${WORDS[method]}`),
      ]
    : [` at ${verified.fault.where}: ${verified.fault.message} [${verified.fault.code}]`]),
  ...verified.notes.map((note) => `\n  note: ${note}`),
]
