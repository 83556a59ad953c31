import { expect, test } from "bun:test"
import * as FastCheck from "effect/FastCheck"
import { type AuditFields, chainHash, GENESIS_HASH } from "../../src/domain/audit.ts"
import { NO_COUNTS } from "../../src/domain/entry.ts"

const ROW: AuditFields = {
  seq: 12,
  at: 1_700_000_000_000,
  event: "leased",
  entryId: 3,
  entryPrevious: 4,
  subject: "R1-1",
  actor: "worker",
  data: "{}",
  counts: { ...NO_COUNTS, pending: 1 },
}

test("the chain's encoding is fixed: logs of every version verify", () => {
  const prefixed = "2:1213:1700000000000" + "6:leased" + "1:3" + "1:4" + "4:R1-1" + "6:worker" + "2:{}"
  const counts = "19:0,1,0,0,0,0,0,0,0,0"
  expect(chainHash(GENESIS_HASH, ROW)).toBe(
    new Bun.CryptoHasher("sha256").update(GENESIS_HASH + prefixed + counts).digest("hex"),
  )
})

test("every field counts, and the row before", () => {
  const others: readonly Partial<AuditFields>[] = [
    { seq: 13 },
    { at: ROW.at + 1 },
    { event: "renewed" },
    { entryId: 4 },
    { entryId: null },
    { entryPrevious: 3 },
    { entryPrevious: null },
    { subject: "R1-2" },
    { subject: "" },
    { subject: null },
    { actor: "w" },
    { data: '{"a":1}' },
    { counts: { ...NO_COUNTS, pending: 2 } },
    { counts: NO_COUNTS },
  ]
  const hashes = [ROW, ...others.map((other) => ({ ...ROW, ...other }))].map((row) =>
    chainHash(GENESIS_HASH, row),
  )
  hashes.push(chainHash("1".repeat(64), ROW))
  expect(new Set(hashes).size).toBe(hashes.length)
})

test("moving a byte from one field to the next changes the hash", () => {
  const texts = ["event", "subject", "actor", "data"] as const
  const text = FastCheck.string({ unit: FastCheck.constantFrom("1", "0", ":", "a", "ä", "-") })
  FastCheck.assert(
    FastCheck.property(
      FastCheck.tuple(text, text, text, text),
      FastCheck.nat({ max: 2 }),
      FastCheck.nat({ max: 9 }),
      (values, index, cut) => {
        const row = { ...ROW, ...Object.fromEntries(texts.map((name, at) => [name, values[at]])) }
        const [here, next] = [texts[index]!, texts[index + 1]!]
        const joined = `${row[here]}${row[next]}`
        const at = Math.min(cut, joined.length)
        const moved = { ...row, [here]: joined.slice(0, at), [next]: joined.slice(at) }
        return moved[here] === row[here] || chainHash(GENESIS_HASH, moved) !== chainHash(GENESIS_HASH, row)
      },
    ),
    { numRuns: 2_000 },
  )
})
