import * as Data from "effect/Data"

/** An id that nothing in the queue answers to. */
export class UnknownId extends Data.TaggedError("UnknownId")<{ readonly id: string }> {
  override get message(): string {
    return `nothing here is called ${JSON.stringify(this.id)}`
  }
}

/** What was asked cannot be done in the state the thing is in. Nothing was changed. */
export class WrongState extends Data.TaggedError("WrongState")<{
  readonly what: string
  readonly state: string
  readonly advice: string
}> {
  override get message(): string {
    return `${this.what} is ${this.state}`
  }
}
