import * as Data from "effect/Data"
import { counted } from "../domain/words.ts"

/** The tree could not be written. `path` in the candidate, `detail` the system's word. Nobody's change is to blame. */
export class CandidateFailed extends Data.TaggedError("CandidateFailed")<{
  readonly operation: "read_slot" | "write_tree" | "check_manifest" | "check_blob" | "store_prepared"
  readonly path: string
  readonly detail: string
}> {
  override get message(): string {
    return `candidate: ${this.operation.replace("_", " ")} ${this.path}: ${this.detail}`
  }
}

/** Every slot below `root` is held by a running process. */
export class SlotsBusy extends Data.TaggedError("SlotsBusy")<{
  readonly root: string
  readonly slots: number
}> {
  override get message(): string {
    return `all of ${counted(this.slots, "candidate slot")} below ${this.root} are in use`
  }
}

/** The policy's `prepare` command did not make the dependencies. Infrastructure: no change is charged. */
export class PrepareFailed extends Data.TaggedError("PrepareFailed")<{
  readonly command: readonly string[]
  readonly reason: "invalid" | "not_started" | "exit" | "timeout" | "sandbox"
  readonly exitCode: number | null
  readonly stderrTail: string
}> {
  override get message(): string {
    const how =
      this.reason === "exit" ? `exit ${this.exitCode ?? "by signal"}` : this.reason.replace("_", " ")
    return `prepare failed (${how}): ${this.command.join(" ")}`
  }
}

export const detailOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
