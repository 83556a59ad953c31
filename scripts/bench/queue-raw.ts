/** The queue's writes by hand, on a schema the queue made: bare prepared statements, no hashing, no checks. */
import { Database as Sqlite } from "bun:sqlite"
import type { EnqueueItem } from "../../src/queue/enqueue.ts"
import * as sql from "../../src/queue/queue.sql.ts"

const LEASE_MS = 300_000
export const HASH = "0".repeat(64)
const COUNTS = "0,0,0,0,0,0,0,0,0,0"
const RECEIPT = `{"checksum":"${HASH}","flags":["unguarded"],"patches":[]}`.repeat(5)

export const rawQueue = (file: string) => {
  const db = new Sqlite(file)
  for (const pragma of ["busy_timeout = 5000", "synchronous = NORMAL", "foreign_keys = ON"])
    db.run(`PRAGMA ${pragma}`)
  const statement = (text: string) => db.prepare(text)
  const insertEntry = statement(sql.INSERT_ENTRY)
  const insertPayload = statement(sql.INSERT_PAYLOAD)
  const setClock = statement(sql.SET_AGENT_CLOCK)
  const ready = statement(sql.READY)
  const payload = statement(sql.PAYLOAD_BY_ID)
  const lease = statement(sql.LEASE)
  const move = statement(sql.MOVE)
  const decide = statement(sql.MOVE_AND_DECIDE)
  const verification = statement(sql.PUT_VERIFICATION)
  const dropVerification = statement(sql.DROP_VERIFICATION)
  const receipt = statement(sql.PUT_RECEIPT)
  const audit = statement("INSERT INTO audit VALUES (?, ?, ?, ?, ?, NULL, ?, ?, ?, ?)")
  let seq = 0
  const log = (event: string, id: number | null, data: string) =>
    audit.run(++seq, Date.now(), event, id, id === null ? null : seq - 1, "worker-1", data, COUNTS, HASH)
  const begin = statement("BEGIN IMMEDIATE")
  const commit = statement("COMMIT")
  const transaction = <A>(body: () => A): A => {
    begin.run()
    const value = body()
    commit.run()
    return value
  }
  const enqueue = ({ cast, priority }: EnqueueItem, body: string) => {
    const at = Date.now()
    const id = Number(
      insertEntry.run(
        cast.cast_id,
        cast.checksum,
        cast.request_id,
        cast.task_id,
        cast.agent_id,
        cast.checksum,
        1,
        priority,
        at,
        0,
        "independent",
        5,
        at + 604_800_000,
        at,
        null,
        seq + 1,
      ).lastInsertRowid,
    )
    insertPayload.run(id, body)
    setClock.run(cast.agent_id, priority, at, id)
    log(
      "enqueued",
      id,
      `{"agent":"${cast.agent_id}","body_sha256":"${HASH}","cast_id":"${cast.cast_id}","checksum":"${cast.checksum}","payload_hash":"${HASH}","priority":5,"task_id":"${cast.task_id}"}`,
    )
    return id
  }
  const take = (limit: number) => {
    const at = Date.now()
    const rows = ready.all(limit) as sql.EntryRow[]
    return rows.map((row) => {
      lease.run(row.id, "worker-1", at + LEASE_MS, at, seq + 1, row.lease_token, row.attempts)
      log("leased", row.id, '{"token":1,"attempt":1,"until":1772366400000}')
      JSON.parse((payload.get(row.id) as { body: string }).body)
      return row.id
    })
  }
  const data = `{"code":"test","reason":"the test says so","result_tree":"4b825dc642cb6eb9a060e54bf8d69288fbee4904","digest":"${HASH}"}`
  /** One write of the entry, and a row of the log for each state it passed. */
  const step = (
    how: typeof move,
    id: number,
    from: string,
    passed: readonly string[],
    owner: string | null,
  ) => {
    const at = Date.now()
    how.run(
      id,
      passed.at(-1) ?? from,
      from,
      1,
      owner,
      owner && at + LEASE_MS,
      null,
      at,
      null,
      null,
      1,
      1,
      seq + passed.length,
    )
    for (const state of passed) log(state, id, data)
  }
  const prove = (id: number, passed: readonly string[]) => {
    const owner = passed.at(-1) === "committing" ? "worker-1" : null
    step(move, id, "in_progress", passed, owner)
    verification.run(id, null, null, HASH, HASH, "{}", Date.now())
  }
  const land = (id: number) => {
    step(decide, id, "committing", ["applied"], null)
    receipt.run(id, null, Date.now(), RECEIPT)
    dropVerification.run(id)
  }
  const enter = (items: readonly EnqueueItem[]) =>
    transaction(() => items.map((one) => enqueue(one, JSON.stringify(one.cast))))
  return {
    enqueue: enter,
    /** Enqueue, lease, verified: three transactions. */
    cycle: (items: readonly EnqueueItem[]) => {
      enter(items)
      const ids = transaction(() => take(items.length))
      transaction(() => ids.map((id) => prove(id, ["verified"])))
    },
    /** As a worker does it, whose landing lies between its beginning and its end: four transactions. */
    path: (items: readonly EnqueueItem[]) => {
      enter(items)
      const ids = transaction(() => take(items.length))
      transaction(() => ids.map((id) => prove(id, ["verified", "committing"])))
      transaction(() => ids.map(land))
    },
    close: () => db.close(),
  }
}
