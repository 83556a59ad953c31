import * as Effect from "effect/Effect"
import {
  JournalFailed,
  type LandingJournalShape,
  type LandingRecord,
} from "../../src/apply/LandingJournal.ts"

/** A journal that keeps what it was told, or fails on `begin`. */
export interface RecordingJournal {
  readonly calls: string[]
  readonly records: LandingRecord[]
  readonly service: LandingJournalShape
  fail: boolean
}

export const recordingJournal = (): RecordingJournal => {
  const calls: string[] = []
  const records: LandingRecord[] = []
  const note = (call: string) =>
    Effect.sync(() => {
      calls.push(call)
    })
  const journal: RecordingJournal = {
    calls,
    records,
    fail: false,
    service: {
      begin: (record) =>
        Effect.suspend(() => {
          if (journal.fail) return new JournalFailed({ reason: "disk full" })
          calls.push("begin")
          records.push(JSON.parse(JSON.stringify(record)) as LandingRecord)
          return Effect.void
        }),
      done: () => note("done"),
      undone: () => note("undone"),
    },
  }
  return journal
}
