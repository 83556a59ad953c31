import * as Effect from "effect/Effect"
import type { Receipt } from "../../domain/receipt.ts"
import { receipts } from "../../operations/receipt.ts"
import { type Piece, styled } from "../../platform/Terminal.ts"
import { Exit } from "../exit-codes.ts"
import type { CommandContext } from "../run.ts"
import { runCore } from "../run-program.ts"

export const showReceipt = (context: CommandContext<{ readonly id: string }>) =>
  runCore(
    context,
    Effect.gen(function* () {
      const { args, output } = context
      const found = yield* receipts(args.id)
      if (output.format === "jsonl") for (const receipt of found) output.jsonl(receipt)
      else if (output.format === "json")
        // One receipt is the document itself, as its schema says.
        output.json(found.length === 1 ? found[0] : { schema_version: 1, receipts: found })
      else for (const receipt of found) output.data(receiptText(receipt))
      return Exit.ok
    }),
  )

const short = (hash: string | null): string => (hash === null ? "none" : hash.slice(0, 12))

const receiptText = (receipt: Receipt): readonly Piece[] => {
  const pieces: Piece[] = [
    styled("bold", `entry ${receipt.entry_id}`),
    ` landed ${receipt.landed_at}${receipt.commit === null ? (receipt.flags.includes("noop") ? ": it was there already" : " in the working tree") : ` as ${receipt.commit}`}\n`,
  ]
  const field = (name: string, value: string) => pieces.push(`  ${name.padEnd(12)}${value}\n`)
  field("checksum", receipt.checksum)
  field("base tree", receipt.base_tree ?? "none")
  field("result tree", receipt.result_tree)
  field("verified as", receipt.verified_as)
  if (receipt.flags.length > 0) field("flags", receipt.flags.join(", "))
  for (const { path, operation, before_hash, after_hash, mode } of receipt.patches)
    field(
      operation,
      `${path}  ${short(before_hash)} → ${short(after_hash)}${mode === null ? "" : ` (${mode})`}`,
    )
  for (const { guard_id, result, duration_ms, sandbox } of receipt.guard_outputs)
    field("guard", `${guard_id}: ${result} in ${duration_ms} ms (sandbox ${sandbox})`)
  for (const { approver, timestamp, attested, note } of receipt.approvals)
    field(
      "approved by",
      `${approver} at ${timestamp}${attested ? "" : " (not attested)"}${note === undefined ? "" : `: ${note}`}`,
    )
  field("audit row", String(receipt.audit_seq))
  pieces.push(`  next: `, styled("bold", `hyperion verify ${receipt.entry_id}`))
  return pieces
}
