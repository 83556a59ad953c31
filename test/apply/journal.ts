import * as Effect from "effect/Effect"
import type { LandingJournalShape, LandingRecord } from "../../src/apply/LandingJournal.ts"

/** A journal that keeps what it was told. */
export const recordingJournal = () => {
  const calls: string[] = []
  const records: LandingRecord[] = []
  const note = (call: string) =>
    Effect.sync(() => {
      calls.push(call)
    })
  const service: LandingJournalShape = {
    begin: (record) =>
      Effect.sync(() => {
        calls.push("begin")
        records.push(JSON.parse(JSON.stringify(record)) as LandingRecord)
      }),
    done: () => note("done"),
    undone: () => note("undone"),
  }
  return { calls, records, service }
}
