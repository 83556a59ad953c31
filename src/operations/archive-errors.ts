import * as Data from "effect/Data"

/** Nothing was taken out of the queue. */
export class ArchiveRefused extends Data.TaggedError("ArchiveRefused")<{
  readonly reason: "inside" | "audit" | "incomplete" | "damaged" | "changed" | "unfinished"
  readonly detail: string
  readonly hint: string
}> {
  override get message(): string {
    return this.detail
  }
}
