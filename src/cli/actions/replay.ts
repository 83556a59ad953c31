import * as Effect from "effect/Effect"
import { filesReplayLayer, replayLayer } from "../../app-log.ts"
import { counted } from "../../domain/words.ts"
import { type ReplayReport, replay } from "../../operations/replay.ts"
import { type Piece, styled } from "../../platform/Terminal.ts"
import { Exit, type ExitCode } from "../exit-codes.ts"
import type { CommandContext } from "../run.ts"
import { runOn, runWith } from "../run-program.ts"

export interface ReplayArgs {
  readonly to: string
  readonly until: number | undefined
  readonly from: string | undefined
}

export const replayLog = (context: CommandContext<ReplayArgs>): Promise<ExitCode> => {
  const { args, output, env, globals } = context
  const program = Effect.map(replay(args), (report) => {
    if (output.format !== "text") output.json({ schema_version: 1, ...report })
    else output.data(replayText(report))
    return Exit.ok as ExitCode
  })
  // Segments stand for themselves: they are replayed where there is no workspace at all. Those that begin behind a
  // checkpoint need the tree it stood on, from the repository they are replayed in.
  return args.from === undefined
    ? runWith(context, replayLayer, program)
    : runOn(context, filesReplayLayer(env, globals.root ?? process.cwd()), program)
}

const replayText = (report: ReplayReport): readonly Piece[] => [
  styled("green", "replayed"),
  ` ${counted(report.rows, "row")} into ${report.folder}`,
  `\n  queue    ${counted(report.entries, "entry", "entries")}, digest ${report.queue_digest}`,
  `\n  tree     ${report.trees} of ${counted(report.landings, "landed tree is as its receipt says", "landed trees are those of their receipts")}`,
  ...(report.foreign > 0
    ? [
        `\n  bases    ${report.foreign} of other people's commits adopted${report.from_git > 0 ? `, ${counted(report.from_git, "tree")} taken from the repository` : ""}`,
      ]
    : []),
  ...(report.tip_tree === null ? [] : [`\n  tip      tree ${report.tip_tree}`]),
  `\n  head     ${report.head}`,
]
