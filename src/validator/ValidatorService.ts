import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { ValidatedChangeRequest } from "../domain/change-request.ts"
import type { Violation } from "../domain/violation.ts"
import type { CheckPatch } from "./rule.ts"
import { type ValidationInput, validateChangeRequest } from "./validate.ts"

/** The document breaks rules; `violations` holds all of them, at least one. */
export class ValidationRejected extends Data.TaggedError("ValidationRejected")<{
  readonly violations: readonly Violation[]
}> {
  override get message(): string {
    const [first, ...rest] = this.violations
    if (!first) return "the change request is invalid"
    const where = first.path === "" ? "" : `${first.path}: `
    return `${where}${first.message}${rest.length > 0 ? ` (and ${rest.length} more)` : ""}`
  }
}

export interface ValidatorServiceShape {
  /** Runs every rule; fails with all violations at once. Reads nothing but its input. */
  readonly validate: (input: ValidationInput) => Effect.Effect<ValidatedChangeRequest, ValidationRejected>
}

export class ValidatorService extends Context.Tag("hyperion/validator/ValidatorService")<
  ValidatorService,
  ValidatorServiceShape
>() {
  static readonly layer = (checkPatch: CheckPatch): Layer.Layer<ValidatorService> =>
    Layer.succeed(ValidatorService, {
      validate: Effect.fn("ValidatorService.validate")(function* (input: ValidationInput) {
        const result = validateChangeRequest(input, checkPatch)
        return result.ok ? result.value : yield* new ValidationRejected({ violations: result.error })
      }),
    })
}
