import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs"
import { join } from "node:path"
import { isAlive } from "./state-files.ts"

/** A named file, or a folder in which the log is filed as `<its SHA-256>.log`. Created 0600 (folders 0700). */
export type LogPlace = { readonly file: string } | { readonly folder: string }

/** Folders that this process has looked through: they grow large, and who dies is rare. */
const swept = new Set<string>()

/** Removes what processes were writing when they were killed. */
const sweepDrafts = (folder: string): void => {
  if (swept.has(folder)) return
  swept.add(folder)
  for (const name of readdirSync(folder)) {
    const owner = /^running-(\d+)-/.exec(name)?.[1]
    if (owner === undefined || isAlive(Number(owner))) continue
    try {
      rmSync(join(folder, name), { recursive: true, force: true })
    } catch {
      // What cannot be removed is in nobody's way.
    }
  }
}

/** Both streams of a process in order of arrival, cut at `limit` bytes; the digest is of the bytes written. */
export class ProcessLog {
  readonly #fd: number
  readonly #hash = new Bun.CryptoHasher("sha256")
  /** Where a log without a name yet is written. */
  readonly #draft: string | null
  readonly #folder: string
  #room: number
  #broken = false

  /** Throws when the file cannot be created. */
  constructor(place: LogPlace, limit: number) {
    this.#folder = "folder" in place ? place.folder : ""
    if ("folder" in place) {
      mkdirSync(place.folder, { recursive: true, mode: 0o700 })
      sweepDrafts(place.folder)
    }
    this.#draft = "folder" in place ? mkdtempSync(join(place.folder, `running-${process.pid}-`)) : null
    this.#fd = openSync("file" in place ? place.file : join(this.#draft!, "log"), "w", 0o600)
    this.#room = limit
  }

  push(chunk: Uint8Array): void {
    if (this.#broken || this.#room <= 0) return
    const part = chunk.subarray(0, this.#room)
    this.#room -= part.length
    this.#write(part)
    if (this.#room <= 0) this.#write(Buffer.from("\n[log cut here: size limit]\n"))
  }

  #write(part: Uint8Array): void {
    try {
      for (let at = 0; at < part.length; ) at += writeSync(this.#fd, part, at)
      this.#hash.update(part)
    } catch {
      this.#broken = true
    }
  }

  /** `undefined` when the disk refused part of the log: no digest vouches for a log with holes. */
  close(): string | undefined {
    closeSync(this.#fd)
    const digest = this.#hash.digest("hex")
    try {
      if (this.#draft === null) return this.#broken ? undefined : digest
      if (!this.#broken) renameSync(join(this.#draft, "log"), join(this.#folder, `${digest}.log`))
      rmSync(this.#draft, { recursive: true, force: true })
      return this.#broken ? undefined : digest
    } catch {
      return undefined
    }
  }

  /** The process never started: nothing is kept in a folder. */
  discard(): void {
    this.#broken = true
    this.close()
  }
}
