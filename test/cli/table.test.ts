import { expect, test } from "bun:test"
import * as FastCheck from "effect/FastCheck"
import { type Piece, pieceText, styled } from "../../src/platform/Terminal.ts"
import { fit, table } from "../../src/platform/table.ts"

const text = (pieces: readonly Piece[]): string => pieces.map(pieceText).join("")

test("aligns columns, wide characters counted as two cells", () => {
  const rows = [
    ["1", "pending", "修正"],
    ["12", "in_progress", "x"],
  ]
  expect(text(table(rows, { head: ["ID", "STATE", "TASK"] }))).toBe(
    ["ID  STATE        TASK", "1   pending      修正", "12  in_progress  x"].join("\n"),
  )
})

test("cuts the widest column first and shows the cut", () => {
  const row = ["12", "pending", "a".repeat(40), "b".repeat(20)]
  expect(text(table([row], { width: 40 }))).toBe(`12  pending  ${"a".repeat(12)}…  ${"b".repeat(11)}…`)
})

test("a column that is to stay whole is cut last", () => {
  const row = ["12", "awaiting_approval", "a".repeat(30)]
  expect(text(table([row], { width: 34, whole: [0, 1] }))).toBe(`12  awaiting_approval  ${"a".repeat(10)}…`)
  // No room for it: then as if it had not been asked for.
  expect(text(table([row], { width: 24, whole: [0, 1] }))).toBe("12  awaiting…  aaaaaaaa…")
})

test("a value can neither forge a row nor a column", () => {
  expect(text(table([["1\n2  applied", "\u001b[2K"]]))).toBe("1\\u{a}2  applied  \\u{1b}[2K")
})

test("keeps the style of a cell around its cut text", () => {
  expect(table([[styled("red", "failed-long-state"), "x"]], { width: 12 })[0]).toEqual(
    styled("red", "failed-l…"),
  )
})

test("fit keeps what fits and never exceeds the width", () => {
  expect([fit("abcd", 4), fit("abcde", 4), fit("日本語", 4)]).toEqual(["abcd", "abc…", "日…"])
})

test("no line is wider than the terminal, wherever the narrowest columns fit at all", () => {
  const cell = FastCheck.oneof(
    FastCheck.string(),
    FastCheck.fullUnicodeString(),
    FastCheck.constant("語".repeat(30)),
  )
  FastCheck.assert(
    FastCheck.property(
      FastCheck.array(FastCheck.tuple(cell, cell, cell), { maxLength: 5 }),
      FastCheck.integer({ min: 22, max: 120 }),
      FastCheck.subarray([0, 1, 2]),
      (rows, width, whole) => {
        const lines = text(table(rows, { width, whole })).split("\n")
        expect(lines.length).toBe(Math.max(1, rows.length))
        for (const line of lines) expect(Bun.stringWidth(line)).toBeLessThanOrEqual(width)
      },
    ),
    { numRuns: 300 },
  )
})
