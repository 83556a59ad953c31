import * as Effect from "effect/Effect"
import { decidingLayer } from "../../app-intake.ts"
import type { SettingChange } from "../../domain/settings.ts"
import { showConfig, type TrustReview, trustPolicy } from "../../operations/config.ts"
import { visibleLine } from "../../platform/sanitize.ts"
import { type Piece, styled } from "../../platform/Terminal.ts"
import { table } from "../../platform/table.ts"
import { Exit } from "../exit-codes.ts"
import type { CommandContext } from "../run.ts"
import { runIntake } from "../run-intake.ts"
import { runWith } from "../run-program.ts"

export const configShow = (context: CommandContext<{ readonly showOrigin: boolean }>) =>
  runIntake(
    context,
    Effect.gen(function* () {
      const { args, output } = context
      const report = yield* showConfig()
      if (output.format === "json") output.json({ schema_version: 1, ...report })
      else if (output.format === "jsonl") for (const setting of report.settings) output.jsonl(setting)
      else
        output.data(
          table(
            report.settings.map(({ key, value, origin }) => [
              key,
              JSON.stringify(value),
              ...(args.showOrigin ? [styled(origin === "default" ? "dim" : "cyan", origin)] : []),
            ]),
            { width: output.stdout.columns },
          ),
        )
      return Exit.ok
    }),
  )

export const configTrust = (context: CommandContext<{ readonly yes: boolean }>) =>
  runWith(
    context,
    decidingLayer,
    Effect.gen(function* () {
      const { args, output } = context
      const report = yield* trustPolicy(args, {
        render: trustText,
        color: output.stderr.color,
        note: output.note,
      })
      if (output.format !== "text") output.json({ schema_version: 1, ...report })
      else if (report.trusted) output.data(`trusted: ${report.file}, digest ${report.digest}`)
      if (!report.trusted) output.note("nothing was changed")
      return report.trusted ? Exit.ok : Exit.usage
    }),
  )

/** Keys whose change lets more through, or starts other programs. */
const SAFETY =
  /^(?:approvals|sensitive_paths|sandbox|guards|suites|paths|tasks|landing|prepare|mounts|on_event|agent\.command)\b/
const LONGEST = 200

const trustText = (review: TrustReview): readonly Piece[] => [
  styled("bold", review.file),
  `, digest ${review.digest}\n`,
  review.compared_with === "trusted"
    ? "changed since it was last trusted:"
    : "differs from the defaults (what was trusted before is not known):",
  ...(review.changes.length === 0 ? ["\n  no setting, only its text"] : review.changes.flatMap(changeText)),
  ...(review.tracked
    ? [
        "\nthe base commit has a hyperion.json of its own, and that one judges: commit this edit to make it count",
      ]
    : []),
]

const changeText = ({ key, from, to }: SettingChange): readonly Piece[] => {
  const name = visibleLine(key).padEnd(32)
  return [
    "\n  ",
    SAFETY.test(key) ? styled("yellow", name) : name,
    ` ${valueText(from)} → `,
    styled("bold", valueText(to)),
  ]
}

const valueText = (value: SettingChange["from"]): string => {
  const text = value === undefined ? "(not set)" : visibleLine(JSON.stringify(value))
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text
}
